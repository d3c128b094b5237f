# SPDX-License-Identifier: GPL-2.0-only
"""What a guest is asked to count, and what it counted: files that it and the lab share.

The counts are of time, not of a process: what runs between a test's beginning and the next one's
is that test's, whoever ran it.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from lab.coverage.formulas import Counted
from lab.coverage.machine_code import Edge
from lab.errors import InfrastructureError
from lab.process.deadline import Deadline
from lab.process.scratch import write_whole

#: In a job's folder: what is asked.  In a guest's: what it counts now, what it counted before
#: each mark, and which programs ran between which marks; while it runs, where QEMU's log goes.
PROBES, COUNTS, LOG, UNITS = "lines.probes", "lines.counts", "lines.log", "lines.units"
PIPE = "lines.pipe"
_MAGIC = 0x6C61622D6C696E65
_HEAD = struct.Struct("<QQQQ")
_COUNTED = struct.Struct("<QQQ")
_ENTRY = struct.Struct("<IIQ")
#: A guest that marks tests without an end must not fill the disk, nor memory here.
MOST_LOGGED = 1 << 30
#: A plugin has nothing to hear; who reads a log says when there is no more of it.
_NOTHING_TO_HEAR, _HEARD_ALL = 0, (1 << 64) - 1
#: Seconds that it may take to hear what QEMU had logged.
_DEADLINE_S = 300.0
_LOOK_S = 0.01


@dataclass(frozen=True)
class Probes:
    """What is counted: addresses, ascending, and ways from one of them to another.

    Attributes:
        mark: The function that is entered when the guest writes to its kernel log.
    """

    addresses: tuple[int, ...]
    edges: tuple[Edge, ...]
    mark: int

    @staticmethod
    def of(addresses: Iterable[int], edges: Iterable[Edge], mark: int) -> Probes:
        """Those, in order."""
        return Probes(tuple(sorted(set(addresses))), tuple(sorted(set(edges))), mark)

    def write(self, path: Path) -> None:
        """Write what is asked, as ``struct asked`` of lab/guest/qemu/counts.c has it.

        Raises:
            OSError: It cannot be written.
        """
        place = {address: number for number, address in enumerate(self.addresses)}
        ways = [number for edge in self.edges for number in (place[edge.start], place[edge.end])]
        values = (*self.addresses, *ways)
        head = _HEAD.pack(_MAGIC, len(self.addresses), len(self.edges), self.mark)
        write_whole(path, head + struct.pack(f"<{len(values)}Q", *values))

    @cached_property
    def numbers(self) -> Mapping[Counted, int]:
        """Where each is among the counts."""
        counted: tuple[Counted, ...] = (*self.addresses, *self.edges)
        return {each: number for number, each in enumerate(counted)}

    @property
    def size(self) -> int:
        """How many are counted."""
        return len(self.addresses) + len(self.edges)


class _Head(NamedTuple):
    """What stands before the counts, as ``struct counted`` of lab/guest/qemu/counted.h."""

    magic: int
    marks: int
    heard: int

    @staticmethod
    def of(folder: Path) -> _Head | None:
        try:
            with (folder / COUNTS).open("rb") as stream:
                return _Head(*_COUNTED.unpack(stream.read(_COUNTED.size)))
        except (OSError, struct.error):
            return None


def read_probes(path: Path) -> tuple[tuple[int, ...], int]:
    """The addresses that a file asks for, and the one that marks.

    Raises:
        InfrastructureError: It is none.
    """
    try:
        content = path.read_bytes()
        magic, places, _, mark = _HEAD.unpack_from(content)
        if magic != _MAGIC:
            raise ValueError("it is something else")
        return struct.unpack_from(f"<{places}Q", content, _HEAD.size), mark
    except (OSError, ValueError, struct.error) as error:
        raise InfrastructureError(f"cannot be read: {error}", where=path) from error


def marks_of(folder: Path) -> int | None:
    """How often a guest has written to its kernel log so far; None of one that counts nothing.

    Where its counts are read out of a log, all that it logged until now is read first.

    Raises:
        InfrastructureError: That does not come to an end.
    """
    _be_heard(folder)
    head = _Head.of(folder)
    return None if head is None else head.marks


def _be_heard(folder: Path) -> None:
    """Have a line of ours read behind those that QEMU wrote by now."""
    try:
        pipe = os.open(folder / PIPE, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        # There is none, or nobody who reads it: then all was read, or what ended it is told.
        return
    wanted = time.monotonic_ns()
    deadline = Deadline("counting", _DEADLINE_S)
    try:
        os.set_blocking(pipe, True)
        os.write(pipe, b"lab %d\n" % wanted)
        while (head := _Head.of(folder)) is not None and head.heard < wanted:
            if deadline.left_s <= 0:
                raise InfrastructureError(f"{deadline}: QEMU's log is not read", where=folder)
            time.sleep(_LOOK_S)
    except BrokenPipeError:
        return
    finally:
        os.close(pipe)


def read_counts(folder: Path, probes: Probes) -> Mapping[int, Mapping[int, int]]:
    """What a guest counted: by the marks that it had made then, counts by number.

    Raises:
        InfrastructureError: It counted nothing, or something else, or not all.
    """
    found: dict[int, dict[int, int]] = defaultdict(dict)
    try:
        _require_all(folder)
        with (folder / COUNTS).open("rb") as stream:
            for number, count in _now(stream.read(), probes.size):
                found[_marks(folder)][number] = count
        for marks, number, count in _logged(folder / LOG):
            if number >= probes.size:
                raise ValueError("it counts what it was not asked for")
            found[marks][number] = found[marks].get(number, 0) + count
    except (OSError, ValueError, struct.error) as error:
        what = f"what a guest counted cannot be read: {error}"
        raise InfrastructureError(what, where=folder) from error
    return found


def _require_all(folder: Path) -> None:
    """Raise ValueError where whoever read QEMU's log did not come to its end."""
    head = _Head.of(folder)
    if head is not None and head.heard not in (_NOTHING_TO_HEAR, _HEARD_ALL):
        raise ValueError("QEMU's log was not read to its end")


def _marks(folder: Path) -> int:
    return marks_of(folder) or 0


def _now(content: bytes, size: int) -> Iterator[tuple[int, int]]:
    if len(content) != _COUNTED.size + 8 * size:
        raise ValueError("its counts are of something else")
    values = struct.unpack_from(f"<{size}Q", content, _COUNTED.size)
    return ((number, count) for number, count in enumerate(values) if count)


def _logged(path: Path) -> Iterator[tuple[int, int, int]]:
    size = path.stat().st_size
    if size > MOST_LOGGED:
        raise ValueError(f"it logged more than {MOST_LOGGED >> 20} MiB")
    whole = size - size % _ENTRY.size
    if not whole:
        return
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), whole, prot=mmap.PROT_READ) as log:
        yield from _ENTRY.iter_unpack(log)
