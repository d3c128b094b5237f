# SPDX-License-Identifier: GPL-2.0-only
"""What a bisection's log and its result say to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from pydantic import TypeAdapter, ValidationError

from lab.bisect.course import Phase, Result, Shown
from lab.bisect.log import Closed, Log, Tried
from lab.bisect.point import Point
from lab.bisect.question import together
from lab.bisect.told import Seen, Side, Sight, Trial
from lab.errors import UserError
from lab.model.bisection import made
from lab.model.records import command_line

#: Other failures of an end that are told; its runs have all.
_MOST_BESIDE = 5
_RESULT = TypeAdapter(Result)
_FOR = {
    Phase.END: "end",
    Phase.STEP: "step",
    Phase.FAILS: "proof: it fails",
    Phase.PASSES: "proof: it passes",
    Phase.REVERT: "proof: the end without the change",
}


@dataclass(frozen=True)
class StepWords:
    """A step, as its log has it."""

    number: int
    phase: Phase
    point: Point
    side: Side | None
    said: str
    build_s: float
    test_s: float
    runs: tuple[str, ...]
    trials: tuple[Trial, ...]


def purpose_of(phase: Phase) -> str:
    """What a point is tried for, to people."""
    return _FOR[phase]


def steps_of(log: Log) -> Iterator[StepWords]:
    """The steps of a log, whoever reads it: neither subject nor question are asked."""
    closed = {one.step: one for one in log.lines if isinstance(one, Closed)}
    tried = (one for one in log.lines if isinstance(one, Tried))
    for number, group in groupby(tried, key=lambda one: one.step):
        lines = list(group)
        told = closed.get(number)
        yield StepWords(
            number,
            Phase(lines[0].phase),
            lines[0].point,
            told.side if told else None,
            _said(lines, told),
            sum(one.trial.build_s for one in lines),
            sum(one.trial.test_s for one in lines),
            tuple(dict.fromkeys(one.trial.run for one in lines if one.trial.run)),
            tuple(one.trial for one in lines),
        )


def _said(lines: Sequence[Tried], told: Closed | None) -> str:
    return seen_words([one.trial.seen for one in lines]) if told is None else told.why


def seen_words(seen: Sequence[Seen]) -> str:
    """What trials of one point showed, before anything is said of that."""
    if all(one.sight is Sight.MEASURED for one in seen):
        return together(seen).why
    counts = Counter(one.sight for one in seen)
    counted = ", ".join(f"{sight} {count} of {len(seen)}" for sight, count in counts.items())
    odd = next((one.why for one in seen if one.sight is not Sight.PASSES), "")
    return ": ".join(filter(None, (counted, odd)))


def log_lines(log: Log) -> Iterator[str]:
    """A bisection, step by step, with what each cost."""
    begun = log.begun
    yield f"{begun.subject}: {begun.question}"
    for one in steps_of(log):
        cost = f"build {one.build_s:.0f} s, test {one.test_s:.0f} s"
        yield f"{one.number:3} {purpose_of(one.phase)}: {one.point}"
        yield f"      {side_word(log, one.side)}{one.said}; {cost}"
        if one.runs:
            yield f"      {' '.join(one.runs)}"
    if log.ended is None:
        # An older lab's, and one that Python began, have no command.
        goes_on = command_line(begun.command) or "the command that began it"
        yield f"  it is not decided yet; what goes on with it: {goes_on}"
    elif (result := result_of(log)) is None:
        yield from (f"  {line}" for line in log.ended.refused.splitlines())
    else:
        yield from result_lines(result, begun.noun, begun.words)


def result_of(log: Log) -> Result | None:
    """What it came to; None where it is not decided, or its ends are none.

    Raises:
        UserError: The log's line of it is damaged.
    """
    if log.ended is None or log.ended.refused:
        return None
    try:
        return _RESULT.validate_python(log.ended.result)
    except ValidationError as error:
        raise UserError(
            "the line of the result cannot be read",
            where=log.path,
            hint="the command that began it: it says it again, from its trials",
        ) from error


def side_word(log: Log, side: Side | None) -> str:
    """``bad: ``, as the user calls it; "" for what is under way."""
    if side is None:
        return ""
    words = {Side.OLD: log.begun.words[0], Side.NEW: log.begun.words[1], Side.SKIP: "skipped"}
    return f"{words[side]}: "


def picture(log: Log) -> Iterator[str]:
    """The points that were tried, the newest first, and where between them the change is."""
    closed = [one for one in log.lines if isinstance(one, Closed)]
    # What the change was taken out of lies between no two others.
    told = {one.point.key: one for one in closed if Phase(one.phase) is not Phase.REVERT}
    by_side = {side: [one for one in told.values() if one.side is side] for side in Side}
    result = result_of(log)
    found = result.found.key if result and result.found else None
    yield f"{log.begun.subject}: {log.begun.question}"
    yield f"  {side_word(log, Side.NEW)}{log.begun.new} (end)"
    # Nothing newer is behind it, though it may have been told so before all was.
    for one in sorted(by_side[Side.NEW], key=lambda one: one.point.key == found):
        if one.point.key != log.begun.new.key:
            mark = "  <- the change" if one.point.key == found else ""
            yield f"  {side_word(log, one.side)}{one.point}{mark}"
    for one in by_side[Side.SKIP]:
        yield f"  {side_word(log, one.side)}{one.point}: {one.why}"
    ends = {point.key for point in log.begun.old}
    for one in reversed(by_side[Side.OLD]):
        if one.point.key not in ends:
            yield f"  {side_word(log, one.side)}{one.point}"
    for point in log.begun.old:
        yield f"  {side_word(log, Side.OLD)}{point} (end)"


def result_lines(result: Result, noun: str, words: tuple[str, str]) -> Iterator[str]:
    """What it came to, how that was shown, and how sure it is."""
    if result.found is None:
        yield f"{_undecided(result, noun, words[1])} these {len(result.undecided)}:"
        yield from (f"  {point}" for point in result.undecided[:20])
        if (more := len(result.undecided) - 20) > 0:
            yield f"  and {more} more"
    else:
        first, *parts = _found_lines(result.found, noun, words)
        # As the report has it: whoever reads one line reads that, too.
        yield first + ("" if result.proved else ", not proved")
        yield from parts
        yield from (f"  {proof_line(one)}" for one in result.proof)
        yield from (f"  {line}" for line in beside_lines(result))
    if sure := sure_line(result):
        yield f"  {sure}"
    for one in result.skipped[:20]:
        yield f"  skipped {one.point}: {one.why}"
    if (more := len(result.skipped) - 20) > 0:
        yield f"  and {more} more were skipped"
    yield f"  {result.steps} steps" + ("" if result.proved else "; not proved")


def _undecided(result: Result, noun: str, word: str) -> str:
    if any(point.parts for point in result.undecided):
        return f"what {made(1, word)} is one {noun} or several together of"
    return f"the first {word} {noun} is one of"


def _found_lines(found: Point, noun: str, words: tuple[str, str]) -> Iterator[str]:
    """What the change is; of a set each part by its whole name."""
    if not found.parts:
        yield f"{found} is the first {words[1]} {noun}"
        return
    yield f"{found} {made(len(found.parts), words[1])}"
    if found.title != ", ".join(found.parts) and len(found.parts) > 1:
        yield from (f"  {part}" for part in found.parts)


def sure_line(result: Result) -> str:
    """How sure a result is, or why nobody knows; "" of a log that does not say."""
    if result.probability is None:
        return f"no probability: {result.uncounted}" if result.uncounted else ""
    one_of = "" if result.found else " that it is one of these"
    sure = f"probability {share(result.probability)}{one_of}"
    return f"{sure}; where it fails it failed {result.rate}"


def beside_lines(result: Result) -> Iterator[str]:
    """How the end that fails does so as well, in lines that end with what to ask for that."""
    for text in result.beside[:_MOST_BESIDE]:
        yield f"the end that fails does so otherwise, too: {text}"
    if (more := len(result.beside) - _MOST_BESIDE) > 0:
        yield f"and in {more} more ways"
    if result.beside:
        yield "  of this change that was not seen: ask for it with -k or --complaint"


def share(probability: float) -> str:
    """A probability: never 100 %, which nothing is, nor more digits than say something."""
    return "above 99.9%" if probability > 0.999 else f"{probability:.1%}"


_SHOWN = {
    "fails": ("fails", "does not fail"),
    "passes": ("passes", "does not pass"),
    "reverted": ("is as the other end", "is not as the other end"),
}


def proof_line(one: Shown) -> str:
    """A part of a proof, in a line."""
    if one.point is None:
        return f"not shown by taking it out: {one.why}"
    holds, not_ = _SHOWN[one.what]
    word = {True: holds, False: not_, None: "could not be tried"}[one.holds]
    said = f": {one.why}" if one.why not in ("", word) else ""
    if one.why.startswith(f"{word} "):
        word, said = one.why, ""
    # A set of nothing has no key.
    if one.point.key and not one.point.parts:
        name = one.point.name
        # Nobody but the lab knows the commit that it made for this.
        if one.what == "reverted":
            name = f"the end without it, {name},"
        return f"{name} {word}{said}"
    alone = " alone" if len(one.point.parts) == 1 else ""
    return f"with {one.point}{alone} it {word}{said}"
