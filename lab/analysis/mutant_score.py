# SPDX-License-Identifier: GPL-2.0-only
"""What became of each mutant of a series, and what the tests are worth by that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from lab.model.records import JobRecord, TestResult
from lab.model.status import Status
from lab.mutants.mutant import Mutant

#: Filesystem, suite, program and test.
TestName = tuple[str, str, str, str]


class Fate(StrEnum):
    """What became of a mutant; the first two make the score."""

    NOTICED = "noticed"
    SURVIVED = "survived"
    EQUIVALENT = "said to be equivalent"
    SAME = "same binary"
    UNCOMPILED = "does not compile"
    ERROR = "error"


@dataclass(frozen=True)
class MutantResult:
    """A mutant, and what became of it.

    Attributes:
        why: What noticed it and how, or why it says nothing of the tests.
        ran: The tests that ran and noticed nothing, of a survivor.
        twin: The number of the mutant that it shares its object with: it was not tested itself.
    """

    number: int
    mutant: Mutant
    fate: Fate
    why: str = ""
    ran: tuple[str, ...] = ()
    twin: int | None = None

    def of(self, number: int, mutant: Mutant) -> MutantResult:
        """The same of a mutant that is compiled to the same."""
        return replace(self, number=number, mutant=mutant, twin=self.number)


@dataclass(frozen=True)
class MutantScore:
    """All mutants of a series on one kernel.

    Attributes:
        key: Names the two kernels and all that their tests depend on.
        of: How many there are; fewer are tried where somebody said how many.
        left_out: (file, why) pairs of what was not mutated.
        unsteady: Tests that did not end with the patch as they had ended: none notices anything.
        refuted: Those that were said to mean the same as the patch, and that a test noticed.
        why: Why there are none, or not all.
        lost: ``why`` is that the lab came to no end with them.
        duration_s: Seconds that it took, builds included.
    """

    kernel: str
    key: str = ""
    results: tuple[MutantResult, ...] = ()
    of: int = 0
    left_out: tuple[tuple[str, str], ...] = ()
    unsteady: tuple[str, ...] = ()
    refuted: tuple[str, ...] = ()
    why: str = ""
    lost: bool = False
    duration_s: float = 0.0

    def count(self, fate: Fate) -> int:
        """How many came to this."""
        return Counter(each.fate for each in self.results)[fate]

    @property
    def survivors(self) -> tuple[MutantResult, ...]:
        """Those that no test noticed."""
        return tuple(each for each in self.results if each.fate is Fate.SURVIVED)

    @property
    def told(self) -> int:
        """How many tell anything of the tests."""
        return self.count(Fate.NOTICED) + self.count(Fate.SURVIVED)


@dataclass(frozen=True)
class Reference:
    """How each test ends with the patch as it is, run as mutants are tested.

    Attributes:
        before: The patched kernel's record of the verdict.
    """

    record: JobRecord
    before: JobRecord

    @cached_property
    def complaints(self) -> frozenset[str]:
        """What the patched kernel complains of, too."""
        return frozenset(str(noted.complaint) for noted in self.record.complaints)

    @cached_property
    def failures(self) -> Mapping[TestName, str]:
        """What tests say that fail with the patch, those that say the same each time."""
        said: dict[TestName, set[str]] = {}
        for result in (*self.record.results, *self.before.results):
            if result.status is Status.FAIL:
                said.setdefault(name_of(result), set()).add(result.message)
        return {name: next(iter(some)) for name, some in said.items() if len(some) == 1}

    @cached_property
    def statuses(self) -> Mapping[TestName, frozenset[Status]]:
        """More than one of a test that did not always end alike."""
        found: dict[TestName, set[Status]] = {}
        for result in self.record.results:
            found.setdefault(name_of(result), set()).add(result.status)
        return {name: frozenset(statuses) for name, statuses in found.items()}

    @cached_property
    def durations(self) -> Mapping[TestName, float]:
        """Seconds, at most."""
        found: dict[TestName, float] = {}
        for result in self.record.results:
            name = name_of(result)
            found[name] = max(found.get(name, 0.0), result.duration_s)
        return found

    @cached_property
    def unsteady(self) -> frozenset[TestName]:
        """Tests that did not end as they had, or by the lab's fault."""
        found = {name: set(statuses) for name, statuses in self.statuses.items()}
        for result in self.before.results:
            found.setdefault(name_of(result), set()).add(result.status)
        return frozenset(
            name for name, some in found.items() if len(some) > 1 or Status.ERROR in some
        )


