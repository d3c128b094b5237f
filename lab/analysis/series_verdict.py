# SPDX-License-Identifier: GPL-2.0-only
"""What a series comes to on one kernel, from the verdicts on its tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lab.analysis.verdict import TestVerdict, Verdict
from lab.binary.difference import Difference
from lab.config.model import ExpectedVerdict
from lab.coverage.counted import Coverage
from lab.model.glob import matches
from lab.model.job_name import Around, job_name
from lab.model.records import KERNEL, JobRecord, RunRecord
from lab.model.status import Outcome, Status

#: Lines that never ran, by name.
_MOST_LINES = 5


@dataclass(frozen=True)
class KernelVerdict:
    """A series on one kernel, the series beneath it in its name, with one config on one machine.

    Args:
        why: One sentence: what was counted, or what is wanting.
        expected: What ``lab.toml`` expects, for ``reason``.
        commit: What fixed it, for "already fixed upstream".
        ours: It is inconclusive through the lab's or the machine's fault, and so no
            word on the kernel.
        patches: (patch, how it goes onto the tree) pairs.
        binary: What it changed in the kernel that was built; None where nobody could look.
        lines: What ran of it; None where nobody counted.
    """

    kernel: str
    outcome: Outcome
    why: str
    expected: Outcome = Outcome.FIXED
    reason: str = ""
    commit: str = ""
    ours: bool = False
    patches: tuple[tuple[str, str], ...] = ()
    tests: tuple[TestVerdict, ...] = ()
    machine: str = ""
    config: str = ""
    binary: Difference | None = None
    lines: Coverage | None = None

    @property
    def name(self) -> str:
        """What it is called for a reader."""
        return job_name(self.kernel, self.machine, self.config)

    def of(self, around: Around) -> KernelVerdict:
        """The same, told to be of a machine and a config, and its tests with it."""
        machine, config = around
        tests = tuple(replace(test, machine=machine, config=config) for test in self.tests)
        return replace(self, machine=machine, config=config, tests=tests)

    @property
    def as_expected(self) -> bool:
        """Whether ``lab.toml`` expects just this."""
        return self.outcome is self.expected


@dataclass(frozen=True)
class Verification:
    """A series verified on kernels, in one run; None when nothing could be tested.

    ``doubt`` says why it may not be what its author sent.
    """

    series: str
    description: str
    kernels: tuple[KernelVerdict, ...]
    run: RunRecord | None = None
    doubt: str = ""

    @property
    def tests(self) -> tuple[TestVerdict, ...]:
        """The verdicts on all tests of all kernels."""
        return tuple(test for kernel in self.kernels for test in kernel.tests)


def expected_outcome(
    verdicts: Sequence[ExpectedVerdict], series: str, kernel: str
) -> tuple[Outcome, str]:
    """What ``lab.toml`` expects of a series on a kernel, and why.

    The last ``[[verdict]]`` that matches counts; where none does, a series should fix.
    """
    for verdict in reversed(verdicts):
        if verdict.series == series and matches(kernel, verdict.kernels):
            return verdict.verdict, verdict.reason
    return Outcome.FIXED, ""


def judge_pair(tests: Sequence[TestVerdict], about: Sequence[str]) -> tuple[Outcome, str]:
    """What the series did on a kernel, and what was counted.

    ``fixed`` takes all of this: every test that fails without the series and that it is
    about passes with it, at least one of them; none regressed; none is inconclusive.

    Args:
        about: Globs of the tests that the series is about.
    """
    count = Counter(test.verdict for test in tests)
    if count[Verdict.REGRESSED]:
        return Outcome.REGRESSED, _first(tests, Verdict.REGRESSED)
    if count[Verdict.INCONCLUSIVE]:
        return Outcome.INCONCLUSIVE, _first(tests, Verdict.INCONCLUSIVE)
    own_tests = [test for test in tests if _is_about(test, about)]
    own = Counter(test.verdict for test in own_tests)
    passing = f"{count[Verdict.STILL_PASSING]} pass before and after"
    if own[Verdict.FIXED] and own[Verdict.STILL_FAILING]:
        left = _first(own_tests, Verdict.STILL_FAILING)
        return Outcome.INCONCLUSIVE, f"{count[Verdict.FIXED]} fixed, but {left}"
    if own[Verdict.FIXED]:
        return Outcome.FIXED, f"{_fixed(count)}, {passing}"
    return _nothing_fixed(count, passing)


def _fixed(count: Counter[Verdict]) -> str:
    text = _tests(count[Verdict.FIXED])
    left = count[Verdict.STILL_FAILING]
    return f"{text}, others still failing: {left}" if left else text


def _nothing_fixed(count: Counter[Verdict], passing: str) -> tuple[Outcome, str]:
    if count[Verdict.STILL_FAILING]:
        failing = f"{_do(count[Verdict.STILL_FAILING], 'fail')} before and after"
        return Outcome.NO_CHANGE, f"{failing}, {passing}"
    if count[Verdict.STILL_PASSING]:
        return Outcome.NO_CHANGE, f"no test fails without it; {passing}"
    return Outcome.INCONCLUSIVE, "no test could run"


def judge_upstream(tests: Sequence[TestVerdict], about: Sequence[str]) -> tuple[Outcome, str]:
    """Whether a kernel that is said to have the fix passes without the series."""
    count = Counter(test.verdict for test in tests)
    if count[Verdict.INCONCLUSIVE]:
        return Outcome.INCONCLUSIVE, _first(tests, Verdict.INCONCLUSIVE)
    own = [test for test in tests if _is_about(test, about)]
    failing = [test for test in own if test.base is Status.FAIL]
    if failing:
        what = f"it is said to be fixed, but {_do(len(failing), 'fail')} without the series"
        return Outcome.INCONCLUSIVE, f"{what}, {_named(failing[0])} first"
    passing = sum(test.base is Status.PASS for test in own)
    if not passing:
        return Outcome.INCONCLUSIVE, "no test that it is about could run"
    return Outcome.UPSTREAM, f"{_do(passing, 'pass')} without it{_others(tests, about)}"


def _others(tests: Sequence[TestVerdict], about: Sequence[str]) -> str:
    failing = sum(test.base is Status.FAIL and not _is_about(test, about) for test in tests)
    return f", others failing: {failing}" if failing else ""


def lost(job: JobRecord | None, name: str) -> str:
    """Why a side of a kernel has no, or not all, results; "" when it has."""
    if job is None:
        return f"there is no record of {name}"
    if job.error is not None:
        return f"{name}: {job.error.line}"
    return ""


def is_ours(tests: Iterable[TestVerdict]) -> bool:
    """Whether all that is inconclusive is so where the lab had an error."""
    unclear = [test for test in tests if test.verdict is Verdict.INCONCLUSIVE]
    errors = {
        _place(test)
        for test in unclear
        if Status.ERROR in (test.base, test.patched) and not test.stopped
    }
    return bool(unclear) and all(_place(test) in errors for test in unclear)


def _place(test: TestVerdict) -> tuple[str, str]:
    return test.filesystem, test.suite


def with_lines(verdict: KernelVerdict, lines: Coverage | None) -> KernelVerdict:
    """A verdict, and what ran of the series: lines that never did have mended nothing."""
    found = replace(verdict, lines=lines)
    if lines is None or verdict.outcome is not Outcome.FIXED or not lines.nothing_ran:
        return found
    never = [f"{file}:{line.number}" for file, line in lines.still]
    more = f" and {len(never) - _MOST_LINES} more" if len(never) > _MOST_LINES else ""
    named = f"{', '.join(never[:_MOST_LINES])}{more}"
    why = f"none of the lines that it adds ran ({named}); {verdict.why}"
    return replace(found, outcome=Outcome.INCONCLUSIVE, why=why)


def _is_about(test: TestVerdict, about: Sequence[str]) -> bool:
    return test.suite != KERNEL and matches(test.own or test.test, about)


def _first(tests: Sequence[TestVerdict], verdict: Verdict) -> str:
    found = [test for test in tests if test.verdict is verdict]
    first = found[0]
    why = f" ({first.why})" if first.why else ""
    return f"{_tests(len(found))} {verdict}: {_named(first)}{why}{', …' if found[1:] else ''}"


def _named(test: TestVerdict) -> str:
    where = f" on {test.filesystem}" if test.filesystem else ""
    return f"{test.test or test.suite}{where}"


def _tests(number: int) -> str:
    return f"{number} test{'' if number == 1 else 's'}"


def _do(number: int, verb: str) -> str:
    """``1 test fails``, ``2 tests fail``."""
    third = f"{verb}es" if verb.endswith("s") else f"{verb}s"
    return f"{_tests(number)} {third if number == 1 else verb}"
