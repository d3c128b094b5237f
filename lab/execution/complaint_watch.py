# SPDX-License-Identifier: GPL-2.0-only
"""What a guest's kernel complains of, and during which program and test it does.

Read from the console as it grows, and at the end from the kernel log too, which has
what the console's log level kept off it.
"""

from __future__ import annotations

import os
import re
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.complaints import Lines, Reader
from lab.complaints.benign import Benign, excuse, shipped
from lab.complaints.frames import bare
from lab.complaints.symbols import symbols_of
from lab.execution.cause_of_death import cause_of_death
from lab.model.complaint import Complaint, Kind
from lab.model.log_mark import parse_mark
from lab.model.records import PlacedComplaint
from lab.model.status import DEAD, Status
from lab.model.version import KernelVersion
from lab.process.deadline import Deadline
from lab.suites.judge import Judged

#: How long the console may lag behind a command's end, and a complaint take to be printed.
_LAG_S = 2.0
_TICK_S = 0.01
_MOST_SAID = 80
_PIECE = 1 << 16
#: How long a look may take.  A guest can print faster than anybody reads: what a look leaves
#: is for the next one, and what is left when a program has ended is read for so long.
_LOOK_S = 1.0
_CATCH_UP_S = 20.0
#: What is kept of a kernel that complains on and on: beyond that, the first of a kind in
#: each test, so that none passes for it; and all are counted.
_MOST_COMPLAINTS = 500
#: Beyond that nothing that a guest says is believed any more: no result is earned there.
_MOST_MARKS = 100_000
_MOST_KEPT = 10_000
_MOST_COUNTED = 200_000
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?(?:-rc\d+)?")
#: What a complaint is excused with that the host may have caused; no result is earned then.
BUSY = "the host was too busy to tell"
#: What a complaint that is of no test in particular leaves: worse already, or the lab's own.
_WORSE = DEAD | {Status.ERROR}
#: How many of a result's complaints it names: a flood would be 100 KB of message.
_MOST_NAMED = 10


@dataclass(frozen=True)
class Place:
    """What ran at a point of the log: ``number`` counts the programs, 0 is none."""

    number: int = 0
    filesystem: str = ""
    program: str = ""
    test: str = ""


class Log:
    """One log of a guest, its complaints, and what ran when they began.

    ``counts`` says of a complaint whether it is none that is known to be benign;
    ``unkept`` is how many more there were than are kept.
    """

    def __init__(self, counts: Callable[[Complaint], bool] = lambda _: True) -> None:
        self._counts = counts
        self.seen = Seen()
        self.unkept = 0
        self._kinds: set[tuple[Place, Kind, bool, bool]] = set()
        self._lines = Lines()
        self._reader = Reader()
        self._found: dict[tuple[int, Kind], Complaint] = {}
        self._ended: list[Complaint] = []
        self._told: set[tuple[int, Kind]] = set()
        self._tested: set[int] = set()
        self._untold: list[Complaint] = []
        self._offsets = [-1]
        self._places = [Place()]
        self._programs = 0

    @property
    def place(self) -> Place:
        """What runs at the log's present end."""
        return self._places[-1]

    @property
    def programs(self) -> int:
        """How many programs have begun."""
        return self._programs

    @property
    def too_much(self) -> str:
        """What there is too much of to be taken in; "" while there is not."""
        if len(self._places) > _MOST_MARKS:
            return f"more than {_MOST_MARKS:,} tests are marked in its log"
        if len(self._found) > _MOST_KEPT or self.unkept > _MOST_COUNTED:
            return f"the kernel complained {len(self._found) + self.unkept:,} times"
        return ""

    @property
    def unfinished(self) -> bool:
        """Whether a complaint is being printed."""
        return any(complaint.cut for complaint in self._reader.pending())

    def feed(self, data: bytes) -> None:
        """Read on, unless there was too much already."""
        if self.too_much:
            return
        for line in self._lines.feed(data):
            mark = parse_mark(line.text)
            if mark is None:
                for done in self._reader.take(line):
                    self._take(done)
                continue
            self._reader.mark()
            if mark.test:
                self._tested.add(self.place.number)
                self._enter(line.offset, replace(self.place, test=mark.test))
            else:
                self._programs += mark.begins
                here = Place(self._programs, mark.filesystem, mark.program)
                self._enter(line.offset, here if mark.begins else Place())

    def complaints(self) -> tuple[tuple[Place, Complaint], ...]:
        """All so far, those whose end has not come too, with what ran when they began."""
        now = self._found | {_key(one): one for one in self._reader.pending()}
        return self._placed(now.values())

    def news(self) -> tuple[tuple[Place, Complaint], ...]:
        """Those that no call before gave, without a look at all the others."""
        ended, self._ended = self._ended, []
        now = {_key(one): one for one in (*ended, *self._reader.pending())}
        fresh = {key: one for key, one in now.items() if key not in self._told}
        self._told.update(fresh)
        return self._placed(fresh.values())

    def untold(self) -> tuple[tuple[Place, Complaint], ...]:
        """Those that have ended since the last call, and all whose end has not come."""
        ended, self._untold = self._untold, []
        return tuple((self._at(one.offset), one) for one in (*ended, *self._reader.pending()))

    def tested(self, number: int) -> bool:
        """Whether the program with that number marked a test."""
        return number in self._tested

    def _take(self, done: Complaint) -> None:
        self.seen.add(done)
        kind = (self._at(done.offset), done.kind, self._counts(done), done.fatal)
        if len(self._found) >= _MOST_COMPLAINTS and kind in self._kinds:
            self.unkept += _key(done) not in self._told
            return
        self._kinds.add(kind)
        self._found[_key(done)] = done
        self._ended.append(done)
        self._untold.append(done)

    def _placed(self, found: Iterable[Complaint]) -> tuple[tuple[Place, Complaint], ...]:
        ordered = sorted(found, key=lambda complaint: complaint.offset)
        return tuple((self._at(complaint.offset), complaint) for complaint in ordered)

    def _enter(self, offset: int, place: Place) -> None:
        self._offsets.append(offset)
        self._places.append(place)

    def _at(self, offset: int) -> Place:
        return self._places[bisect_right(self._offsets, offset) - 1]


