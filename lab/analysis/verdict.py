# SPDX-License-Identifier: GPL-2.0-only
"""Base against patched, test by test: what a series did, from what is recorded alone.

A verdict is earned as a pass is: what one of the two sides does not show is
``inconclusive``, never ``fixed``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lab.analysis.repeated import Repeated, by_test, is_mixed
from lab.analysis.setup import HOST, differences
from lab.analysis.test_names import job_apart, own_name, shared_names
from lab.model.job_name import job_name
from lab.model.proof import unproved
from lab.model.records import KERNEL, JobRecord, TestResult
from lab.model.scale import Word
from lab.model.status import BAD, DEAD, Status

#: The filesystem, and the suite, of a test.
Place = tuple[str, str]

_ERROR = "an error of the lab's"
#: What can only be seen where the mount was proved to be what it promised.
_NEEDS_PROOF = BAD | {Status.PASS}
#: What must be the same on both sides for a difference to be the series'.
_SAME = (
    "tree_identity",
    "config_digest",
    "compiler",
    "accelerator",
    "qemu_version",
    "machine",
)
_IN_WORDS = {"machine": "machine description"}


class Verdict(Word):
    """What a series did to one test."""

    FIXED = "fixed"
    REGRESSED = "regressed"
    STILL_FAILING = "still failing"
    STILL_PASSING = "still passing"
    NOT_APPLICABLE = "not applicable"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class TestVerdict:
    """One test on one filesystem; a side is None where it has no result.

    ``why`` explains what the statuses do not; ``said`` is what the sides said, and
    ``complaint`` what the kernel complained of with the series.  ``killed`` says that an
    error among the statuses is a signal that killed the program, and so none of ours.  ``test``
    has its ``program`` in it where two of the suite share its name; ``own`` is that name
    then, "" for others.
    """

    # pytest takes a class of such a name for tests.
    __test__ = False

    kernel: str
    filesystem: str
    suite: str
    test: str
    base: Status | None
    patched: Status | None
    verdict: Verdict
    why: str = ""
    said: tuple[str, str] = ("", "")
    program: str = ""
    own: str = ""
    complaint: str = ""
    stopped: bool = False
    machine: str = ""
    config: str = ""

    @property
    def on(self) -> str:
        """The kernel, its machine and its config, for a reader."""
        return job_name(self.kernel, self.machine, self.config)


@dataclass(frozen=True)
class VariantResults:
    """The record of one variant: its job, and the results at each place.

    A name that comes twice at one place has a number, so that none is hidden.  ``unrun``
    are the places with tests that nobody ran, which are not among the ``tests``; ``mixed``
    are tests that were repeated, and how they ended where that was not in one way.
    """

    job: JobRecord
    tests: Mapping[tuple[str, str, str], TestResult]
    unrun: frozenset[Place] = frozenset()
    mixed: Mapping[tuple[str, str, str], Repeated] = field(default_factory=dict)

    @classmethod
    def of(cls, job: JobRecord) -> VariantResults:
        """Sort a job's results."""
        seen: Counter[tuple[str, str, str]] = Counter()
        tests, mixed = {}, {}
        for ends in by_test(job.results):
            result = Repeated(ends).result
            if not result.ran:
                continue
            key = (result.filesystem, result.suite, result.test)
            seen[key] += 1
            name = result.test if seen[key] == 1 else f"{result.test} [{seen[key]}]"
            tests[place := (result.filesystem, result.suite, name)] = result
            if is_mixed(ends):
                mixed[place] = Repeated(ends)
        left = (result for result in job.results if not result.ran)
        return cls(job, tests, frozenset((one.filesystem, one.suite) for one in left), mixed)

    def at(self, place: Place) -> Sequence[TestResult]:
        """What ran at a place."""
        return self._places.get(place, ())

    def ended(self, place: Place) -> bool:
        """Whether programs ran at a place, and none of them died or came to grief."""
        return bool(self.at(place)) and place not in self._troubled | self.unrun

    def known_death(self, place: Place) -> bool:
        """Whether something died there that ``lab.toml`` foretells."""
        return place in self._known_deaths

    def unproved(self, filesystem: str) -> str:
        """What the filesystem promised to be and nothing proves; "" when all is proved."""
        return unproved(self.job.evidence, filesystem)

    @cached_property
    def _places(self) -> dict[Place, list[TestResult]]:
        found: dict[Place, list[TestResult]] = {}
        for (filesystem, suite, _), result in self.tests.items():
            found.setdefault((filesystem, suite), []).append(result)
        return found

    @cached_property
    def _troubled(self) -> frozenset[Place]:
        return self._where(lambda result: result.status in DEAD | {Status.ERROR})

    @cached_property
    def _known_deaths(self) -> frozenset[Place]:
        return self._where(lambda result: result.status in DEAD and result.as_expected)

    def _where(self, is_so: Callable[[TestResult], bool]) -> frozenset[Place]:
        return frozenset(key[:2] for key, result in self.tests.items() if is_so(result))


