# SPDX-License-Identifier: GPL-2.0-only
"""Whether the tools that a stage needs are installed: milliseconds, nothing is run."""

from __future__ import annotations

from collections.abc import Iterable

from lab.doctor.finding import STAGES, Finding, Stage
from lab.errors import InfrastructureError
from lab.host import Host, Tool, install_command, known_tools, locate, package_names


def check(stages: Iterable[Stage] = STAGES, host: Host | None = None) -> tuple[Finding, ...]:
    """A finding for each tool that one of ``stages`` needs."""
    host = host or Host.here()
    return tuple(_finding(tool, host) for tool in _needed(set(stages)))


def require(stage: Stage, host: Host | None = None) -> None:
    """Go on only if every tool of ``stage`` is installed.

    Raises:
        InfrastructureError: Some are not; its hint is one command that installs them all.
    """
    host = host or Host.here()
    missing = _missing({stage}, host)
    if missing:
        names = ", ".join(tool.name for tool in missing)
        raise InfrastructureError(
            f"lab {stage} needs what is not installed: {names}",
            hint=install_command(missing, host),
        )


def missing_packages(host: Host | None = None) -> tuple[str, ...]:
    """The packages, sorted, that bring every tool that is not installed, wanted or needed.

    Without those that few want.
    """
    host = host or Host.here()
    tools = (tool for tool in known_tools().values() if not tool.only_for)
    return package_names((tool for tool in tools if locate(tool, host) is None), host)


def _missing(stages: set[Stage], host: Host) -> list[Tool]:
    return [tool for tool in _needed(stages) if locate(tool, host) is None]


def _needed(stages: set[Stage]) -> list[Tool]:
    return [tool for tool in known_tools().values() if stages.intersection(tool.needed_for)]


def _finding(tool: Tool, host: Host) -> Finding:
    path = locate(tool, host)
    if path is not None:
        return Finding(tool.name, True, str(path), needed_for=tool.needed_for)
    return Finding(
        tool.name,
        False,
        f"not installed; needed by {', '.join(tool.needed_for)}",
        install_command([tool], host),
        tool.needed_for,
    )
