# SPDX-License-Identifier: GPL-2.0-only
"""xfstests' ``check``: a line a test, the lists at its end, and its report where it wrote one.

The format is that of ``check`` and of ``common/report`` (xfstests, 63a29724a85f).  A test has
passed where its line ends with the seconds it took, the lists say that it ran and did not
fail, and the report of ``check -R xunit``, where one was printed after that, has it so too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lab.model.status import Status
from lab.suites.judge import Ended, Judged, bad_end, killed_by
from lab.suites.output.exit import not_started
from lab.suites.output.lines import MOST_READ, shown
from lab.suites.output.xunit import Case, read_report
from lab.suites.suite import ProgramResult
from lab.text import without_escapes

#: VALID_TEST_NAME in common/test_names: 001, 1234, 001-name.
_TEST = r"[a-z][a-z0-9_-]*/\d{3,4}(?:-[\w-]+)?"
_LINE = re.compile(rf"({_TEST})(?:\s(.*))?$")
#: How long it took when it ran last.
_LAST_TIME = re.compile(r"^\s*\d+s \.\.\. ?")
_TOOK = re.compile(r"\s*\d+s\s*")
#: As much of both as may be there when it is cut.
_CUT_TIME = re.compile(r"\s*(?:\d+s? ?\.{0,3})?\s*")
_NOT_RUN = re.compile(r"\[not run\]\s*(.*)")
_LISTS = re.compile(r"(Ran|Not run|Failures):(.*)")
_TOTAL = re.compile(r"(?:Passed all (\d+)|Failed (\d+) of (\d+)) tests")
_SECTION = re.compile(r"SECTION\s+-- ")
_KEPT_LINES = 40


@dataclass
class _Test:
    """One that ``check`` began, and what it said until the next."""

    name: str
    said: str
    more: list[str] = field(default_factory=list)

    @property
    def status(self) -> Status | None:
        """What its line comes to; None where it has no end."""
        if _NOT_RUN.search(self.said) or self.said.strip() == "[expunged]":
            return Status.SKIP
        if _TOOK.fullmatch(self.said):
            return Status.PASS
        return Status.FAIL if self.said.strip() or self.more else None

    @property
    def message(self) -> str:
        """Why it did not pass."""
        if match := _NOT_RUN.search(self.said):
            return match[1].strip()
        return "; ".join(filter(None, (self.said.strip(), *self.more[:1])))


@dataclass
class _Check:
    """All that ``check`` printed: its tests, its lists by their names, and its totals."""

    tests: dict[str, _Test] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    total: re.Match[str] | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def running(self) -> _Test | None:
        """The one that it was at when it ended before its end."""
        last = next(reversed(self.tests.values()), None)
        return last if last is not None and last.status is None else None


@dataclass(frozen=True)
class Check:
    """What ``check`` prints, with its report after it or without."""

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
        """Each test that it began; one that it was at takes how the program ended."""
        text = without_escapes(output[:MOST_READ].decode(errors="replace"))
        said, cases, why = read_report(text)
        check = _read(said)
        bad = bad_end(ended, status, detail)
        by = killed_by(ended, status)
        judged = [_judged(test, check, bad, by) for test in check.tests.values()]
        if bad is None:
            judged = [_compared(one, cases) for one in judged]
        wrong = [*_wrong(check, status or 0, len(output)), *filter(None, [why])]
        if bad is not None and check.running is None:
            judged.append(Judged(program, *bad, cut=ended is Ended.INTERRUPTED, signal=by))
        elif bad is None and wrong:
            judged = [*map(_unearned, judged), Judged(program, Status.ERROR, "; ".join(wrong))]
            judged[-1] = replace(judged[-1], diagnostics=tuple(shown(output))[-_KEPT_LINES:])
        return ProgramResult(tuple(judged))


XFSTESTS = Check()


def _read(text: str) -> _Check:
    check = _Check()
    test: _Test | None = None
    for line in text.splitlines():
        if _SECTION.match(line):
            check.problems.append("ran sections: a program for each (check -s NAME)")
        elif found := _LISTS.fullmatch(line):
            check.lists[found[1]] = tuple(found[2].split())
            test = None
        elif total := _TOTAL.fullmatch(line.strip()):
            check.total = total
        elif found := _LINE.match(line):
            test = _begun(check, found[1], _LAST_TIME.sub("", found[2] or ""))
        elif test is not None and line.strip():
            test.more.append(line.strip())
    if test is not None and not text.endswith("\n"):
        _cut(test)
    return check


def _cut(test: _Test) -> None:
    """Take from a line without an end a time that may be the last run's, or half of one."""
    if not test.more and _CUT_TIME.fullmatch(test.said):
        test.said = ""


