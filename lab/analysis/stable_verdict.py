# SPDX-License-Identifier: GPL-2.0-only
"""What a fix is to an older kernel: wanted there, there already, or no business of it.

As every verdict it is earned: that a kernel has the bug takes a test that fails on it, that
it has not takes each test that shows the bug elsewhere to pass, and all else is inconclusive.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.analysis.series_verdict import is_ours, judge_pair
from lab.analysis.verdict import TestVerdict, Verdict
from lab.errors import ExitStatus
from lab.model.glob import matches
from lab.model.records import KERNEL
from lab.model.scale import Word, Worth, exit_of
from lab.model.status import Outcome, Status

#: A test, whatever the kernel: filesystem, suite, name.
Key = tuple[str, str, str]


class StableVerdict(Word):
    """What a series is to one kernel."""

    NEEDS_BACKPORT = "needs backport"
    THERE = "already there"
    NOT_AFFECTED = "not affected"
    DOES_NOT_APPLY = "does not apply"
    NO_CHANGE = "no change"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Carried:
    """How a kernel takes the series: it ``applies``, ``is_in``, or neither; ``said`` is more."""

    applies: bool = False
    is_in: bool = False
    said: str = ""


@dataclass(frozen=True)
class StableKernel:
    """The verdict on one kernel; ``ours``: it is wanting through the lab or the machine."""

    kernel: str
    verdict: StableVerdict
    why: str
    ours: bool = False
    tests: tuple[TestVerdict, ...] = ()


@dataclass(frozen=True)
class Bug:
    """The tests that fail without the series and pass with it, and ``where`` that was seen.

    ``missing`` says which test there would have to be, where there is none.
    """

    tests: frozenset[Key] = frozenset()
    where: str = ""
    missing: str = ""


def key_of(test: TestVerdict) -> Key:
    """A test of one kernel among those of others."""
    return test.filesystem, test.suite, test.test


def fixed_by(tests: Iterable[TestVerdict], about: Sequence[str]) -> frozenset[Key]:
    """The tests that a series turned from failing to passing, of those that it is about."""
    return frozenset(
        key_of(test)
        for test in tests
        if test.verdict is Verdict.FIXED
        and test.suite != KERNEL
        and matches(test.own or test.test, about)
    )


def judge_stable(
    kernel: str, carried: Carried, tests: Sequence[TestVerdict], bug: Bug, about: Sequence[str]
) -> StableKernel:
    """The verdict on a kernel.

    Args:
        tests: Base against patched where the series applies; else the kernel alone.
    """
    judge = _applies if carried.applies else _is_in if carried.is_in else _does_not
    verdict, why = judge(carried, tests, bug, about)
    ours = verdict is StableVerdict.INCONCLUSIVE and is_ours(tests)
    return StableKernel(kernel, verdict, why, ours, tuple(tests))


def _applies(
    carried: Carried, tests: Sequence[TestVerdict], bug: Bug, about: Sequence[str]
) -> tuple[StableVerdict, str]:
    outcome, why = judge_pair(tests, about)
    if outcome is Outcome.FIXED:
        return StableVerdict.NEEDS_BACKPORT, f"fixed by it: {why}; it applies: {carried.said}"
    if outcome is not Outcome.NO_CHANGE:
        return StableVerdict(outcome.value), why
    affected, said = _has_bug(tests, bug)
    if affected is False:
        return StableVerdict.NOT_AFFECTED, said
    if any(test.verdict is Verdict.STILL_FAILING for test in tests):
        return StableVerdict.NO_CHANGE, why
    return (StableVerdict.INCONCLUSIVE if bug.tests else StableVerdict.NO_CHANGE), said


def _is_in(
    carried: Carried, tests: Sequence[TestVerdict], bug: Bug, _about: Sequence[str]
) -> tuple[StableVerdict, str]:
    affected, said = _has_bug(tests, bug)
    if affected is not False and bug.tests:
        return StableVerdict.INCONCLUSIVE, f"it is in, {carried.said}, but {said}"
    return StableVerdict.THERE, f"{carried.said}; {said}"


def _does_not(
    carried: Carried, tests: Sequence[TestVerdict], bug: Bug, _about: Sequence[str]
) -> tuple[StableVerdict, str]:
    affected, said = _has_bug(tests, bug)
    if affected is False:
        return StableVerdict.NOT_AFFECTED, f"{said}; nor does it apply: {carried.said}"
    has = f"it has the bug, {said}" if affected else f"whether it has the bug nobody knows: {said}"
    return StableVerdict.DOES_NOT_APPLY, f"{carried.said}; {has}"


def _has_bug(tests: Sequence[TestVerdict], bug: Bug) -> tuple[bool | None, str]:
    """Whether a kernel without the series has it, or None; and by what that is known."""
    if not bug.tests:
        return None, bug.missing
    found = {key_of(test): test for test in tests if key_of(test) in bug.tests}
    failing = [test for test in found.values() if test.base is Status.FAIL and _shown(test)]
    if failing:
        fail = "fails" if len(failing) == 1 else "fail"
        return True, f"{_counted(len(failing))} that it mends {fail}: {_named(failing[0])} first"
    unclear = [key for key in sorted(bug.tests) if not _passes(found.get(key))]
    if unclear:
        return None, _why_unclear(unclear[0], found.get(unclear[0]))
    passes = "passes" if len(found) == 1 else "pass"
    return False, f"{_counted(len(found))} that it mends on {bug.where} {passes} without it"


def _shown(test: TestVerdict) -> bool:
    """Whether what it says counts: an inconclusive one may have failed on no DAX at all."""
    return test.verdict is not Verdict.INCONCLUSIVE


def _passes(test: TestVerdict | None) -> bool:
    return test is not None and test.base is Status.PASS and _shown(test)


def _why_unclear(key: Key, test: TestVerdict | None) -> str:
    filesystem, _, name = key
    if test is None or test.base is None:
        return f"{name} did not run on {filesystem}"
    why = f" ({test.why})" if test.why else ""
    return f"{_named(test)}: {test.base}{why}"


def _named(test: TestVerdict) -> str:
    return f"{test.test} on {test.filesystem}"


def _counted(number: int) -> str:
    return f"{number} test{'' if number == 1 else 's'}"


def stable_status(kernels: Iterable[StableKernel]) -> ExitStatus:
    """EXPECTED when each kernel has an answer that leaves nothing to port or to find out."""
    return exit_of(kernel.ours for kernel in kernels if kernel.verdict.worth is not Worth.GOOD)
