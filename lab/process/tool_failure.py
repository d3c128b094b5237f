# SPDX-License-Identifier: GPL-2.0-only
"""When a tool's bad end is this machine's trouble, and no word on what it was given."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

#: Nobody's input sends these to a tool that works: no memory, a limit, a disk that is full
#: under a mapped file, somebody's kill.  Not those that a tool exits with by itself: git's
#: usage is 129, its assertions 134.
_SIGNALS = frozenset(
    (
        signal.SIGKILL,
        signal.SIGTERM,
        signal.SIGBUS,
        signal.SIGSEGV,
        signal.SIGILL,
        signal.SIGXCPU,
        signal.SIGXFSZ,
    )
)
# Not in the source that gcc quotes, which it indents: mm/oom_kill.c says "Killed" too.  What
# a shell's command was killed by, make knows as a status: "Error 137".
_SAID = re.compile(
    r"^(?=\S).*(No space left on device|Disk quota exceeded|Cannot allocate memory|\bKilled\b|"
    r"I/O error|Input/output error|\bError 1(?:35|37|43|53)\b|"
    # A limit on memory, processes, open files or the size of one; libiberty says the first.
    r"out of memory allocating \d+ bytes|\bfailed: memory exhausted|"
    r"failed to map segment from shared object|"
    # git, of what it could not write before it came to its end, and no more than that.
    r"write failure on standard output|"
    r"Resource temporarily unavailable|Too many open files|\bCannot fork\b|"
    # Of its program gcc says what make says of its, and a shell says no more than that.
    r"(?:\]|error:|^)\s*(?:Bus error|Terminated|(?:CPU time|File size) limit exceeded)\b)"
)
_FULL = 2**20


def ending_signal(status: int) -> str | None:
    """The signal, by name, that ended a child with this status and is this machine's trouble."""
    with suppress(ValueError):
        if (number := signal.Signals(status - 128)) in _SIGNALS:
            return number.name
    return None


def trouble(tool: str, status: int, said: Iterable[str], disk: Path | None = None) -> str | None:
    """What of this machine ended a tool badly: one line; None when it was what it was given.

    Args:
        status: Its exit status, 128 + N when signal N ended it.
        said: The lines it printed.
        disk: Where it wrote to; a full one is told even if the tool did not.
    """
    if name := ending_signal(status):
        return f"{tool} was ended by {name}"
    # dash says "I/O error" when the disk is full, and other tools nothing at all.
    if disk is not None and shutil.disk_usage(disk).free < _FULL:
        return "No space left on device"
    return next((line.strip() for line in said if _SAID.search(line)), None)
