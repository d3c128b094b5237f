# SPDX-License-Identifier: GPL-2.0-only
"""Programs of the Linux Test Project: a line for each result, and a mask for an exit status.

The new library (lib/tst_test.c) prints ``FILE:LINE: TPASS: TEXT``, and at its end how many of
each there were; before 2018 without the T.  The old one (lib/tst_res.c), and shell tests,
print ``NAME NUMBER TPASS : TEXT``.  The bits of the status are those of
include/tst_res_flags.h.  A warning leaves nobody knowing what the rest is worth, and what
TBROK ended was no test of the kernel: both are errors, and the program's own word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lab.model.status import Status
from lab.suites.judge import Ended, Judged, bad_end, killed_by
from lab.suites.output.exit import not_started
from lab.suites.output.lines import MOST_READ, shown
from lab.suites.suite import ProgramResult

_KINDS = "PASS|FAIL|BROK|CONF|WARN|INFO|DEBUG"
_NEW = re.compile(rf"\S+:\d+: T?({_KINDS}): ?(.*)")
_OLD = re.compile(rf"\S+\s+\d+\s+T({_KINDS})\s*: *(.*)")
_COUNT = re.compile(r"(passed|failed|broken|skipped|warnings)\s+(\d+)")
_COUNTED = {"passed": "PASS", "failed": "FAIL", "broken": "BROK", "skipped": "CONF"}
_COUNTED["warnings"] = "WARN"
#: What each release's summary has; the number of broken ones came in 2020.
_LEAST = {"PASS", "FAIL", "CONF", "WARN"}
_STATUSES = {
    "PASS": Status.PASS,
    "FAIL": Status.FAIL,
    "BROK": Status.ERROR,
    "CONF": Status.SKIP,
    "WARN": Status.ERROR,
}
_BITS = {1: "FAIL", 2: "BROK", 4: "WARN", 32: "CONF"}
#: TINFO is in the old library's status, and says nothing.
_SAYS_NOTHING = 16
#: One that has more is counted as a whole.
_MOST = 10_000
_KEPT_LINES = 20


@dataclass(frozen=True)
class _Line:
    """A result, and what was said before it.

    Attributes:
        counted: Whether the library that printed it counts its results at the end.
    """

    kind: str
    said: str
    counted: bool
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Said:
    """All that a program told: its results in order, and the counts at its end."""

    results: tuple[_Line, ...]
    counts: dict[str, int]

    @property
    def kinds(self) -> Counter[str]:
        return Counter(line.kind for line in self.results)


@dataclass(frozen=True)
class Ltp:
    """Each result line is a test, named after the program and its number: ``mmap01.2``."""

    single: bool = False
    merged: bool = True

    def judge(
        self,
        program: str,
        output: bytes,
        status: int | None,
        *,
        ended: Ended,
        detail: str,
        selected: bool,
    ) -> ProgramResult:
        """What its lines say, as far as its status and its counts bear it out."""
        said = _read(output[:MOST_READ])
        judged = tuple(_judged(program, said.results))
        if bad := bad_end(ended, status, detail):
            by = killed_by(ended, status)
            whole = Judged(program, *bad, cut=ended is Ended.INTERRUPTED, signal=by)
            return ProgramResult((*judged, _with_last(whole, output)))
        wrong = [*_wrong(said, status or 0), *_too_much(output, said)]
        if wrong:
            whole = Judged(program, _worth(said, status or 0), "; ".join(wrong))
            judged = (*map(_unearned, judged), _with_last(whole, output))
        return ProgramResult(judged)


LTP = Ltp()


def _read(output: bytes) -> _Said:
    results: list[_Line] = []
    counts: dict[str, int] = {}
    before: list[str] = []
    for text in shown(output):
        new, old, count = _NEW.fullmatch(text), _OLD.fullmatch(text), _COUNT.fullmatch(text)
        found = new or old
        if found and found[1] in _STATUSES:
            results.append(_Line(found[1], found[2], new is not None, tuple(before)))
            before = []
        elif count:
            counts[_COUNTED[count[1]]] = int(count[2])
        else:
            before = [*before[-_KEPT_LINES:], text]
    return _Said(tuple(results), counts)


def _judged(program: str, results: Sequence[_Line]) -> Iterator[Judged]:
    for number, line in enumerate(results[:_MOST], 1):
        status = _STATUSES[line.kind]
        message = "" if status is Status.PASS else _message(line)
        # What it says of a pass is for who wants to know.
        diagnostics = (*line.before, f"T{line.kind}: {line.said}")
        broke_off = f"T{line.kind}" if status is Status.ERROR else ""
        yield Judged(f"{program}.{number}", status, message, diagnostics, broke_off=broke_off)


def _message(line: _Line) -> str:
    return line.said if line.kind in {"FAIL", "CONF"} else f"T{line.kind}: {line.said}"


def _wrong(said: _Said, status: int) -> Iterator[str]:
    """What of its end its lines do not account for."""
    if why := not_started(status):
        yield why
        return
    kinds = said.kinds
    for bit, kind in _BITS.items():
        if status & bit and not kinds[kind]:
            yield f"exit status {status} says T{kind}, and no line does"
    if status & ~(sum(_BITS) | _SAYS_NOTHING):
        yield f"exit status {status} is none of LTP's"
    for bit, kind in _BITS.items():
        # Since 2017 a skip beside a pass is not in the status (tst_test.c, do_exit()).
        if kinds[kind] and not status & bit and not (kind == "CONF" and kinds["PASS"]):
            yield f"said T{kind}, and exit status {status} does not"
    yield from _miscounted(said)
    if not said.results and not status & ~_SAYS_NOTHING:
        yield "printed no result"


def _miscounted(said: _Said) -> Iterator[str]:
    kinds = said.kinds
    for kind, count in said.counts.items():
        if kinds[kind] != count:
            yield f"its summary counts {count} T{kind}, and {kinds[kind]} were printed"
    passes = any(line.counted and line.kind == "PASS" for line in said.results)
    if passes and not said.counts.keys() >= _LEAST:
        yield "printed no summary at its end, or not all of it"


def _too_much(output: bytes, said: _Said) -> Iterator[str]:
    if len(output) > MOST_READ:
        yield f"printed more than {MOST_READ >> 20} MiB, of which the rest was not read"
    if (more := len(said.results) - _MOST) > 0:
        yield f"{more} more results are not shown"


def _worth(said: _Said, status: int) -> Status:
    """What the program as a whole is: no bit of its status, and no end of it, is a pass."""
    if said.results or not_started(status):
        return Status.ERROR
    return {1: Status.FAIL, 32: Status.SKIP}.get(status & ~_SAYS_NOTHING, Status.ERROR)


def _unearned(judged: Judged) -> Judged:
    if judged.status is not Status.PASS:
        return judged
    return replace(judged, status=Status.ERROR, message="passed, and its program did not end well")


def _with_last(whole: Judged, output: bytes) -> Judged:
    last: Iterable[str] = shown(output)
    return replace(whole, diagnostics=tuple(last)[-_KEPT_LINES:])