def compare(
    base: JobRecord, patched: JobRecord, series: tuple[str, str], asked: Sequence[Place] = ()
) -> tuple[TestVerdict, ...]:
    """A verdict for each test that either side has.

    Args:
        base: The job without the series.
        patched: The job of the same kernel with the series.
        series: Its name and its digest.
        asked: Where there must be results; a place without any is inconclusive.
    """
    shared = shared_names((*base.results, *patched.results))
    pair = _Pair(
        VariantResults.of(job_apart(base, shared)), VariantResults.of(job_apart(patched, shared))
    )
    wrong = unlike(base, patched, series)
    keys = dict.fromkeys((*pair.base.tests, *pair.patched.tests))
    verdicts = [pair.verdict_on(key, wrong) for key in keys]
    return (
        *verdicts,
        *_complaints(base, patched, wrong),
        *_unrun(base.variant, pair.patched, "not all of its tests ran with the series"),
        *_empty(base.variant, asked, {key[:2] for key in keys}),
    )


def unlike(base: JobRecord, patched: JobRecord, series: tuple[str, str]) -> str:
    """Why no difference between the two may be put down to the series; "" if one may."""
    for name in ("machine", "config"):
        if getattr(base, name) != getattr(patched, name):
            return f"they differ in {name}"
    for name in _SAME:
        if getattr(base.evidence, name) != getattr(patched.evidence, name):
            return f"they differ in {_IN_WORDS.get(name, name.replace('_', ' '))}"
    # Another host of the same QEMU, CPU and programs is said, and no reason to know nothing.
    parts = [one.part for one in differences([base.evidence], [patched.evidence])]
    if differs := [part for part in parts if part != HOST]:
        return f"they differ in {differs[0]}"
    if patched.evidence.series_digests != (*base.evidence.series_digests, series):
        return "the two kernels differ in more than the series"
    if base.evidence.build_key == patched.evidence.build_key:
        return "both ran the same build"
    return ""


def alone(base: JobRecord, asked: Sequence[Place] = ()) -> tuple[TestVerdict, ...]:
    """The tests of a kernel that the series is not for: their results, and no verdict."""
    side = VariantResults.of(job_apart(base, shared_names(base.results)))
    verdicts = [_single(base.variant, side, key, result) for key, result in side.tests.items()]
    unrun = _unrun(base.variant, side, "not all of its tests ran")
    return (*verdicts, *unrun, *_empty(base.variant, asked, {key[:2] for key in side.tests}))


def _single(
    kernel: str, side: VariantResults, key: tuple[str, str, str], result: TestResult
) -> TestVerdict:
    verdict, why = Verdict.NOT_APPLICABLE, ""
    if result.status in DEAD | {Status.ERROR}:
        why = _error(result) or str(result.status)
        verdict = Verdict.INCONCLUSIVE
    elif result.status in _NEEDS_PROOF and (wanting := side.unproved(key[0])):
        verdict, why = Verdict.INCONCLUSIVE, f"nothing proves that it was {wanting}"
    said = (result.message, "")
    owner = _owner(result, key[2])
    sides = (result.status, None)
    return TestVerdict(
        kernel, *key, *sides, verdict, why, said, *owner, stopped=_is_stopped(result, None)
    )


def _owner(result: TestResult, name: str) -> tuple[str, str]:
    """The program of a result, and what that calls the test if ``name`` has more in it."""
    own = own_name(result)
    # A name that comes again has a number after it.
    return result.program, "" if own == result.test else own + name[len(result.test) :]


def _complaints(base: JobRecord, patched: JobRecord, wrong: str) -> Iterator[TestVerdict]:
    """What the patched kernel complains of while no test runs: no test tells of it."""
    before = {str(noted.complaint) for noted in base.complaints}
    found = {str(one.complaint): one.complaint for one in patched.complaints if one.of_job}
    for title, complaint in found.items():
        verdict, why = Verdict.REGRESSED, "the kernel complains of it with the series only"
        if title in before:
            verdict, why = (
                Verdict.STILL_FAILING,
                "the kernel complains of it without the series too",
            )
        if wrong:
            verdict, why = Verdict.INCONCLUSIVE, wrong
        was = Status.CRASH if title in before else None
        said = ("", complaint.headline)
        yield TestVerdict(base.variant, "", KERNEL, title, was, Status.CRASH, verdict, why, said)


def _unrun(kernel: str, side: VariantResults, why: str) -> Iterator[TestVerdict]:
    """What both sides lack, or a kernel alone, would be missed by nobody."""
    for place in sorted(side.unrun):
        yield TestVerdict(kernel, *place, "", None, None, Verdict.INCONCLUSIVE, why)


def _empty(
    kernel: str, asked: Iterable[Place], found: set[Place] | set[tuple[str, ...]]
) -> Iterator[TestVerdict]:
    for place in asked:
        if place not in found:
            why = "no test ran"
            yield TestVerdict(kernel, *place, "", None, None, Verdict.INCONCLUSIVE, why)


