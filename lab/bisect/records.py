# SPDX-License-Identifier: GPL-2.0-only
"""Bisections as those see them who know nothing of bisecting: pages, and a night's message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from lab.bisect.course import Phase, Result
from lab.bisect.folder import Bisections
from lab.bisect.log import Begun, Log
from lab.bisect.point import Point
from lab.bisect.told import Side, Sight, Trial
from lab.bisect.words import (
    StepWords,
    beside_lines,
    proof_line,
    purpose_of,
    result_of,
    steps_of,
    sure_line,
)
from lab.model.bisection import (
    BisectionRecord,
    BisectionState,
    BisectionStep,
    PointName,
    StepSide,
    TrialSaid,
)
from lab.unforeseen import as_lab_error

_SIDES = {Side.OLD: StepSide.OLD, Side.NEW: StepSide.NEW, Side.SKIP: StepSide.SKIPPED}


def bisection_records(results: Path, most: int = 40) -> tuple[BisectionRecord, ...]:
    """The bisections of a lab, the newest first; one that is damaged says so.

    Args:
        results: The folder of the runs' folders.
        most: How many.
    """
    bisections = Bisections(results)
    return tuple(_record(bisections, name) for name in reversed(bisections.names()[-most:]))


def _record(bisections: Bisections, name: str) -> BisectionRecord:
    try:
        log = Log.read(bisections.log(name))
        return record_of(name, log, going_on=bisections.is_held(name))
    except Exception as error:
        # Whatever is wrong with one log, the others have their pages.
        return BisectionRecord(name, BisectionState.DAMAGED, trouble=str(as_lab_error(error)))


def record_of(name: str, log: Log, *, going_on: bool = False) -> BisectionRecord:
    """A bisection by its log.

    Args:
        going_on: Whether somebody is at work on it.
    """
    begun, result = log.begun, result_of(log)
    return BisectionRecord(
        name,
        _state(log, result, going_on=going_on),
        begun.question,
        begun.subject,
        begun.words,
        tuple(map(_name, begun.old)),
        _name(begun.new),
        begun.confidence,
        begun.time,
        begun.command,
        tuple(_steps(log)),
        _name(result.found) if result and result.found else None,
        len(result.found.parts) if result and result.found else 0,
        result is not None and result.proved,
        (*map(proof_line, result.proof), *beside_lines(result)) if result else (),
        sure_line(result) if result else "",
        tuple(map(_name, result.undecided)) if result else (),
        tuple((_name(one.point), one.why) for one in result.skipped) if result else (),
        log.ended.refused if log.ended else "",
    )


def _state(log: Log, result: Result | None, *, going_on: bool) -> BisectionState:
    if log.ended is None:
        return BisectionState.GOES_ON if going_on else BisectionState.INTERRUPTED
    if result is None:
        return BisectionState.REFUSED
    return BisectionState.FOUND if result.found else BisectionState.UNDECIDED


def _name(point: Point) -> PointName:
    return PointName(point.name, point.title)


def _steps(log: Log) -> Iterator[BisectionStep]:
    steps = list(steps_of(log))
    # Nothing between two ends is tried before both are known.
    known = any(one.phase is not Phase.END for one in steps) or result_of(log) is not None
    for one in steps:
        yield _step(log.begun, one, ends_known=known)


def _step(begun: Begun, one: StepWords, *, ends_known: bool) -> BisectionStep:
    words = {Side.OLD: begun.words[0], Side.NEW: begun.words[1], Side.SKIP: "skipped"}
    purpose, side = purpose_of(one.phase), one.side
    if one.phase is Phase.END:
        end = Side.NEW if one.point.key == begun.new.key else Side.OLD
        purpose, side = f"{words[end]} end", end if ends_known else None
    return BisectionStep(
        one.number,
        purpose,
        _name(one.point),
        _SIDES[side] if side else StepSide.OPEN,
        words[side] if side else "",
        one.said,
        tuple(_trials(one.trials)),
        one.build_s,
        one.test_s,
    )


def _trials(trials: Sequence[Trial]) -> Iterator[TrialSaid]:
    """Those in a row that are alike, together."""
    for (said, run), alike in groupby(trials, lambda one: (_said(one), one.run)):
        yield TrialSaid(said, len(list(alike)), run)


def _said(trial: Trial) -> str:
    sight = "not counted" if trial.seen.sight is Sight.OURS else trial.seen.sight.value
    return ": ".join(filter(None, (sight, trial.seen.why)))