def _key(complaint: Complaint) -> tuple[int, Kind]:
    return complaint.offset, complaint.kind


class ComplaintWatch:
    """Looks at a guest's console as its programs run.

    Args:
        folder: The guest's: ``console.log`` is there.
        build: The folder of its kernel, with ``System.map`` and ``vmlinux``.
        release: The kernel's, as ``uname -r`` says it.
        benign: Rules beside those that the lab ships.
    """

    def __init__(self, folder: Path, build: Path, release: str, benign: Sequence[Benign]) -> None:
        self._folder = folder
        self._console = folder / "console.log"
        self._symbols = symbols_of(build)
        match = _VERSION.match(release)
        self._version = KernelVersion.parse(match[0]) if match else KernelVersion(0, 0)
        self._rules = (*benign, *shipped())
        self._log = Log(lambda one: not self._excuse(one))
        self._read = 0
        self._lags = False
        self._dead = False
        self._ended = 0
        self._kept: list[tuple[Place, Complaint]] = []
        self._behind = 0
        self._gave_up = False
        self._doubts: dict[tuple[int, Kind], str] = {}

    @property
    def place(self) -> Place:
        """What runs, as far as the console was read."""
        return self._log.place

    @property
    def test(self) -> str:
        """The test that the last program is at, or was when it ended badly; "" if unknown."""
        here = self._log.place
        return here.test if here.number == self._log.programs else ""

    def look(self) -> int:
        """Read on; returns how many bytes the console had."""
        self._look()
        return self._read

    def untold(self) -> tuple[tuple[Place, Complaint], ...]:
        """Complaints for who tells them as they come; those that are cut come again."""
        return self._log.untold()

    def is_benign(self, complaint: Complaint) -> bool:
        """Whether it says nothing of the kernel under test."""
        return bool(self._excuse(complaint))

    def doubt(self, complaint: Complaint, why: str) -> None:
        """Note that the host may be the cause of a complaint."""
        self._doubts[_key(complaint)] = f"{BUSY}: {why}"

    @property
    def unread(self) -> str:
        """Why nobody knows all that the kernel said: it said too much; "" if somebody does."""
        if self._gave_up:
            return f"the last {self._behind / 1e6:.1f} MB of the console came too fast to be read"
        return self._log.too_much

    @property
    def ended(self) -> int:
        """The number of the last program that ran() was called for."""
        return self._ended

    def ran(
        self, *, alive: bool, gone: bool = False, hurry: bool = False, ahead: bool = False
    ) -> tuple[PlacedComplaint, ...]:
        """The complaints since the last call; a program has just ended.

        They are of that program, of one of its tests, or came before it began.

        Args:
            alive: Whether the guest is good for more.
            gone: Whether it ended by itself.
            hurry: Whether somebody waits for the lab to end.
            ahead: Whether the next one may have begun: what is of that is for the next call.
        """
        self._catch_up(0.0 if hurry else _CATCH_UP_S)
        if alive and not self._lags:
            self._lags = not self._wait(lambda: self._is_over(ahead=ahead))
            self._wait(lambda: not self._log.unfinished)
        number = self._ended = self._last(ahead=ahead)
        news = [*self._kept, *self._log.news()]
        self._kept = [one for one in news if one[0].number > number]
        told = [one for one in news if one[0].number <= number]
        gone = gone and number == self._log.programs
        return (*self._noted(told, number), *self._death(number, gone))

    def _last(self, *, ahead: bool) -> int:
        """The number of the program that has just ended."""
        programs = self._log.programs
        return min(programs, self._ended + 1) if ahead else programs

    def _is_over(self, *, ahead: bool) -> bool:
        """Whether the console has the end of the program that has just ended."""
        if ahead and self._log.programs > self._ended + 1:
            return True
        return self._log.place.number == 0

    @property
    def unkept(self) -> int:
        """How many complaints were too many to be kept: others stand for them."""
        return self._log.unkept

    def marked_tests(self) -> bool:
        """Whether the last program said which test it ran."""
        return self._log.tested(self._ended)

    def rest(
        self, kernel_log: str = "", *, gone: bool = False, hurry: bool = False
    ) -> tuple[PlacedComplaint, ...]:
        """What came after the last program, and what only the kernel log has."""
        self._catch_up(0.0 if hurry else _CATCH_UP_S)
        seen = self._log.seen
        for _, complaint in self._log.complaints():
            seen.add(complaint)
        log = Log(lambda one: one not in seen and not self._excuse(one))
        log.feed(kernel_log.encode(errors="replace") + b"\n")
        only_there = [found for found in log.complaints() if found[1] not in seen]
        news = [*self._kept, *self._log.news()]
        self._kept = []
        return (*self._noted([*news, *only_there], 0), *self._death(0, gone))

    def _death(self, number: int, gone: bool) -> Iterator[PlacedComplaint]:
        """The end of a guest whose kernel did not say why."""
        if gone and not self._dead:
            self._dead = True
            if not any(complaint.fatal for _, complaint in self._log.complaints()):
                cause = (self._log.place, cause_of_death(self._folder))
                yield from self._noted([cause], number)

    def _look(self) -> None:
        if self._gave_up:
            return
        try:
            stream = self._console.open("rb")
        except FileNotFoundError:
            return
        # In pieces: a guest may have printed more than fits into memory.  What it prints
        # meanwhile is for the next look: one that never stops must not hold us past a deadline.
        deadline = Deadline("look", _LOOK_S)
        with stream:
            end = os.fstat(stream.fileno()).st_size
            stream.seek(self._read)
            while data := stream.read(min(_PIECE, max(0, end - self._read))):
                self._read += len(data)
                self._log.feed(data)
                if deadline.passed:
                    break
        self._behind = end - self._read

    def _catch_up(self, seconds: float) -> None:
        """Read what there is, for so long at most; what is left then is never read."""
        deadline = Deadline("console", seconds)
        self._look()
        while self._behind > 0 and not self._gave_up:
            if deadline.passed:
                self._gave_up = True
            self._look()

    def _wait(self, done: Callable[[], bool]) -> bool:
        deadline = Deadline("lag", _LAG_S)
        while not done():
            if deadline.passed:
                return False
            time.sleep(_TICK_S)
            self._look()
        return True

    def _noted(
        self, found: Sequence[tuple[Place, Complaint]], number: int
    ) -> Iterator[PlacedComplaint]:
        """With a program's name only if its results can still be told: it is number ``number``."""
        located = self._symbols.locate_all([complaint.frames for _, complaint in found])
        for (place, complaint), frames in zip(found, located, strict=True):
            told = place.number == number != 0
            excuse, doubt = self._excuse(complaint), self._doubts.get(_key(complaint), "")
            yield PlacedComplaint(
                replace(complaint, frames=frames),
                filesystem=place.filesystem if told else "",
                program=place.program if told else "",
                test=place.test,
                benign=excuse or doubt,
                doubtful=bool(doubt) and not excuse,
            )

    def _excuse(self, complaint: Complaint) -> str:
        return excuse(complaint, self._version, self._rules)