def name_of(result: TestResult) -> TestName:
    """What tells a test from the others of its job."""
    return result.filesystem, result.suite, result.program, result.test


@dataclass(frozen=True)
class Seen:
    """What a mutant's job shows: ``fate`` and why.

    Attributes:
        hung: The test that did not come to its end, where only that noticed it: a host that is
            busy does the same.
    """

    fate: Fate
    why: str
    ran: tuple[str, ...] = ()
    hung: TestName | None = None


def judge(record: JobRecord, reference: Reference) -> Seen:
    """Whether a test, or the kernel itself, noticed a mutant.

    What only our own failure shows is an error, and nothing that did not run noticed nothing.
    """
    ran = [result for result in record.results if result.ran]
    for result in ran:
        if result.has_word and (said := _noticed(result, reference)):
            hung = name_of(result) if result.status is Status.TIMEOUT else None
            return Seen(Fate.NOTICED, said, hung=hung)
    for noted in record.complaints:
        if noted.of_job and str(noted.complaint) not in reference.complaints:
            return Seen(Fate.NOTICED, f"the kernel complains: {noted.complaint.headline}")
    if record.error is not None:
        return Seen(Fate.ERROR, record.error.line)
    lost = next((each for each in record.results if not (each.ran and each.has_word)), None)
    if lost is not None or not ran:
        what = "no test ran" if lost is None else f"{lost.test}: {lost.cause}"
        return Seen(Fate.ERROR, what)
    return Seen(Fate.SURVIVED, "", tuple(dict.fromkeys(map(named, ran))))


def _noticed(result: TestResult, reference: Reference) -> str:
    """What a result says that it does not say of the patch; "" for the same."""
    name = name_of(result)
    usual = reference.statuses.get(name, frozenset({Status.PASS}))
    said = f": {result.message}" if result.message else ""
    if result.status not in usual:
        return f"{named(result)}: {result.status}{said}"
    is_failure = result.status is Status.FAIL
    if is_failure and reference.failures.get(name, result.message) != result.message:
        return f"{named(result)}: fails in another way{said}"
    return ""


def named(result: TestResult) -> str:
    """A test, and where it ran, for a reader."""
    return f"{result.test} on {result.filesystem}"


@dataclass
class Twins:
    """Which mutants are compiled to the same object: the first of them is tested, for all.

    To be asked by one thread at a time.
    """

    first: dict[tuple[str, str], int] = field(default_factory=dict)
    waiting: dict[int, list[tuple[int, Mutant]]] = field(default_factory=dict)
    known: dict[int, MutantResult] = field(default_factory=dict)

    def is_one(self, number: int, mutant: Mutant, digest: str) -> bool:
        """Whether another is tested for it; an object without a digest is like no other."""
        if not digest:
            return False
        tested = self.first.setdefault((mutant.file, digest), number)
        if tested != number:
            self.waiting.setdefault(tested, []).append((number, mutant))
        return tested != number

    def ended(self, result: MutantResult) -> list[MutantResult]:
        """What is known now that this one is: it, and those that waited for it."""
        self.known[result.number] = result
        return [result, *self.waited(result.number)]

    def waited(self, tested: int) -> Iterator[MutantResult]:
        """Those that a mutant was tested for, once it is known what became of it."""
        if tested in self.known:
            for number, mutant in self.waiting.pop(tested, []):
                yield self.known[tested].of(number, mutant)

    def late(self) -> list[MutantResult]:
        """Those that came when the one that was tested for them had ended."""
        return [found for tested in list(self.waiting) for found in self.waited(tested)]