@dataclass(frozen=True)
class _Pair:
    """The two sides of one kernel."""

    base: VariantResults
    patched: VariantResults

    def verdict_on(self, key: tuple[str, str, str], wrong: str) -> TestVerdict:
        base, patched = self.base.tests.get(key), self.patched.tests.get(key)
        wrong = wrong or self._unproved(key, base, patched)
        verdict, why = (Verdict.INCONCLUSIVE, wrong) if wrong else self._verdict(key)
        return TestVerdict(
            self.base.job.variant,
            *key,
            base.status if base else None,
            patched.status if patched else None,
            verdict,
            why,
            (base.message if base else "", patched.message if patched else ""),
            *next((_owner(side, key[2]) for side in (base, patched) if side), ("", "")),
            patched.complaint if patched else "",
            _is_stopped(base, patched),
        )

    def _unproved(
        self, key: tuple[str, str, str], base: TestResult | None, patched: TestResult | None
    ) -> str:
        for name, side, result in (("base", self.base, base), ("patched", self.patched, patched)):
            # A guest that died as it booted proves nothing, and needs to.
            lost = result is None or result.status not in {Status.PASS, Status.FAIL}
            if not lost and (wanting := side.unproved(key[0])):
                return f"nothing proves that {name} was {wanting}"
        return ""

    def _verdict(self, key: tuple[str, str, str]) -> tuple[Verdict, str]:
        base, patched = self.base.tests.get(key), self.patched.tests.get(key)
        if base is None:
            assert patched is not None
            return self._only_patched(key, patched)
        if key in self.base.mixed or key in self.patched.mixed:
            return self._mixed(key, base)
        return self._only_base(key, base) if patched is None else _both(base, patched)

    def _mixed(self, key: tuple[str, str, str], base: TestResult) -> tuple[Verdict, str]:
        """What now passes and now does not proves nothing, but that it never did so before."""
        now, before = self.patched.mixed.get(key), self.base.mixed.get(key)
        steady = before is None and base.status is Status.PASS
        if steady and now and any(one.status in BAD for one in now.results):
            return Verdict.REGRESSED, f"patched: {now.line()}"
        sides = (("base", before), ("patched", now))
        said = "; ".join(f"{name}: {side.line()}" for name, side in sides if side)
        return Verdict.INCONCLUSIVE, f"it does not always end alike ({said})"

    def _only_patched(self, key: tuple[str, str, str], patched: TestResult) -> tuple[Verdict, str]:
        place = key[:2]
        if patched.status in DEAD and self.base.ended(place):
            return Verdict.REGRESSED, f"{patched.status} with the series only"
        if self.base.known_death(place) and patched.status in {Status.PASS, Status.SKIP}:
            return Verdict.NOT_APPLICABLE, "base died before it"
        return Verdict.INCONCLUSIVE, _alone_why(patched, "base")

    def _only_base(self, key: tuple[str, str, str], base: TestResult) -> tuple[Verdict, str]:
        place = key[:2]
        if base.status in DEAD and self.patched.ended(place):
            return _revived(base)
        return Verdict.INCONCLUSIVE, _alone_why(base, "patched")


def _alone_why(result: TestResult, other: str) -> str:
    return _error(result) or f"{other} has no such result"


def _is_stopped(*sides: TestResult | None) -> bool:
    ran = [side for side in sides if side is not None]
    return any(side.stopped for side in ran) and all(side.has_word for side in ran)


def _error(*results: TestResult) -> str:
    """Why an error says nothing of what a series does; "" where there is none."""
    errors = [result for result in results if result.status is Status.ERROR]
    if any(not result.has_word for result in errors):
        return _ERROR
    return next((result.stopped_by for result in errors), "")


def _both(base: TestResult, patched: TestResult) -> tuple[Verdict, str]:
    statuses = {base.status, patched.status}
    if why := _error(base, patched):
        return Verdict.INCONCLUSIVE, why
    if patched.status in DEAD and base.status not in DEAD:
        return Verdict.REGRESSED, f"{patched.status} with the series only"
    if Status.SKIP in statuses:
        return _skipped(statuses)
    if patched.status in BAD:
        return _still_bad(base, patched)
    if base.status in DEAD:
        return _revived(base)
    if base.status is Status.FAIL:
        return Verdict.FIXED, ""
    return Verdict.STILL_PASSING, ""


def _skipped(statuses: set[Status]) -> tuple[Verdict, str]:
    if len(statuses) == 1:
        return Verdict.NOT_APPLICABLE, "it cannot run there"
    return Verdict.INCONCLUSIVE, "it ran on one side only"


def _still_bad(base: TestResult, patched: TestResult) -> tuple[Verdict, str]:
    if base.status not in BAD:
        return Verdict.REGRESSED, ""
    differs = base.message != patched.message
    return Verdict.STILL_FAILING, "in another way" if differs else ""


def _revived(base: TestResult) -> tuple[Verdict, str]:
    # Any guest may die once, of anything: only a death that lab.toml foretells is the
    # bug that the series is about.
    if base.as_expected:
        return Verdict.FIXED, ""
    why = f'base: {base.status}, which no [[expect]] with status = "{base.status}" foretells'
    return Verdict.INCONCLUSIVE, why