def doubted(judged: Iterable[Judged], unread: str) -> tuple[Judged, ...]:
    """The results, none of them earned where nobody knows all that the kernel said meanwhile."""
    return tuple(
        result
        if not unread or result.status in _WORSE
        else replace(
            result,
            status=Status.ERROR,
            message="; ".join(filter(None, (unread, f"the test itself: {result.status}"))),
            signal="",
            broke_off="",
        )
        for result in judged
    )


class Seen:
    """What was on the console, for the kernel log's complaints; without times, by the title."""

    def __init__(self) -> None:
        self._names: set[tuple[Kind, str, float | None]] = set()
        self._times: set[float] = set()

    def add(self, one: Complaint) -> None:
        """Know a complaint from now on."""
        self._names.add((one.kind, one.title, one.time))
        if one.time is not None:
            self._times.add(one.time)

    def __contains__(self, one: Complaint) -> bool:
        return one.time in self._times or (one.kind, one.title, one.time) in self._names


def charge(
    program: str, judged: Sequence[Judged], noted: Iterable[PlacedComplaint], *, marked: bool
) -> tuple[Judged, ...]:
    """What a program's results are, now that the kernel complained during it.

    The test that ran is a crash, whatever it said.  Where the program did not say
    which ran, all of its results are: none can be shown to be earned.  But what was
    reported before a complaint that the guest did not survive came before it.

    Args:
        marked: Whether the program marks its tests: what came before its first is
            nobody's but the program's own.
    """
    results = list(judged)
    charges: dict[int, list[PlacedComplaint]] = {}
    for one in noted:
        if (one.benign and not one.doubtful) or one.program == "":
            continue
        named = [place for place, result in enumerate(results) if _is_about(result, one.test)]
        if not one.test and not marked and not one.complaint.fatal:
            named = [place for place, result in enumerate(results) if result.status not in _WORSE]
        if not named and not one.test:
            named = [place for place, result in enumerate(results) if result.test == program]
        if not named:
            named = [len(results)]
            # What the host may have caused is none of the kernel's here, either.
            status = Status.ERROR if one.doubtful else Status.CRASH
            results.append(Judged(one.test or program, status))
        for place in named:
            charges.setdefault(place, []).append(one)
    for place, charged in charges.items():
        results[place] = _crashed(results[place], charged)
    return tuple(results)


