# SPDX-License-Identifier: GPL-2.0-only
"""Lines the lab leaves in a guest's kernel log: which program, and which test, ran there.

A guest program's results come over SSH, the kernel's complaints on the console: two
clocks, two ways.  What both are on is the kernel log, so the lab writes there when a
program begins and ends (``/dev/kmsg``, Linux 3.5), and the programs of
``guest-tests/`` write when each test begins.  Notice level, as kselftest's marks:
the console shows them, since a guest that dies leaves nothing else.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

#: Where a guest program writes its marks, for who sets this in its environment.
VARIABLE = "LAB_MARKS"
_LOG = "/dev/kmsg"
_MARK = re.compile(r"(?:^|\] )lab: run (\S+) (\S+)/(\S+)\s*$")
_ANY = re.compile(
    r"lab: (?:(?P<verb>run|ran) (?P<filesystem>\S+) (?P<suite>\S+)/(?P<program>\S+)"
    r"|test (?P<test>\S.*) begins)\s*$"
)


@dataclass(frozen=True)
class Mark:
    """A program that begins (``begins``) or ends, or a test of it that begins."""

    begins: bool
    filesystem: str = ""
    program: str = ""
    test: str = ""


def program_mark(filesystem: str, suite: str, program: str) -> str:
    """The line that goes before a program's own: ``lab: run ext4-dax mlock/mlock``."""
    return f"lab: run {filesystem} {suite}/{program}"


def read_mark(line: str) -> tuple[str, str, str] | None:
    """Filesystem, suite and program of a mark in a log's line; None for any other line."""
    match = _MARK.search(line)
    return (match[1], match[2], match[3]) if match else None


def parse_mark(text: str) -> Mark | None:
    """The mark of any kind that a message is, its time stamp taken off; None for others."""
    match = _ANY.match(text)
    if match is None:
        return None
    if match["test"]:
        return Mark(True, test=match["test"])
    return Mark(match["verb"] == "run", match["filesystem"], match["program"])


def marked(command: str, filesystem: str, suite: str, program: str, then: str = "true") -> str:
    """Shell code that runs ``command``, which is that too, between two marks, and ends as it does.

    ``then`` is shell code that is run after it, by the same shell.

    The shell stays: a program that it became, killed by a signal, would have no status.
    """
    begins = _says(program_mark(filesystem, suite, program))
    over = ends(filesystem, suite, program)
    return f"{begins}; export {VARIABLE}={_LOG}; {command}; status=$?; {over}; {then}; exit $status"


def ends(filesystem: str, suite: str, program: str) -> str:
    """A shell command that marks the end of a program."""
    return _says(f"lab: ran {filesystem} {suite}/{program}")


def host_test_begins(filesystem: str, suite: str, program: str, test: str) -> str:
    """One that marks the beginning of a test which runs on the host, and of its program."""
    began = _says(program_mark(filesystem, suite, program))
    return f"{began}; {_says(f'lab: test {test} begins')}"


def _says(line: str) -> str:
    return f"echo {shlex.quote(f'<5>{line}')} >{_LOG}"
