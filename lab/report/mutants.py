# SPDX-License-Identifier: GPL-2.0-only
"""The mutants of a series, as a person and as a program reads what became of them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from lab.analysis.mutant_score import Fate, MutantResult, MutantScore
from lab.text import plain
from lab.trees import blob_digest

_WIDTH = 80
_MOST_TESTS = 4
_LONGEST = 300


def mutants_to_json(
    series: str, run: str, scores: Sequence[MutantScore], *, finished: bool
) -> dict[str, Any]:
    """All that is known of each mutant on each kernel."""
    return {
        "run": run,
        "series": series,
        "finished": finished,
        "kernels": [_kernel(score) for score in scores],
    }


def _kernel(score: MutantScore) -> dict[str, Any]:
    return {
        "kernel": score.kernel,
        "key": score.key,
        "score": _share(score),
        "counts": {fate.value: score.count(fate) for fate in Fate},
        "of": score.of,
        "left_out": [list(row) for row in score.left_out],
        "unsteady": list(score.unsteady),
        "refuted": list(score.refuted),
        "why": score.why,
        "lost": score.lost,
        "duration_s": score.duration_s,
        "mutants": [_row(each) for each in score.results],
    }


def _share(score: MutantScore) -> float | None:
    """Of those that tell anything the noticed ones; None where that is not known of all."""
    is_known = score.told and not score.lost
    return round(score.count(Fate.NOTICED) / score.told, 4) if is_known else None


def _row(result: MutantResult) -> dict[str, Any]:
    mutant = result.mutant
    return {
        "number": result.number,
        "digest": mutant.digest,
        "file": mutant.file,
        "blob": blob_digest(mutant.patched),
        "line": mutant.line,
        "kind": mutant.kind.value,
        "before": mutant.before,
        "after": mutant.after,
        "diff": mutant.diff,
        "fate": result.fate.value,
        "why": result.why,
        "ran": list(result.ran),
        "twin": result.twin,
    }


def mutant_lines(series: str, scores: Sequence[MutantScore]) -> Iterator[str]:
    """For each kernel the score, and below it what survived, in lines of 80 columns."""
    for score in scores:
        yield f"mutants of {series} on {score.kernel}"
        yield from (_indented(line, 2) for line in _summary(score))
        for result in score.survivors:
            yield from _survivor(result)
        yield from _equivalent(score)
        for result in score.results:
            if result.fate is Fate.ERROR:
                yield _indented(f"error: {result.mutant.where} {result.mutant.change}", 2)
                yield _indented(f"{result.why}", 6)


def _summary(score: MutantScore) -> Iterator[str]:
    if score.why:
        yield f"{'not all' if score.results else 'none'}: {score.why}"
    if not score.results:
        return
    if not score.lost:
        share = f" ({100 * score.count(Fate.NOTICED) / score.told:.0f} %)" if score.told else ""
        noticed = f"noticed {score.count(Fate.NOTICED)} of {score.told}{share}"
        yield f"{noticed}, in {score.duration_s:.0f} s"
    others = [f"{score.count(fate)} {fate}" for fate in Fate if score.count(fate)]
    of = f" of {score.of} (--mutants)" if score.of > len(score.results) else ""
    yield f"{len(score.results)} mutants{of}: {', '.join(others)}"
    for file, why in score.left_out:
        yield f"not mutated: {file}: {why}"
    if score.unsteady:
        yield f"not asked, as they do not always end alike: {', '.join(score.unsteady)}"


def _equivalent(score: MutantScore) -> Iterator[str]:
    """Those that are said to mean the same, each reason once."""
    reasons: dict[str, list[str]] = {}
    for result in score.results:
        if result.fate is Fate.EQUIVALENT:
            reasons.setdefault(result.why, []).append(_cut(result.mutant.change))
    for why, changes in reasons.items():
        yield _indented("said to mean the same as the patch:", 2)
        yield from (_indented(change, 6) for change in changes)
        yield _indented(f"since {why}", 6)
    for line in score.refuted:
        yield _indented(f"said to mean the same, and noticed: {line}", 2)


def _survivor(result: MutantResult) -> Iterator[str]:
    mutant = result.mutant
    yield _indented(f"survived: {mutant.where}: {mutant.kind}", 2)
    yield _indented(_cut(mutant.change), 6)
    if result.why:
        yield _indented(result.why, 6)
    if result.twin is not None:
        yield _indented(f"it is compiled to the same as mutant {result.twin}", 6)
    more = len(result.ran) - _MOST_TESTS
    names = ", ".join(result.ran[:_MOST_TESTS])
    yield _indented(f"ran without noticing: {names}{f' and {more} more' if more > 0 else ''}", 6)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _indented(text: str, by: int) -> str:
    blanks = " " * by
    return textwrap.fill(
        plain(text),
        _WIDTH,
        initial_indent=blanks,
        subsequent_indent=f"{blanks}  ",
        break_on_hyphens=False,
        replace_whitespace=False,
    )
