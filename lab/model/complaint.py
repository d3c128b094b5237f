# SPDX-License-Identifier: GPL-2.0-only
"""What a complaint of the kernel is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What sort of thing the kernel complains of.

    The last four are no lines of the kernel's: who watches the guest tells them.
    """

    OOPS = "oops"
    BUG = "bug"
    PANIC = "panic"
    WARNING = "warning"
    LOCKDEP = "lockdep"
    RCU_USAGE = "suspicious-rcu"
    ATOMIC = "atomic"
    KASAN = "kasan"
    KCSAN = "kcsan"
    KMSAN = "kmsan"
    KFENCE = "kfence"
    UBSAN = "ubsan"
    SLAB = "slab"
    LEAK = "leak"
    SOFT_LOCKUP = "soft-lockup"
    HARD_LOCKUP = "hard-lockup"
    HUNG_TASK = "hung-task"
    RCU_STALL = "rcu-stall"
    WORKQUEUE = "workqueue-lockup"
    OOM = "oom-kill"
    BAD_PAGE = "bad-page"
    BAD_RSS = "bad-rss"
    REFCOUNT = "refcount"
    STACK = "stack"
    DOUBLE_FAULT = "double-fault"
    FILESYSTEM = "filesystem"
    UNKNOWN = "unknown"
    TRIPLE_FAULT = "triple-fault"
    REBOOT = "reboot"
    SILENT_DEATH = "silent-death"
    HANG = "hang"


_STALLS = frozenset(
    {Kind.RCU_STALL, Kind.SOFT_LOCKUP, Kind.HARD_LOCKUP, Kind.HUNG_TASK, Kind.WORKQUEUE}
)
_BROKEN = frozenset({Kind.OOPS, Kind.DOUBLE_FAULT, Kind.STACK, Kind.PANIC})


@dataclass(frozen=True)
class Frame:
    """A function in a stack trace.

    ``offset`` and ``size`` are as in ``name+0xOFFSET/0xSIZE``; ``reliable`` is
    False for one marked ``?``; ``returns`` is False where the instruction itself
    is meant (RIP), not the one after a call.  ``file`` and ``line`` are known where ``vmlinux``
    has debug information, or the kernel said them itself.
    """

    function: str
    offset: int
    size: int
    reliable: bool = True
    module: str = ""
    returns: bool = True
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        doubt = "" if self.reliable else "? "
        module = f" [{self.module}]" if self.module else ""
        where = f" {self.file}:{self.line}" if self.file else ""
        return f"{doubt}{self.function}+{self.offset:#x}/{self.size:#x}{module}{where}"


@dataclass(frozen=True)
class Complaint:
    """One complaint, with the lines that belong to it as the log has them.

    Attributes:
        title: The same for the same complaint in another run: no numbers, no addresses.
        first_line, offset: Where its first line is, from 1, and in bytes.
        frames: The first stack trace, the innermost function first.
        headline: The line that says what it is, without its prefix.
        time: Seconds since boot, where the log has time stamps.
        fatal: A panic came of it.
        cut: Its end, or its beginning, is not in the log.
    """

    kind: Kind
    title: str
    lines: tuple[str, ...] = ()
    first_line: int = 0
    offset: int = 0
    frames: tuple[Frame, ...] = ()
    time: float | None = None
    fatal: bool = False
    cut: bool = False
    headline: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.title}"

    @property
    def stalls(self) -> bool:
        """Whether it says that something does not go on."""
        return self.kind in _STALLS

    @property
    def breaks(self) -> bool:
        """Whether a kernel that says this is good for nothing more."""
        died = self.kind is Kind.BUG and "kernel BUG" in self.title
        return self.fatal or died or self.kind in _BROKEN
