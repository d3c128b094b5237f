# SPDX-License-Identifier: GPL-2.0-only
"""Counts without a plugin: QEMU logs each instruction of some places that it executes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lab.coverage.counts import COUNTS, LOG, PIPE, read_probes
from lab.errors import InfrastructureError
from lab.guest.qemu.counting import Counting, compiled, qemu_release
from lab.process import Child, ProcessTimeout, spawn

_SOURCE = Path(__file__).with_name("exec_log.c")
_READER = "exec-log"
#: QEMU's name of it since then (qemu-options.hx).
_FIRST_WITH_ONE_INSN = (8, 1)
#: MiB of translated code: each instruction has a block of its own.
_TRANSLATED = 512
#: QEMU looks through all ranges whenever it executes anything.
_MOST_RANGES = 16
#: Bytes between two places that are not worth another range.
_NEAR = 256
#: Bytes of a function in which its first two instructions are, and more.
_BEHIND = 64
#: That it may take to read what is in a pipe, once QEMU has ended.
_DEADLINE_S = 60.0


@dataclass(frozen=True)
class LogCounting:
    """By QEMU's log; ``reader`` is who counts what it says."""

    reader: Path
    probes: Path
    tcg: str
    singly: tuple[str, ...]

    slower = 20.0

    def settled(self, place: Callable[[Path], Path], cache: Path) -> Counting:
        """The same by the log of this host's QEMU."""
        return exec_log(cache).counting(place(self.probes))

    def begin(self, folder: Path, stack: ExitStack) -> tuple[str, ...]:
        """Start who reads the log.

        Raises:
            InfrastructureError: QEMU takes no such name of a file, or it cannot be made.
        """
        pipe = folder / PIPE
        if "%" in str(pipe):
            raise InfrastructureError("QEMU takes no % in the name of its log", where=pipe)
        files = (self.probes, folder / COUNTS, folder / LOG, folder / "resets.log")
        with _fifo(pipe, stack) as (ours, held):
            reader = stack.enter_context(spawn([self.reader, *files], stdin=ours))
            stack.callback(_end, reader, held)
        addresses, mark = read_probes(self.probes)
        # An instruction is known to have run once the next is logged.
        found = spans((*addresses, mark, mark + _BEHIND))
        ranges = ",".join(f"{low:#x}..{high:#x}" for low, high in found)
        words = ("-d", "cpu_reset,exec,nochain", "-dfilter", ranges, "-D", str(pipe))
        return *self.singly, *words


@dataclass(frozen=True)
class ExecLog:
    """QEMU's log, and who reads it."""

    reader: Path

    said = "QEMU's log of the instructions that it executes, for want of plugins"

    def counting(self, probes: Path) -> Counting:
        """How guests count what a file asks for."""
        is_new = qemu_release() >= _FIRST_WITH_ONE_INSN
        more = ",one-insn-per-tb=on" if is_new else ""
        tcg = f"tcg,tb-size={_TRANSLATED}{more}"
        return LogCounting(self.reader, probes, tcg, () if is_new else ("-singlestep",))


def exec_log(cache: Path) -> ExecLog:
    """What counts by QEMU's log.

    Raises:
        InfrastructureError: There is no compiler.
    """
    return ExecLog(compiled(cache, _SOURCE, _READER))


def spans(addresses: Iterable[int]) -> list[tuple[int, int]]:
    """A few ranges, ends included, that have all of some addresses."""
    found: list[tuple[int, int]] = []
    for address in sorted(set(addresses)):
        if found and address - found[-1][1] <= _NEAR:
            found[-1] = (found[-1][0], address)
        else:
            found.append((address, address))
    while len(found) > _MOST_RANGES:
        at = min(range(1, len(found)), key=lambda one: found[one][0] - found[one - 1][1])
        found[at - 1 : at + 1] = [(found[at - 1][0], found[at][1])]
    return found


@contextmanager
def _fifo(pipe: Path, stack: ExitStack) -> Iterator[tuple[int, int]]:
    """Both ends of a new one: so nobody waits for QEMU to open it, should that never come.

    The first is closed when the block is left; the file is there until the stack is.
    """
    try:
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe, 0o600)
        stack.callback(pipe.unlink, missing_ok=True)
        ours = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        held = os.open(pipe, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        raise InfrastructureError(f"cannot be made: {error.strerror}", where=pipe) from error
    os.set_blocking(ours, True)
    try:
        yield ours, held
    finally:
        os.close(ours)


def _end(reader: Child, held: int) -> None:
    """Have it read what is left; of one that does not come to its end nothing counts."""
    os.close(held)
    with suppress(ProcessTimeout):
        reader.wait(_DEADLINE_S)