def _is_about(result: Judged, test: str) -> bool:
    return bool(test) and (result.test == test or result.test.startswith(f"{test}/"))


def _crashed(result: Judged, charged: Sequence[PlacedComplaint]) -> Judged:
    """A result during which the kernel complained; the last complaint is named first.

    What the host may have caused is no crash of the kernel's for sure, and no pass: an
    error of ours, unless there is another.
    """
    real = [one for one in charged if not one.benign]
    becomes = Status.CRASH if real else Status.ERROR
    # The lab's own error, too, is no excuse for what the kernel said.
    stays = result.status in DEAD or (result.status is Status.ERROR and not real)
    status = result.status if stays else becomes
    itself = "" if stays or result.status is status else f" (the test itself: {result.status})"
    said = [_said(one.complaint) for one in reversed(charged)]
    doubt = "" if real else f"{charged[-1].benign}: "
    complaints = f"{doubt}{'; '.join(_shortened(said))}{itself}"
    return replace(
        result,
        status=status,
        message="; ".join(filter(None, (complaints, result.message))),
        complaint=_said(real[-1].complaint) if real else result.complaint,
        # An error for what the host may have caused is ours.
        signal=result.signal if stays or real else "",
        broke_off=result.broke_off if stays else "",
        diagnostics=(*result.diagnostics, *_told(charged)),
    )


def _said(complaint: Complaint) -> str:
    return f"{complaint}{placed(complaint)}"


def _shortened(said: Sequence[str]) -> tuple[str, ...]:
    """Each once; of very many the first and the last, and how many more there are."""
    known = tuple(dict.fromkeys(said))
    if len(known) <= _MOST_NAMED:
        return known
    more = f"and {len(known) - _MOST_NAMED} more"
    return (*known[: _MOST_NAMED - 1], more, known[-1])


def _told(charged: Sequence[PlacedComplaint]) -> Iterator[str]:
    for one in charged[:_MOST_NAMED]:
        yield from told(one.complaint)
    if (more := len(charged) - _MOST_NAMED) > 0:
        yield f"({more} more complaints: the console has them)"


def placed(complaint: Complaint) -> str:
    """`` (FILE:LINE)`` of the function in a complaint's title; "" where nobody knows it."""
    function = complaint.title.rpartition(" in ")[2]
    for frame in complaint.frames:
        if frame.file and bare(frame.function) == function:
            return f" ({frame.file}:{frame.line})"
    return ""


def told(complaint: Complaint) -> tuple[str, ...]:
    """A complaint for a result's diagnostics: where it came from, and its lines."""
    frames = [f"  {frame}" for frame in complaint.frames if frame.file]
    lines = complaint.lines[:_MOST_SAID]
    more = len(complaint.lines) - len(lines)
    return (*lines, *([f"({more} more lines)"] if more else []), *frames)
