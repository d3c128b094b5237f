# SPDX-License-Identifier: GPL-2.0-only
"""What the author of a series claims, and which recorded results show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from lab.analysis.verdict import VariantResults, unlike
from lab.config.model import Globs, Section, Text
from lab.config.sources import Document, Sources
from lab.errors import UserError
from lab.model.glob import matches
from lab.model.records import JobRecord, RunRecord, TestResult
from lab.model.status import Status
from lab.model.variant import Variant

_NAME = "claims.toml"
_ANY = ("*",)


class Measure(Section):
    """A bound on a number that a test measured, or on the ratio of two.

    ``of`` and ``over`` are labels: the metric with those of ``of``, divided, when
    there is ``over``, by the one with those.
    """

    metric: Text
    of: dict[str, str] = Field(default_factory=dict)
    over: dict[str, str] | None = None
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("bounds nothing: give at_least or at_most")
        return self

    def __str__(self) -> str:
        ratio = f" over {_labels(self.over)}" if self.over is not None else ""
        bounds = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        bounds += [f"at most {self.at_most:g}"] if self.at_most is not None else []
        return f"{self.metric} {_labels(self.of)}{ratio}: {', '.join(bounds)}"


class Shows(Section):
    """What must be recorded of every test that ``tests`` match, on every one of ``filesystems``.

    ``says`` are texts, each in what every one of them said.
    """

    side: Literal["base", "patched"]
    tests: Globs
    filesystems: Globs = _ANY
    status: Status
    says: tuple[Text, ...] = ()
    measure: tuple[Measure, ...] = ()


class Claim(Section):
    """A few words of the author's, and what shows them: ``shows``, or why nothing can.

    ``config``: of kernels of that config alone; by default of the default one, or the first there
    is.
    ``wrong``: why the kernel does otherwise, where it is known to.  ``shows`` is then what
    refutes the claim, and a control that shows how it would look if it were true.
    """

    quote: Text
    means: str = ""
    wrong: str = ""
    config: str = ""
    kernels: tuple[Text, ...] = ()
    shows: tuple[Shows, ...] = ()
    untested: str = ""

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        if bool(self.shows) == bool(self.untested):
            raise ValueError("needs either shows, or untested: why no test can show it")
        if self.wrong and len(self.shows) < 2:
            raise ValueError("is said to be wrong: needs shows that refute it, and a control")
        if self.shows and not self.kernels:
            raise ValueError("names no kernels that must show it")
        return self

    @property
    def due(self) -> Answer:
        """What the kernels are to say of it."""
        if self.untested:
            return Answer.NOT_TESTED
        return Answer.REFUTED if self.wrong else Answer.SHOWN

    @property
    def filesystems(self) -> tuple[str, ...]:
        """Globs of those that it names: a run without one of each says nothing of it."""
        named = (glob for shows in self.shows for glob in shows.filesystems)
        return tuple(dict.fromkeys(glob for glob in named if glob not in _ANY))


class Claims(Section):
    """A ``claims.toml``: where the words are from, and each claim."""

    source: Text
    claim: Annotated[tuple[Claim, ...], Field(min_length=1)]

    def of_kernels(self, named: Callable[[str], str]) -> Claims:
        """The same with the names of kernels that results have."""
        claims = tuple(
            claim.model_copy(update={"kernels": tuple(map(named, claim.kernels))})
            for claim in self.claim
        )
        return self.model_copy(update={"claim": claims})


def load_claims(patches: Path, series: str) -> Claims:
    """Read ``patches/SERIES/claims.toml``.

    Raises:
        UserError: There is none, or a mistake in it.
    """
    path = patches / series / _NAME
    if not path.is_file():
        what = f"series {series} has no {_NAME}, which says what it claims"
        raise UserError(what, where=path, hint="one like patches/dax-populate/claims.toml")
    document = Document.read(path)
    try:
        return TypeAdapter(Claims).validate_python(document.table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = Sources(document).locate(tuple(first["loc"]))
        raise UserError(first["msg"], where=where) from None


@dataclass(frozen=True)
class Pair:
    """The newest records of one kernel without and with the series, of one run."""

    run: RunRecord
    base: JobRecord
    patched: JobRecord

    def is_on(self, filesystems: Iterable[str]) -> bool:
        """Whether both sides have results on one of each of these globs."""
        sides = [{result.filesystem for result in job.results} for job in (self.base, self.patched)]
        return all(
            any(matches(name, (glob,)) for name in side) for side in sides for glob in filesystems
        )

    def narrowed(self, filesystems: Iterable[str]) -> Pair:
        """The same with what is on filesystems of these globs alone."""
        base, patched = (
            replace(job, results=tuple(_on(job.results, filesystems)))
            for job in (self.base, self.patched)
        )
        return replace(self, base=base, patched=patched)


def _on(results: Iterable[TestResult], filesystems: Iterable[str]) -> Iterator[TestResult]:
    globs = tuple(filesystems)
    return (result for result in results if matches(result.filesystem, globs))


def find_pairs(
    runs: Iterable[RunRecord],
    series: tuple[str, str],
    kernels: Sequence[str],
    filesystems: Sequence[str] = (),
    config: str = "",
) -> dict[str, Pair]:
    """For each kernel the pair of the first of ``runs`` that has one; stops when all are found.

    A run that did not finish, or that tested the series as it no more is, shows nothing.

    Args:
        series: Its name and its digest.
        filesystems: Globs; both sides of a pair must have results on one of each.
        config: Both must be of this one, if any.
    """
    found: dict[str, Pair] = {}
    for run in runs:
        if run.finished is None:
            continue
        for kernel in kernels:
            pair = _pair(run, series, kernel, config)
            if pair is not None and pair.is_on(filesystems):
                found.setdefault(kernel, pair)
        if len(found) == len(set(kernels)):
            break
    return found


def _pair(run: RunRecord, series: tuple[str, str], kernel: str, config: str) -> Pair | None:
    """That with the default config on the default machine, or else the first there is."""
    jobs = {job.names: job for job in run.jobs if job.results and config in ("", job.around.config)}
    arounds = dict.fromkeys(job.around for job in jobs.values())
    for around in sorted(arounds, key=lambda one: len(one.words())):
        base = jobs.get((kernel, *around))
        patched = jobs.get((Variant(kernel, (series[0],)), *around))
        if base is not None and patched is not None and not unlike(base, patched, series):
            return Pair(run, base, patched)
    return None


class Answer(StrEnum):
    """What recorded results say of a claim."""

    SHOWN = "shown"
    REFUTED = "refuted"
    #: What would show it was not recorded, or is no word on the kernel.
    NOT_TESTED = "not tested"


@dataclass(frozen=True)
class ClaimAnswer:
    """Whether one kernel shows a claim; ``why`` says what was seen, or what is wanting."""

    kernel: str
    answer: Answer
    why: str
    run: str = ""

    @property
    def shown(self) -> bool:
        """Whether it does."""
        return self.answer is Answer.SHOWN


def answer_of(answers: Iterable[ClaimAnswer]) -> Answer:
    """What all kernels say of a claim: one that refutes it is enough."""
    given = {one.answer for one in answers}
    if Answer.REFUTED in given:
        return Answer.REFUTED
    return Answer.SHOWN if given == {Answer.SHOWN} else Answer.NOT_TESTED


def judge_claim(claim: Claim, pairs: Mapping[str, Pair]) -> list[ClaimAnswer]:
    """What each kernel of the claim shows of it."""
    return [_judge(claim, kernel, pairs.get(kernel)) for kernel in claim.kernels]


def _judge(claim: Claim, kernel: str, pair: Pair | None) -> ClaimAnswer:
    if pair is None:
        where = f" with config {claim.config}" if claim.config else ""
        where += f" on {' '.join(claim.filesystems)}" if claim.filesystems else ""
        return ClaimAnswer(
            kernel,
            Answer.NOT_TESTED,
            f"no finished run has this kernel without and with the series{where}",
        )
    checked = [_check(shows, pair) for shows in claim.shows]
    for answer in (Answer.REFUTED, Answer.NOT_TESTED):
        for given, why in checked:
            if given is answer:
                # What is to refute a claim, and does not, need not show it.
                answer = Answer.NOT_TESTED if claim.wrong else answer
                return ClaimAnswer(kernel, answer, why, pair.run.id)
    why = "; ".join(summary for _, summary in checked)
    return ClaimAnswer(kernel, claim.due, why, pair.run.id)


def _check(shows: Shows, pair: Pair) -> tuple[Answer, str]:
    """What its side says, and what is wrong with it, or a summary of what is right."""
    job = pair.base if shows.side == "base" else pair.patched
    answer, why = _check_side(shows, job)
    return answer, f"{shows.side}: {why}"


def _check_side(shows: Shows, job: JobRecord) -> tuple[Answer, str]:
    side = VariantResults.of(job)
    found = [each for each in side.tests.values() if _is_about(shows, each)]
    ran = [result for result in found if result.status is not Status.SKIP]
    untold = ""
    for result in ran:
        where = f"{result.test} on {result.filesystem}"
        if wanting := _wanting(shows, side, result):
            untold = untold or f"{where}: {wanting}"
        elif trouble := _trouble(shows, result):
            return Answer.REFUTED, f"{where}: {trouble}"
    if job.error is not None:
        untold = f"the job ended early: {job.error.line}"
    untold = untold or _unrun(shows, job, found) or _missing(shows, found)
    if untold:
        return Answer.NOT_TESTED, untold
    return Answer.SHOWN, _summary(shows, ran, len(found) - len(ran))


def _is_about(shows: Shows, result: TestResult) -> bool:
    return matches(result.test, shows.tests) and matches(result.filesystem, shows.filesystems)


def _unrun(shows: Shows, job: JobRecord, found: Sequence[TestResult]) -> str:
    """What was not run of the programs that have such tests: nobody knows the names in it."""
    programs = {(result.suite, result.program) for result in found}
    for result in job.results:
        is_one = matches(result.test, shows.tests) or (result.suite, result.program) in programs
        if is_one and not result.ran and matches(result.filesystem, shows.filesystems):
            return f"{result.test} on {result.filesystem} did not run: {result.cause}"
    return ""


def _missing(shows: Shows, found: Sequence[TestResult]) -> str:
    """Of each glob some test has to have run: those of another show nothing of it."""
    for glob in shows.tests:
        named = [result for result in found if matches(result.test, (glob,))]
        if not named:
            return f"no test has a name like {glob}"
        if all(result.status is Status.SKIP for result in named):
            return f"every one of {len(named)} tests like {glob} was skipped: {named[0].message}"
    for glob in shows.filesystems:
        there = [result for result in found if matches(result.filesystem, (glob,))]
        if all(result.status is Status.SKIP for result in there):
            why = f"was skipped on {glob}: {there[0].message}" if there else f"ran on {glob}"
            return f"every such test {why}" if there else f"no such test {why}"
    return ""


def _wanting(shows: Shows, side: VariantResults, result: TestResult) -> str:
    """Why a result says nothing of the kernel."""
    if wanting := side.unproved(result.filesystem):
        return f"nothing proves that it was {wanting}"
    if result.status is Status.ERROR:
        return f"{result.status}, not {shows.status}"
    unmeasured = (one for one in shows.measure if measured(one, result) is None)
    if result.status is shows.status and (measure := next(unmeasured, None)):
        return f"did not measure {measure.metric}"
    return ""


def _trouble(shows: Shows, result: TestResult) -> str:
    """What a result says against the claim."""
    if result.status is not shows.status:
        return f"{result.status}, not {shows.status}"
    said = [result.message, *result.diagnostics]
    for text in shows.says:
        if not any(text in line for line in said):
            return f"does not say {text!r}"
    return next(filter(None, (_beyond(measure, result) for measure in shows.measure)), "")


def _beyond(measure: Measure, result: TestResult) -> str:
    value = measured(measure, result)
    if value is None:
        return ""
    if measure.at_least is not None and value < measure.at_least:
        return f"{measure.metric} is {value:.3g}, not at least {measure.at_least:g}"
    if measure.at_most is not None and value > measure.at_most:
        return f"{measure.metric} is {value:.3g}, not at most {measure.at_most:g}"
    return ""


def measured(measure: Measure, result: TestResult) -> float | None:
    """The number that ``measure`` bounds, if the test measured it."""
    value = _value(measure.metric, measure.of, result)
    if measure.over is None or value is None:
        return value
    under = _value(measure.metric, measure.over, result)
    return value / under if under else None


def _value(name: str, labels: Mapping[str, str], result: TestResult) -> float | None:
    for metric in result.metrics:
        if metric.name == name and all(metric.label(key) == labels[key] for key in labels):
            return metric.value
    return None


def _summary(shows: Shows, ran: Sequence[TestResult], skipped: int) -> str:
    filesystems = " ".join(dict.fromkeys(result.filesystem for result in ran))
    texts = [f"{len(ran)} {shows.status} on {filesystems}"]
    texts += [f"`{text}`" for text in shows.says]
    texts += [text for measure in shows.measure for text in _range(measure, ran)]
    texts += [f"{skipped} skipped"] if skipped else []
    return ", ".join(texts)


def _range(measure: Measure, ran: Sequence[TestResult]) -> Iterator[str]:
    values = [value for result in ran if (value := measured(measure, result)) is not None]
    ratio = f" over {_labels(measure.over)}" if measure.over is not None else ""
    what = f"{measure.metric} {_labels(measure.of)}{ratio}"
    low, high = min(values), max(values)
    yield f"{what} {low:.4g}" if low == high else f"{what} {low:.4g} to {high:.4g}"


def _labels(labels: Mapping[str, str] | None) -> str:
    return " ".join(f"{key}={value}" for key, value in (labels or {}).items())