def _begun(check: _Check, name: str, said: str) -> _Test:
    if name in check.tests:
        check.problems.append(f"ran {name} twice")
    check.tests[name] = _Test(name, said)
    return check.tests[name]


def _judged(test: _Test, check: _Check, bad: tuple[Status, str] | None, by: str) -> Judged:
    """A test by its line; the lists at the end have the last word on a pass."""
    more = tuple(test.more[:_KEPT_LINES])
    if test.status is None and bad is not None:
        return Judged(test.name, *bad, more, signal=by)
    status = test.status or Status.ERROR
    message = test.message if test.status else "has no end"
    if test.name in check.lists.get("Failures", ()) and status is not Status.FAIL:
        return Judged(test.name, Status.FAIL, f"is among the failures: {message}", more)
    if status is Status.PASS and bad is None and test.name not in check.lists.get("Ran", ()):
        return Judged(test.name, Status.ERROR, "is not among those that ran", more)
    return Judged(test.name, status, "" if status is Status.PASS else message, more)


def _compared(judged: Judged, cases: Mapping[str, Case]) -> Judged:
    """The same, with what the report has of it."""
    case = cases.get(judged.test)
    if case is None:
        if not cases or judged.status is not Status.PASS:
            return judged
        return replace(judged, status=Status.ERROR, message="is not in the report")
    diagnostics = (*judged.diagnostics, *case.said)
    if case.status is judged.status or judged.status is Status.ERROR:
        message = judged.message or case.message
        return replace(judged, message=message, diagnostics=diagnostics)
    what = f"check says {judged.status}, and its report {case.status}: {case.message}"
    worse = Status.FAIL if Status.FAIL in {case.status, judged.status} else Status.ERROR
    return replace(judged, status=worse, message=what, diagnostics=diagnostics)


def _wrong(check: _Check, status: int, length: int) -> Iterator[str]:
    if why := not_started(status):
        yield why
        return
    yield from check.problems
    failures = check.lists.get("Failures", ())
    if length > MOST_READ:
        yield f"printed more than {MOST_READ >> 20} MiB, of which the rest was not read"
    if check.total is None:
        yield f"ended with status {status}, and without the number of its tests"
    elif (status != 0) != bool(failures):
        yield f"ended with status {status}, and names {len(failures) or 'no'} failures"
    else:
        yield from _miscounted(check, check.total)


def _miscounted(check: _Check, total: re.Match[str]) -> Iterator[str]:
    ran = check.lists.get("Ran", ())
    counted = int(total[1] or total[3])
    if counted == 0:
        yield "ran no test"
    if counted != len(ran):
        yield f"counts {counted} tests, and names {len(ran)}"
    if int(total[2] or 0) != len(check.lists.get("Failures", ())):
        yield f"counts {total[2] or 0} failures, and names others"
    if unseen := [name for name in ran if name not in check.tests]:
        yield f"ran {unseen[0]}, and does not say how that ended"


def _unearned(judged: Judged) -> Judged:
    if judged.status is not Status.PASS:
        return judged
    return replace(judged, status=Status.ERROR, message="passed, and check did not end well")
