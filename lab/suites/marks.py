# SPDX-License-Identifier: GPL-2.0-only
"""Marks in the kernel's own log: which program, and which test, ran when it complained.

A guest program's results come over SSH, the kernel's complaints on the console: two
clocks, two ways.  What both are on is the kernel log, so the lab writes there when a
program begins and ends (``/dev/kmsg``, Linux 3.5), and the programs of
``guest-tests/`` write when each test begins.  Notice level, as kselftest's marks:
the console shows them, since a guest that dies leaves nothing else.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

#: Where a guest program writes its marks, for who sets this in its environment.
VARIABLE = "LAB_MARKS"
_LOG = "/dev/kmsg"
_MARK = re.compile(r"lab: (?P<what>program|test) (?P<name>\S+) (?P<verb>begins|ends)(?: on (\S+))?")
_PROGRAM = re.compile(r"(?:^|\] )lab: program ([^\s/]+)/([^\s/]+)/(\S+) begins\s*$")


@dataclass(frozen=True)
class Mark:
    """A mark that was read: ``program`` or ``test``, its name, whether it begins."""

    program: bool
    name: str
    begins: bool


def program_mark(filesystem: str, suite: str, program: str, verb: str = "begins") -> str:
    """The line that goes before a program's own: ``lab: program ext4-dax/mlock/mlock begins``."""
    return f"lab: program {filesystem}/{suite}/{program} {verb}"


def read_mark(line: str) -> tuple[str, str, str] | None:
    """Filesystem, suite and program that begin in a log's line; None for any other line."""
    match = _PROGRAM.search(line)
    return (match[1], match[2], match[3]) if match else None


def parse_mark(text: str) -> Mark | None:
    """The mark that a message is, if it is one."""
    match = _MARK.match(text)
    if match is None:
        return None
    name = match["name"].rpartition("/")[2]
    return Mark(match["what"] == "program", name, match["verb"] == "begins")


def marked(command: Sequence[str], filesystem: str, suite: str, program: str) -> str:
    """A shell command that runs ``command`` between two marks; its exit status is kept."""
    begins, ends = (
        shlex.quote(f"<5>{program_mark(filesystem, suite, program, verb)}")
        for verb in ("begins", "ends")
    )
    return (
        f"echo {begins} >{_LOG}; {VARIABLE}={_LOG} {shlex.join(command)}; status=$?; "
        f"echo {ends} >{_LOG}; exit $status"
    )
