# SPDX-License-Identifier: GPL-2.0-only
"""The lines that complaints begin with.

Each is anchored at the message's beginning, since words alone prove nothing: a
program that dies of a general protection fault of its own is in the log, too
("traps: a.out[5] general protection fault ip:…"), and that is no complaint.
The texts are those of the kernel's sources, 4.0 to 7.3; the comment names the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from lab.complaints.frames import FUNCTION
from lab.model.complaint import Kind


class Shape(Enum):
    """Which lines follow a head."""

    #: Words, then a register dump or a stack trace; ``---[ end trace`` where there is one.
    TRACE = auto()
    #: A report between two lines of ``=``.
    RULED = auto()
    #: Nothing but, perhaps, a stack trace at once.
    LINE = auto()
    #: Many lines of memory statistics, until the kernel says whom it killed.
    OOM = auto()


@dataclass(frozen=True)
class Head:
    """A pattern of a first line, and what it says.

    ``what`` is a template over the pattern's groups, and the title's beginning.
    A pattern with the group ``function`` says where; else the stack trace does,
    unless ``anywhere``.
    """

    kind: Kind
    pattern: re.Pattern[str]
    what: str
    shape: Shape = Shape.TRACE
    anywhere: bool = False


def _head(
    kind: Kind, pattern: str, what: str, shape: Shape = Shape.TRACE, *, anywhere: bool = False
) -> Head:
    return Head(kind, re.compile(pattern), what, shape, anywhere)


#: A log prefix of the watchdogs', which came in 4.4 and changed in 4.18.
_WATCHDOG = r"(?:(?:NMI )?watchdog: )?"
_RCU = r"(?:rcu: )?"

HEADS: tuple[Head, ...] = (
    # arch/x86/mm/fault.c: the cause was a KERN_CONT of its own until 5.0.
    _head(
        Kind.OOPS,
        r"BUG: (?:unable to handle )?kernel NULL pointer dereference",
        "NULL pointer dereference",
    ),
    _head(Kind.OOPS, r"BUG: unable to handle (?:kernel paging request|page fault)", "page fault"),
    _head(Kind.OOPS, r"BUG: unable to handle kernel\b", "bad memory access"),
    # arch/x86/kernel/traps.c, dumpstack.c
    _head(
        Kind.STACK,
        r"BUG: (?P<stack>[\w ]*)stack guard page was hit",
        "{stack}stack overflow",
    ),
    _head(Kind.STACK, r"kernel stack overflow \((?:page |double-)fault\)", "stack overflow"),
    _head(Kind.DOUBLE_FAULT, r"(?:traps: )?PANIC: double fault", "double fault"),
    _head(Kind.DOUBLE_FAULT, r"double fault: \w+ \[#\d+\]", "double fault"),
    # die_addr() and die(): "general protection fault: 0000 [#1] SMP"; a program's
    # own has no [#N].
    _head(
        Kind.OOPS,
        r"(?P<trap>general protection fault|stack segment|segment not present|invalid TSS"
        r"|coprocessor segment overrun|alignment check|divide error|overflow|bounds|int3"
        r"|invalid opcode|device not available|simd exception|fpu exception"
        r"|control protection fault|machine check)\b[^\[]*: [0-9a-f]{4} \[#\d+\]",
        "{trap}",
    ),
    _head(Kind.OOPS, r"Oops:? ?[^\[]*\b[0-9a-f]{4} \[#\d+\]", "oops"),
    _head(Kind.OOPS, r"[Uu]nable to handle kernel (?P<cause>[\w ]+?)(?: at|$)", "{cause}"),
    # mm/kasan/report.c
    _head(
        Kind.KASAN,
        rf"BUG: KASAN: (?P<sort>[\w -]+?) in {FUNCTION}",
        "{sort}",
        Shape.RULED,
    ),
    _head(Kind.KASAN, r"BUG: KASAN: (?P<sort>[\w-]+)", "{sort}", Shape.RULED),
    # kernel/kcsan/report.c
    _head(
        Kind.KCSAN,
        r"BUG: KCSAN: (?P<sort>[\w-]+) in (?P<one>[\w.]+)(?: / (?P<other>[\w.]+))?",
        "{sort} in {one}{other}",
        Shape.RULED,
        anywhere=True,
    ),
    _head(Kind.KCSAN, r"BUG: KCSAN: (?P<sort>[\w: -]+)", "{sort}", Shape.RULED, anywhere=True),
    # mm/kmsan/report.c, mm/kfence/report.c
    _head(Kind.KMSAN, rf"BUG: KMSAN: (?P<sort>[\w-]+) in {FUNCTION}", "{sort}", Shape.RULED),
    _head(Kind.KMSAN, r"BUG: KMSAN: (?P<sort>[\w -]+)", "{sort}", Shape.RULED),
    _head(Kind.KFENCE, rf"BUG: KFENCE: (?P<sort>[\w -]+?) in {FUNCTION}", "{sort}", Shape.RULED),
    _head(Kind.KFENCE, r"BUG: KFENCE: (?P<sort>[\w -]+)", "{sort}", Shape.RULED),
    # lib/ubsan.c; "Undefined behaviour in FILE" until 5.7.
    _head(
        Kind.UBSAN,
        r"UBSAN: (?P<sort>[\w -]+?) in (?P<file>[^\s:]+)(?::\d+)*",
        "{sort}",
        Shape.RULED,
    ),
    # kernel/locking/lockdep.c: INFO in brackets until 4.11.
    _head(
        Kind.RCU_USAGE,
        r"(?:\[ )?(?:INFO|WARNING): suspicious RCU usage",
        "suspicious RCU usage",
    ),
    _head(
        Kind.LOCKDEP,
        r"(?:\[ )?(?:INFO|WARNING|BUG): (?P<what>possible (?:circular|recursive) locking"
        r"(?: dependency)? detected|possible irq lock inversion dependency detected"
        r"|possible deadlock detected"
        r"|inconsistent lock state|bad unlock balance detected|held lock freed"
        r"|Nested lock was not taken|bad contention detected"
        r"|(?:lock held when returning to user space)"
        r"|\w+-safe -> \w+-unsafe lock order detected"
        r"|\S.* (?P<held>still has locks held)|.*/\d+, (?P<exit>lock held at task exit time))",
        "{what}",
    ),
    _head(
        Kind.LOCKDEP,
        r"(?:\[ )?BUG: (?P<what>Invalid wait context|key .* not in \.data"
        r"|(?:MAX_LOCK\w+|MAX_STACK_TRACE_ENTRIES|MAX_LOCKDEP_\w+) too low)",
        "{what}",
    ),
    _head(Kind.LOCKDEP, r"INFO: trying to register non-static key", "non-static lock key"),
    _head(
        Kind.LOCKDEP,
        r"BUG: (?P<lock>spinlock|rwlock|rwlock-\w+|write-lock) (?P<what>bad magic|already unlocked"
        r"|wrong owner|wrong CPU|recursion|lockup suspected|trylock failure on UP|lockup)",
        "{lock} {what}",
    ),
    _head(Kind.LOCKDEP, r"BUG: workqueue leaked (?:lock or )?atomic", "workqueue leaked lock"),
    # kernel/sched/core.c
    _head(
        Kind.ATOMIC,
        r"BUG: (?P<what>sleeping function called from invalid context"
        r"|scheduling while atomic|using \w+\(\) in preemptible|assuming \w+ context)",
        "{what}",
    ),
    # kernel/watchdog.c, watchdog_hld.c; which CPU saw it is said from 6.17 on.
    _head(Kind.SOFT_LOCKUP, _WATCHDOG + r"BUG: soft lockup - CPU#\d+", "soft lockup"),
    _head(
        Kind.HARD_LOCKUP,
        _WATCHDOG + r"(?:CPU\d+: )?(?:BUG: )?(?:Watchdog detected hard LOCKUP|hard LOCKUP)",
        "hard lockup",
    ),
    # kernel/hung_task.c
    _head(
        Kind.HUNG_TASK,
        # A name may hold a line end: then only the second half is a line.
        r"(?:INFO: task )?.*:\d+ blocked (?:in I/O wait )?for more than \d+ seconds",
        "task blocked",
    ),
    _head(Kind.HUNG_TASK, r"INFO: task .+ can't die for more than \d+ seconds", "task can't die"),
    # kernel/rcu/tree_stall.h; "rcu: " from 4.20
    _head(
        Kind.RCU_STALL,
        _RCU + r"INFO: rcu_\w+ (?:self-)?detected (?:expedited )?stalls?\b",
        "RCU stall",
    ),
    _head(Kind.RCU_STALL, _RCU + r"(?:INFO: )?rcu_\w+ kthread starved", "RCU kthread starved"),
    # kernel/workqueue.c
    _head(Kind.WORKQUEUE, r"BUG: workqueue lockup", "workqueue lockup", anywhere=True),
    # mm/oom_kill.c
    _head(Kind.OOM, r".{1,20} invoked oom-killer:", "out of memory", Shape.OOM, anywhere=True),
    _head(
        Kind.OOM,
        r"(?:Memory cgroup out of memory|Out of memory[\w ()]*): Kill(?:ed)? process",
        "out of memory",
        Shape.LINE,
        anywhere=True,
    ),
    # mm/page_alloc.c, mm/memory.c, kernel/fork.c
    _head(Kind.BAD_PAGE, r"BUG: Bad page state", "bad page state"),
    _head(Kind.BAD_PAGE, r"BUG: Bad page (?P<what>map|cache)", "bad page {what}"),
    _head(
        Kind.BAD_PAGE,
        r"(?:\S+:\d+: )?bad (?P<level>pmd|pud|p4d|pgd) [0-9a-fx(]",
        "bad {level}",
        Shape.LINE,
        anywhere=True,
    ),
    _head(
        Kind.BAD_RSS,
        r"BUG: Bad rss-counter state .*?(?:type:(?P<sort>\w+)|idx:(?P<index>\d+))",
        "bad rss-counter {sort}{index}",
        Shape.LINE,
        anywhere=True,
    ),
    _head(
        Kind.BAD_RSS,
        r"BUG: non-zero (?:nr_\w+|pgtables_bytes) on freeing mm",
        "page tables left on freeing mm",
        Shape.LINE,
        anywhere=True,
    ),
    # lib/refcount.c: the WARNING comes after it.
    _head(Kind.REFCOUNT, r"refcount_t: (?P<what>[\w -]+?)[.;]?(?:;|\.|$)", "refcount {what}"),
    # mm/slub.c
    _head(
        Kind.SLAB,
        r"BUG (?P<cache>[\w.-]+)(?: ?\([^)]*\))?: (?P<what>[A-Z][\w /-]*)",
        "{what} in {cache}",
        anywhere=True,
    ),
    # mm/kmemleak.c
    _head(
        Kind.LEAK,
        r"kmemleak: \d+ new suspected memory leaks",
        "memory leak",
        Shape.LINE,
        anywhere=True,
    ),
    _head(Kind.LEAK, r"BUG: memory leak", "memory leak"),
    # kernel/panic.c
    _head(
        Kind.STACK,
        r"Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: "
        rf"(?:[0-9a-f]{{8,}}|{FUNCTION})",
        "stack corrupted",
    ),
    _head(
        Kind.STACK,
        r"Kernel panic - not syncing: corrupted stack end detected",
        "corrupted stack end",
    ),
    _head(
        Kind.HARD_LOCKUP,
        r"Kernel panic - not syncing: (?:Watchdog detected )?hard LOCKUP",
        "hard lockup",
    ),
    _head(Kind.PANIC, r"Kernel panic - not syncing: ?(?P<why>.*)", "{why}", anywhere=True),
    # lib/bug.c: the register dump says "invalid opcode" or "Oops: invalid opcode" (6.11).
    _head(
        Kind.BUG,
        r"kernel BUG at (?P<file>[^\s:!]+)(?::\d+)?!?",
        "kernel BUG",
    ),
    # lib/list_debug.c, mm/usercopy.c, lib/debugobjects.c; a BUG or a WARNING comes after.
    _head(
        Kind.BUG,
        r"(?P<what>(?:list_add|list_del|__list_add|__list_del)\w* corruption)",
        "{what}",
    ),
    _head(
        Kind.BUG,
        r"usercopy: (?P<what>Kernel memory (?:exposure|overwrite) attempt) detected",
        "{what}",
    ),
    # kernel/panic.c, __warn(): since 6.15 without the CPU.
    _head(
        Kind.WARNING,
        rf"WARNING: (?:CPU: \d+ PID: \d+ )?at (?P<file>[^\s:]+):\d+ {FUNCTION}",
        "WARNING",
    ),
    _head(Kind.WARNING, rf"WARNING: (?:\[.*\] )?(?P<file>[^\s:]+):\d+ at {FUNCTION}", "WARNING"),
    _head(Kind.WARNING, r"WARNING: CPU: \d+ PID: \d+ at ", "WARNING"),
    _head(Kind.WARNING, rf"WARNING: at {FUNCTION}, CPU#\d+: ", "WARNING"),
    _head(Kind.WARNING, r"WARNING: (?:\[.*\] )?(?P<file>[^\s:]+\.[chS]):\d+ at ", "WARNING"),
    # arch/x86/kernel/unwind_frame.c
    _head(
        Kind.WARNING,
        r"WARNING: (?P<what>kernel stack (?:regs|frame pointer)) at .* has bad ",
        "{what} bad",
        Shape.LINE,
        anywhere=True,
    ),
    # fs/ext4/super.c: " in FUNCTION:LINE: what" is __ext4_std_error()'s; fs/ext4/inode.c
    _head(
        Kind.FILESYSTEM,
        r"(?P<fs>EXT4-fs) (?:error|panic) \(device [^)]*\)(?::| in) (?P<place>\w+)",
        "{fs} error in {place}",
        Shape.LINE,
        anywhere=True,
    ),
    _head(
        Kind.FILESYSTEM,
        r"EXT4-fs \([^)]*\): (?P<what>Delayed block allocation failed|This should not happen)",
        "EXT4-fs {what}",
        Shape.LINE,
        anywhere=True,
    ),
    # fs/jbd2/journal.c, commit.c
    _head(
        Kind.FILESYSTEM,
        r"(?P<what>Aborting journal) on device|JBD2: (?P<why>Detected IO errors"
        r"|(?:Error -?\d+ detected|I/O error) when updating journal superblock)",
        "JBD2 {what}{why}",
        Shape.LINE,
        anywhere=True,
    ),
    # fs/xfs/xfs_error.c, xfs_fsops.c (of 4.0 "… Detected. Shutting down filesystem", since
    # 5.17 with where), xfs_log.c, xfs_buf.c, xfs_aops.c.  "User initiated shutdown
    # received" is what a test may ask for.
    _head(
        Kind.FILESYSTEM,
        r"(?P<fs>XFS) \([^)]*\): (?P<what>log I/O error|metadata I/O error"
        r"|writeback error|page discard"
        r"|Filesystem has been shut down due to log error"
        r"|(?:(?:Log |Metadata )?I/O Error|Block device removal)(?= \(0x| Detected)"
        r"|Corruption of on-disk metadata)",
        "{fs} {what}",
        Shape.LINE,
        anywhere=True,
    ),
    _head(
        Kind.FILESYSTEM,
        r"(?P<fs>XFS) \([^)]*\): (?P<what>Internal error|Corruption detected"
        r"|Metadata corruption detected|Metadata CRC error|Corruption warning|Assertion failed"
        r"|Corruption of in-memory data)",
        "{fs} {what}",
        anywhere=True,
    ),
    # fs/iomap/buffered-io.c, ioend.c: "DEVICE: writeback error on inode".
    _head(
        Kind.FILESYSTEM,
        r"[\w-]+: (?P<what>writeback error) on inode \d+",
        "{what}",
        Shape.LINE,
        anywhere=True,
    ),
    _head(
        Kind.FILESYSTEM,
        r"VFS: (?P<what>Busy inodes after unmount|Close: file count is)",
        "VFS {what}",
        Shape.LINE,
        anywhere=True,
    ),
    _head(Kind.FILESYSTEM, r"XFS: (?P<what>Assertion failed)", "XFS {what}", anywhere=True),
    _head(Kind.WARNING, r"irq \d+: nobody cared", "interrupt nobody cared for"),
    # Whatever else calls itself a BUG at the beginning of a message.
    _head(Kind.BUG, r"BUG: (?P<what>\S.*)", "{what}"),
)

#: What a panic says that only ends an earlier complaint.
CONSEQUENCE = re.compile(
    r"Kernel panic - not syncing: (?:Fatal |panic_on|kernel: panic_on|hung_task:|softlockup:"
    r"|Hard LOCKUP|RCU Stall|UBSAN:|KASAN:|kfence|Aiee|scheduling while atomic"
    r"|System is deadlocked|Out of memory|Attempted to kill the idle task|hung_|.*_on_warn)"
)
_OOPS_LINE = re.compile(
    r"Oops\b|(?:invalid opcode|stack guard page|double fault|general protection fault"
    r"|kernel BUG at|WARNING: )"
)


#: A word of every head: most lines have none, and are passed over at once.
_SUSPICIOUS = re.compile(
    r"BUG|INFO|WARNING|panic|Oops|nable to handle|stack overflow|double fault|\[#\d|UBSAN"
    r"|LOCKUP|blocked|starved|oom-killer|Kill|bad p|refcount_t|kmemleak|_add|_del|usercopy"
    r"|EXT4-fs|XFS|VFS|JBD2|Aborting|writeback error|nobody cared"
)


def find_head(text: str) -> tuple[Head, re.Match[str]] | None:
    """The head that a message is, with its match."""
    if not _SUSPICIOUS.search(text):
        return None
    for head in HEADS:
        match = head.pattern.match(text)
        if match is not None:
            return head, match
    return None


def continues(text: str) -> bool:
    """Whether a head can also be a further line of a complaint just begun."""
    return bool(_OOPS_LINE.match(text))
