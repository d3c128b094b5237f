# SPDX-License-Identifier: GPL-2.0-only
"""What the author of a series claims, and which recorded results show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    """What must be recorded of every test that ``tests`` match, on every filesystem.

    ``says`` are texts, each in what every one of them said.
    """

    side: Literal["base", "patched"]
    tests: Globs
    status: Status
    says: tuple[Text, ...] = ()
    measure: tuple[Measure, ...] = ()


class Claim(Section):
    """A few words of the author's, and what shows them: ``shows``, or why nothing can."""

    quote: Text
    means: str = ""
    kernels: tuple[Text, ...] = ()
    shows: tuple[Shows, ...] = ()
    untested: str = ""

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        if bool(self.shows) == bool(self.untested):
            raise ValueError("needs either shows, or untested: why no test can show it")
        if self.shows and not self.kernels:
            raise ValueError("names no kernels that must show it")
        return self


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


def find_pairs(
    runs: Iterable[RunRecord], series: tuple[str, str], kernels: Sequence[str]
) -> dict[str, Pair]:
    """For each kernel the pair of the first of ``runs`` that has one; stops when all are found.

    A run that did not finish, or that tested the series as it no more is, shows nothing.

    Args:
        series: Its name and its digest.
    """
    found: dict[str, Pair] = {}
    for run in runs:
        if run.finished is None:
            continue
        for kernel in kernels:
            pair = _pair(run, series, kernel)
            if pair is not None:
                found.setdefault(kernel, pair)
        if len(found) == len(set(kernels)):
            break
    return found


def _pair(run: RunRecord, series: tuple[str, str], kernel: str) -> Pair | None:
    jobs: dict[str, JobRecord] = {job.variant: job for job in run.jobs if job.results}
    base, patched = jobs.get(kernel), jobs.get(Variant(kernel, (series[0],)))
    if base is None or patched is None or unlike(base, patched, series):
        return None
    return Pair(run, base, patched)


@dataclass(frozen=True)
class ClaimAnswer:
    """Whether one kernel shows a claim; ``why`` says what was seen, or what is wanting."""

    kernel: str
    shown: bool
    why: str
    run: str = ""


def judge_claim(claim: Claim, pairs: Mapping[str, Pair]) -> list[ClaimAnswer]:
    """What each kernel of the claim shows of it."""
    return [_judge(claim, kernel, pairs.get(kernel)) for kernel in claim.kernels]


def _judge(claim: Claim, kernel: str, pair: Pair | None) -> ClaimAnswer:
    if pair is None:
        return ClaimAnswer(
            kernel, False, "no finished run has this kernel without and with the series"
        )
    seen = []
    for shows in claim.shows:
        job = pair.base if shows.side == "base" else pair.patched
        trouble, summary = _check(shows, job)
        if trouble:
            return ClaimAnswer(kernel, False, f"{shows.side}: {trouble}", pair.run.id)
        seen.append(f"{shows.side}: {summary}")
    return ClaimAnswer(kernel, True, "; ".join(seen), pair.run.id)


def _check(shows: Shows, job: JobRecord) -> tuple[str, str]:
    """What is wrong, or a summary of what is right."""
    side = VariantResults.of(job)
    if job.error is not None:
        return f"the job ended early: {job.error.line}", ""
    found = [each for each in side.tests.values() if matches(each.test, shows.tests)]
    if wanting := _unrun(shows, job, found) or _missing(shows, found):
        return wanting, ""
    ran = [result for result in found if result.status is not Status.SKIP]
    for result in ran:
        if trouble := _trouble(shows, side, result):
            return f"{result.test} on {result.filesystem}: {trouble}", ""
    return "", _summary(shows, ran, len(found) - len(ran))


def _unrun(shows: Shows, job: JobRecord, found: Sequence[TestResult]) -> str:
    """What was not run of the programs that have such tests: nobody knows the names in it."""
    programs = {(result.suite, result.program) for result in found}
    for result in job.results:
        is_one = matches(result.test, shows.tests) or (result.suite, result.program) in programs
        if is_one and not result.ran:
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
    return ""


def _trouble(shows: Shows, side: VariantResults, result: TestResult) -> str:
    if wanting := side.unproved(result.filesystem):
        return f"nothing proves that it was {wanting}"
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
        return f"did not measure {measure.metric}"
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
