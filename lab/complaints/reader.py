# SPDX-License-Identifier: GPL-2.0-only
"""Finds complaints in a log that comes in pieces.

Every caller (a task, or a CPU in an interrupt) has a stream of its own where the
log names callers (CONFIG_PRINTK_CALLER); where it does not, a line that names a
CPU tells which of two complaints goes on.  Finding too much is the lesser evil:
a complaint missed is a pass that was not earned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lab.complaints.frames import parse_frame
from lab.complaints.heads import CONSEQUENCE, Head, Shape, continues, find_head
from lab.complaints.lines import Line, Lines
from lab.complaints.title import title_of
from lab.model.complaint import Complaint, Frame, Kind

_MOST_LINES = 600
#: Who else speaks is forgotten, longest silent first: a log may name as many as it likes.
_MOST_CALLERS = 256
#: Complaints of one stream that wait for their end, each of another CPU.
_MOST_OPEN = 64
#: Lines between "cut here" and what it announces.
_MOST_BEFORE = 8
#: Lines before a stack trace that say more of a complaint.
_MOST_PROSE = 80
#: A complaint is printed at once; under emulation a line takes milliseconds.
_PAUSE_S = 3.0
_CUT_HERE = re.compile(r"-+\[ cut here \]-+")
_RULE = re.compile(r"={20,}$|-{40,}$")
_END = re.compile(r"---\[ end (?:trace|Kernel panic)")
#: What ends reports that nothing else does: a stack, a panic that reboots at once.
_LAST = re.compile(r"\s*</TASK>|Kernel Offset:|Rebooting in ")
_TRACE = re.compile(r"\s*Call Trace:")
_CPU = re.compile(r"CPU: (\d+) (?:UID: \d+ )?PID: (\d+)|WARNING: CPU: (\d+) PID: (\d+)")
_KILLED = re.compile(
    r"(?:Memory cgroup out of memory|Out of memory[\w ()]*): Kill(?:ed)? process|Killed process"
)
_HALF = re.compile(r"BUG: unable to handle kernel\s*")
_MARK = re.compile(r"lab: ")
#: What only ever belongs to a register dump or a stack trace.
_BODY = re.compile(
    r"""
    \s*$|\s+\S|Call\ Trace:|Modules\ linked\ in:|CPU:|Hardware\ name:|Workqueue:|task:|Stack:
    |[RE]IP:?\ |Code:|RSP:?\ |ESP:|EIP:|R[A-D0-9][X0-9]?:|RBP:|EAX:|ESI:|[FC]S:|CR\d:|DR\d:
    |PKRU:|GS:|DS:|---\[|irq\ event\ stamp:|(?:hard|soft)irqs\ last|Kernel\ Offset:|NMI\ backtrace
    |Sending\ NMI|note:\ |Shutting\ down\ cpus|Rebooting\ in|Tainted:|stack\ backtrace:
    |Unloaded\ tainted|Fixing\ recursive|Dumping\ ftrace|Oops:|CPU\#?\d|INFO:\ lockdep\ is\ turned
    |\[<[0-9a-f]+>\]|Comm:|Disabling\ lock\ debugging
    """,
    re.VERBOSE,
)
_TAIL = re.compile(
    r"""
    [RE]IP:?\ |Code:|RSP:|R[A-D0-9][X0-9]?:|RBP:|[FC]S:|CR\d:|DR\d:|PKRU:|note:\ |Kernel\ Offset:
    |Shutting\ down\ cpus|Rebooting\ in|---\[\ end\ Kernel|Fixing\ recursive|Dumping\ ftrace
    |BUG:\ scheduling\ while\ atomic|irq\ event\ stamp|(?:hard|soft)irqs\ last|Modules\ linked
    |Disabling\ lock\ debugging|\s*$
    """,
    re.VERBOSE,
)
#: Sections of a report that show other stacks than the one that counts.
_OTHER_STACK = re.compile(
    r"\s*(?:Allocated by|Freed by|Last potentially|Uninit was|The buggy address|-> #\d"
    r"|the existing dependency chain|Local variable|Allocated in|Freed in|NMI backtrace"
    r"|Sending NMI|Showing all locks)"
)


@dataclass
class _Open:
    """A complaint whose end has not been seen."""

    head: Head | None
    match: re.Match[str] | None
    lines: list[Line]
    frames: list[Frame] = field(default_factory=list)
    cpu: str = ""
    traces: int = 0
    ended: bool = False
    fatal: bool = False
    #: Later stacks in a report are not the one that counts.
    elsewhere: bool = False
    prose: int = 0
    last_seen: bool = False
    #: Another test has begun since.
    marked: bool = False

    @property
    def shape(self) -> Shape:
        return self.head.shape if self.head else Shape.TRACE

    @property
    def kind(self) -> Kind:
        return self.head.kind if self.head else Kind.UNKNOWN

    @property
    def headline(self) -> str:
        return self.match.string if self.match else self.lines[0].text

    @property
    def last(self) -> Line:
        return self.lines[-1]

    @property
    def complete(self) -> bool:
        """Whether nothing more need come."""
        if self.head is not None and self.head.shape is Shape.LINE:
            return True
        return self.ended or (self.shape is not Shape.RULED and self.last_seen)

    def closed(self, cut: bool) -> Complaint:
        """What it comes to; ``cut`` when the log ended within it."""
        first = self.lines[0]
        lines = list(self.lines)
        while len(lines) > 1 and not lines[-1].text.strip():
            lines.pop()
        return Complaint(
            kind=self.kind,
            title=title_of(self.head, self.match, self.frames),
            lines=tuple(line.raw for line in lines),
            first_line=first.number,
            offset=first.offset,
            frames=tuple(self.frames),
            time=first.time,
            fatal=self.fatal or "Kernel panic" in self.headline,
            cut=cut and not self.complete,
            headline=self.headline,
        )


@dataclass
class _Stream:
    """What one caller says; more than one complaint only where callers are not told apart."""

    open: list[_Open] = field(default_factory=list)
    #: A ruler or "cut here" that a complaint may begin with.
    before: list[Line] = field(default_factory=list)


class Reader:
    """Reads a log and gives its complaints as they end.

    >>> reader = Reader()
    >>> complaints = [*reader.feed(first_part), *reader.feed(second_part), *reader.close()]
    """

    def __init__(self) -> None:
        self._lines = Lines()
        self._streams: dict[str, _Stream] = {}
        self._caller = ""
        self._previous: Line | None = None
        self._any = False

    def feed(self, data: bytes) -> tuple[Complaint, ...]:
        """The complaints that have ended by now."""
        return tuple(complaint for line in self._lines.feed(data) for complaint in self.take(line))

    def close(self) -> tuple[Complaint, ...]:
        """The rest; those that the log's end cut off say so."""
        found = [done for line in self._lines.close() for done in self.take(line)]
        for stream in self._streams.values():
            found += _close(stream)
        return tuple(sorted(found, key=lambda complaint: complaint.offset))

    def pending(self) -> tuple[Complaint, ...]:
        """Those whose end has not come, as far as they are; ``cut`` if more must come."""
        return tuple(
            one.closed(cut=True) for stream in self._streams.values() for one in stream.open
        )

    def mark(self) -> None:
        """Another test begins: what looks like the same complaint again is one more."""
        for stream in self._streams.values():
            for one in stream.open:
                one.marked = True

    def take(self, line: Line) -> Iterator[Complaint]:
        """As feed(), for a line that is split already."""
        if line.stamped:
            self._caller = line.caller
        stream = self._streams.pop(self._caller, None) or _Stream()
        self._streams[self._caller] = stream
        if len(self._streams) > _MOST_CALLERS:
            yield from _close(self._streams.pop(next(iter(self._streams))))
        previous, self._previous = self._previous, line
        if not line.stamped and previous is not None and previous.stamped:
            yield from self._rejoined(stream, previous, line)
        else:
            yield from self._line(stream, line)

    def _rejoined(self, stream: _Stream, cut: Line, line: Line) -> Iterator[Complaint]:
        """A line without a time stamp after one that has it may be the rest of that one."""
        whole = find_head(cut.text + line.text)
        part = find_head(cut.text)
        if whole is None or (part is not None and part[0] is whole[0]):
            yield from self._line(stream, line)
        elif part is not None and stream.open and stream.open[-1].last is cut:
            stream.open[-1].head, stream.open[-1].match = whole
            stream.open[-1].lines.append(line)
        else:
            yield from self._begin(stream, cut, *whole)
            stream.open[-1].lines.append(line)

    def _line(self, stream: _Stream, line: Line) -> Iterator[Complaint]:
        yield from self._end_those_before(stream, line)
        found = find_head(line.text)
        while (current := _addressee(stream, line)) is not None:
            if _belongs(current, line, found, waiting=bool(stream.before)):
                _add(current, line, found)
                return
            if found is not None or _is_aside(stream, current, line):
                break
            yield from _finish(stream, current)
        if found is not None:
            yield from self._begin(stream, line, *found)
        else:
            yield from self._between(stream, line)

    def _between(self, stream: _Stream, line: Line) -> Iterator[Complaint]:
        """A line that may be the first of a complaint, or none at all."""
        if _CUT_HERE.match(line.text):
            stream.before = [line]
        elif _RULE.match(line.text):
            stream.before.append(line)
        elif stream.before and len(stream.before) < _MOST_BEFORE and _is_cut(stream.before[0]):
            # WARN()'s own words come between "cut here" and "WARNING:" from 4.11 on.
            stream.before.append(line)
        else:
            stream.before = []
            yield from self._orphan(stream, line)

    def _begin(
        self, stream: _Stream, line: Line, head: Head, match: re.Match[str]
    ) -> Iterator[Complaint]:
        before, stream.before = stream.before, []
        if before and line.time is not None and before[-1].time is not None:
            before = before if line.time - before[-1].time < _PAUSE_S else []
        self._any = True
        opened = _Open(head, match, [*before, line])
        _notice(opened, line)
        if head.shape is Shape.LINE:
            opened.traces = 1
        yield from _suspend(stream, opened)
        stream.open.append(opened)

    def _orphan(self, stream: _Stream, line: Line) -> Iterator[Complaint]:
        """The end of a complaint whose beginning the log has lost."""
        if _END.match(line.text) and not self._any:
            self._any = True
            yield _Open(None, None, [line]).closed(cut=True)

    def _end_those_before(self, stream: _Stream, line: Line) -> Iterator[Complaint]:
        for one in list(stream.open):
            late = (
                line.time is not None
                and one.last.time is not None
                and line.time - one.last.time > _PAUSE_S
            )
            # A panic may come late, and belongs to what led to it.
            if _MARK.match(line.text) or (late and not CONSEQUENCE.match(line.text)):
                yield from _finish(stream, one)


def read(data: bytes) -> tuple[Complaint, ...]:
    """The complaints in a whole log, in the order they begin."""
    reader = Reader()
    found = [*reader.feed(data), *reader.close()]
    return tuple(sorted(found, key=lambda complaint: complaint.offset))


def _is_cut(line: Line) -> bool:
    return bool(_CUT_HERE.match(line.text))


def _is_aside(stream: _Stream, current: _Open, line: Line) -> bool:
    """Whether a line may begin another complaint while this one goes on."""
    if current.complete or line.caller:
        return False
    return _is_cut(line) or bool(stream.before)


def _addressee(stream: _Stream, line: Line) -> _Open | None:
    """Which of the open complaints a line is for: the last, or the one of its CPU."""
    if not stream.open:
        return None
    match = _CPU.match(line.text)
    if match is not None and match[1]:
        # Only those whose CPU is known wait for each other (_suspend()).
        for one in stream.open:
            if one.cpu == match[1]:
                stream.open.remove(one)
                stream.open.append(one)
                break
    return stream.open[-1]


def _belongs(
    current: _Open, line: Line, found: tuple[Head, re.Match[str]] | None, *, waiting: bool
) -> bool:
    """Whether a line is one more of an open complaint; ``waiting``: another may have begun."""
    if len(current.lines) >= _MOST_LINES:
        return False
    if found is not None:
        return _continues(current, line, found[0])
    if current.ended:
        return bool(_TAIL.match(line.text))
    if current.shape is Shape.OOM:
        return True
    if _CUT_HERE.match(line.text):
        return not current.traces and current.kind in {Kind.BUG, Kind.REFCOUNT}
    if current.shape is Shape.RULED and _RULE.match(line.text):
        return True
    return bool(_BODY.match(line.text)) or (not waiting and _is_prose(current))


def _is_prose(current: _Open) -> bool:
    """Whether any words at all belong: between the head and the stack trace."""
    if current.shape is Shape.LINE:
        return False
    if current.shape is Shape.RULED:
        return True
    return not current.traces and current.prose < _MOST_PROSE


def _continues(current: _Open, line: Line, head: Head) -> bool:
    """Whether a line that could be a head is one more line of the complaint before."""
    if CONSEQUENCE.match(line.text):
        return True
    if current.ended:
        return False
    if current.shape is Shape.OOM:
        return bool(_KILLED.match(line.text))
    if current.kind is head.kind is Kind.OOPS and not current.traces and not current.marked:
        # The report itself faults, again and again (seen on 6.1, on a stack run over).
        return True
    if current.kind is Kind.DOUBLE_FAULT or current.kind is Kind.STACK:
        return not current.traces and continues(line.text)
    return not current.traces and len(current.lines) < 12 and _is_same(current.kind, line, head)


def _is_same(kind: Kind, line: Line, head: Head) -> bool:
    """A fault's second line: "kernel BUG at" and "invalid opcode: 0000 [#1]"."""
    if kind in {Kind.OOPS, Kind.BUG, Kind.KFENCE, Kind.SLAB}:
        return continues(line.text)
    if kind is Kind.REFCOUNT:
        return head.kind is Kind.WARNING
    return False


def _add(current: _Open, line: Line, found: tuple[Head, re.Match[str]] | None) -> None:
    current.lines.append(line)
    if current.match is not None and _HALF.fullmatch(current.match.string):
        # Until 5.0 the rest of the sentence was a KERN_CONT: others could come in between.
        whole = find_head(f"BUG: unable to handle kernel {line.text}")
        if whole is not None and whole[0].what != "bad memory access":
            current.head, current.match = whole
    if CONSEQUENCE.match(line.text):
        current.fatal = True
    if found is None and not _BODY.match(line.text):
        current.prose += 1
    _notice(current, line)
    current.last_seen = current.last_seen or bool(_LAST.match(line.text))
    if _ends(current, line):
        current.ended = True


def _ends(current: _Open, line: Line) -> bool:
    if current.shape is Shape.OOM:
        return bool(_KILLED.match(line.text))
    if current.shape is Shape.RULED and re.match(r"={20,}$", line.text):
        return len(current.lines) > 3
    return bool(_END.match(line.text))


def _notice(current: _Open, line: Line) -> None:
    """What a line tells of the complaint: its CPU, its stack trace."""
    match = _CPU.search(line.text)
    if match is not None and not current.cpu:
        current.cpu = match[1] or match[3]
    if _TRACE.match(line.text):
        current.traces += 1
        if current.kind in {Kind.LOCKDEP, Kind.RCU_USAGE} and current.traces == 1:
            current.frames.clear()
            current.elsewhere = False
        current.elsewhere = current.elsewhere or (current.traces > 1 and bool(current.frames))
    elif _OTHER_STACK.match(line.text) and (current.frames or current.kind is Kind.LOCKDEP):
        current.elsewhere = True
    if current.ended or current.elsewhere or "+0x" not in line.text:
        return
    frame = parse_frame(line.text)
    if frame is not None:
        current.frames.append(frame)


def _suspend(stream: _Stream, opened: _Open) -> Iterator[Complaint]:
    """End what the new complaint follows; what another CPU goes on with stays open."""
    for one in stream.open[:-_MOST_OPEN]:
        yield from _finish(stream, one)
    for one in list(stream.open):
        elsewhere = one.cpu and opened.cpu and opened.cpu != one.cpu
        if one.complete or opened.last.caller or not elsewhere:
            yield from _finish(stream, one)


def _close(stream: _Stream) -> list[Complaint]:
    """End all that is open, wherever it was cut off."""
    found = [one.closed(cut=True) for one in stream.open]
    stream.open.clear()
    if any(map(_is_cut, stream.before)):
        found.append(_Open(None, None, stream.before).closed(cut=True))
        stream.before = []
    return found


def _finish(stream: _Stream, one: _Open) -> Iterator[Complaint]:
    stream.open.remove(one)
    yield one.closed(cut=False)
