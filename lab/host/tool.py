# SPDX-License-Identifier: GPL-2.0-only
"""The tools of ``tools.toml``, and the one command that installs those that are missing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from lab.errors import InfrastructureError
from lab.host.machine import Host

_INSTALL = {"apt": "sudo apt-get install", "dnf": "sudo dnf install"}
_FAMILIES = {"debian": "apt", "ubuntu": "apt", "fedora": "dnf", "rhel": "dnf", "centos": "dnf"}


@dataclass(frozen=True)
class Tool:
    """A program or file the lab needs.

    ``any_of`` are program names or absolute paths, of which one is enough;
    ``packages`` maps a package manager (``apt``, ``dnf``) to the package's name.
    """

    name: str
    any_of: tuple[str, ...]
    packages: Mapping[str, str]
    needed_for: tuple[str, ...]


@cache
def known_tools() -> Mapping[str, Tool]:
    """All tools by name, in the order of ``tools.toml``."""
    text = Path(__file__).with_name("tools.toml").read_text()
    return MappingProxyType({name: _tool(name, row) for name, row in tomllib.loads(text).items()})


def _tool(name: str, row: dict[str, list[str] | str]) -> Tool:
    packages = {manager: str(row[manager]) for manager in _INSTALL}
    return Tool(name, tuple(row["any_of"]), packages, tuple(row["needed_for"]))


def locate(tool: Tool, host: Host) -> Path | None:
    """Where ``tool`` is on ``host``, or None."""
    found = (host.find(candidate) for candidate in tool.any_of)
    return next((path for path in found if path is not None), None)


def need_tool(name: str, host: Host | None = None) -> Path:
    """Where a known tool is; raises InfrastructureError with the package that brings it."""
    host = host or Host.here()
    tool = known_tools()[name]
    path = locate(tool, host)
    if path is None:
        raise InfrastructureError(f"{name} is not installed", hint=install_command([tool], host))
    return path


def install_command(tools: Iterable[Tool], host: Host | None = None) -> str:
    """One shell command that installs all of ``tools``."""
    host = host or Host.here()
    return " ".join([_INSTALL[_manager(host)], *package_names(tools, host)])


def package_names(tools: Iterable[Tool], host: Host | None = None) -> tuple[str, ...]:
    """The packages that bring ``tools``, sorted, each once.

    Names are those of /etc/os-release's family, Debian's where that file names
    none the lab knows.
    """
    manager = _manager(host or Host.here())
    return tuple(sorted({tool.packages[manager] for tool in tools}))


def _manager(host: Host) -> str:
    # os-release(5): ID is one word, ID_LIKE a list of them, closest relation first.
    fields = dict(
        line.split("=", 1) for line in host.read("/etc/os-release").splitlines() if "=" in line
    )
    words = f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', "").split()
    return next((_FAMILIES[word] for word in words if word in _FAMILIES), "apt")
