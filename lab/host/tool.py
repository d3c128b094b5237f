# SPDX-License-Identifier: GPL-2.0-only
"""The tools of ``tools.toml``, and the one command that installs those that are missing."""

from __future__ import annotations

import os
import shlex
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import IO

from lab.arch import ARCH
from lab.errors import InfrastructureError
from lab.host.machine import Host
from lab.process import ProcessKilled, ProcessTimeout, Result, spawn
from lab.process.child import Argument, failure
from lab.process.deadline import Deadline
from lab.process.tool_failure import ending_signal

#: Seconds for a tool to say what it is, which takes it some milliseconds; a lab that is told
#: to end meanwhile has to have ended after ten.
ASKED_S = 8.0
#: Seconds between two looks at how much it has said, and the bytes it may.
_LOOK_S = 0.2
_MOST = 1 << 20
_INSTALL = {"apt": "sudo apt-get install", "dnf": "sudo dnf install"}
_FAMILIES = {"debian": "apt", "ubuntu": "apt", "fedora": "dnf", "rhel": "dnf", "centos": "dnf"}


@dataclass(frozen=True)
class Tool:
    """A program or file the lab needs.

    ``any_of`` are program names or absolute paths, of which one is enough;
    ``packages`` maps a package manager (``apt``, ``dnf``) to the package's name.
    ``only_for`` is what few use it for: who does is told of it then.
    """

    name: str
    any_of: tuple[str, ...]
    packages: Mapping[str, str]
    needed_for: tuple[str, ...]
    only_for: str = ""


@cache
def known_tools() -> Mapping[str, Tool]:
    """All tools by name, in the order of ``tools.toml``."""
    text = Path(__file__).with_name("tools.toml").read_text()
    for word, meant in {"qemu": ARCH.qemu, **ARCH.packages}.items():
        text = text.replace(f"@{word}@", meant)
    return MappingProxyType({name: _tool(name, row) for name, row in tomllib.loads(text).items()})


def _tool(name: str, row: dict[str, list[str] | str]) -> Tool:
    packages = {manager: str(row[manager]) for manager in _INSTALL}
    candidates = (path for one in row["any_of"] for path in _in_libraries(one))
    only_for = str(row.get("only_for", ""))
    return Tool(name, tuple(candidates), packages, tuple(row["needed_for"]), only_for)


def _in_libraries(candidate: str) -> Iterator[str]:
    """Each path that a candidate stands for; ``/lib`` is in ``/usr`` everywhere by now."""
    before, mark, after = candidate.partition("@libraries@")
    if not mark:
        yield before
        return
    yield from (f"{one}{after}" for one in ARCH.libraries if one.startswith("/usr/"))


def locate(tool: Tool, host: Host) -> Path | None:
    """Where ``tool`` is on ``host``, or None."""
    found = (host.find(candidate) for candidate in tool.any_of)
    return next((path for path in found if path is not None), None)


def need_tool(name: str, host: Host | None = None) -> Path:
    """Where a known tool is; raises InfrastructureError with the package that brings it."""
    host = host or Host.here()
    tool = known_tools().get(name)
    if tool is None:
        what = f"nothing says which package brings {name}"
        raise InfrastructureError(what, hint=f"a table [{name}] in lab/host/tools.toml")
    path = locate(tool, host)
    if path is None:
        raise InfrastructureError(f"{name} is not installed", hint=install_command([tool], host))
    return path


def ask(command: Sequence[Argument], *, check: bool = True) -> Result:
    """Run what answers at once, such as ``gcc --version``.

    Raises:
        InfrastructureError: It does not, is not here, or was killed (ProcessKilled).
        ProcessFailed: With ``check``: its status is not 0.
    """
    (answer,) = ask_all([command])
    return _checked(answer) if check else answer


def ask_each(commands: Iterable[Sequence[Argument]]) -> list[Result]:
    """The same for several, side by side; raises what ask() raises."""
    return [_checked(answer) for answer in ask_all(commands)]


def _checked(answer: Result) -> Result:
    if answer.status != 0:
        raise failure(answer)
    return answer


def ask_all(commands: Iterable[Sequence[Argument]]) -> list[Result]:
    """The same for several, side by side and whatever their status.

    Without threads: those would have to be waited for when the lab is told to end.
    """
    deadline = Deadline("answer", ASKED_S)
    with ExitStack() as stack:
        running = [_Asked(command, stack) for command in commands]
        return [asked.answer(deadline) for asked in running]


class _Asked:
    """A tool that was asked."""

    def __init__(self, command: Sequence[Argument], stack: ExitStack) -> None:
        self._out = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        self._err = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        self._child = stack.enter_context(spawn(command, stdout=self._out, stderr=self._err))

    def answer(self, deadline: Deadline) -> Result:
        """What it said, and its status."""
        status = self._child.poll()
        while status is None:
            self._refuse(deadline)
            with suppress(ProcessTimeout):
                status = self._child.wait(_LOOK_S)
        took = time.monotonic() - self._child.started
        said = self._text(self._out), self._text(self._err)
        result = Result(self._child.arguments, status, *said, took)
        if name := ending_signal(status):
            raise failure(result, None, ProcessKilled, f"was ended by {name}")
        return result

    def _refuse(self, deadline: Deadline) -> None:
        late = deadline.passed
        if late or max(os.fstat(each.fileno()).st_size for each in (self._out, self._err)) > _MOST:
            what = f"has not answered after {ASKED_S:g} s" if late else "does not stop talking"
            raise InfrastructureError(
                f"`{shlex.join(self._child.arguments)}` {what}",
                hint="run it by hand: is it the tool that is meant, and on a disk that answers?",
            )

    @staticmethod
    def _text(stream: IO[bytes]) -> str:
        stream.seek(0)
        return stream.read(_MOST).decode(errors="replace")


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
