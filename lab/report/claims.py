# SPDX-License-Identifier: GPL-2.0-only
"""A series' claims beside the results that show them, as Markdown and as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.analysis.claims import (
    Answer,
    Claim,
    ClaimAnswer,
    Claims,
    Pair,
    Shows,
    answer_of,
    judge_claim,
)
from lab.errors import ExitStatus
from lab.report.metrics.view import claim_tables
from lab.text import plain


@dataclass(frozen=True)
class ClaimsReport:
    """Every claim with what each kernel shows of it.

    ``own`` are the pairs of claims that name filesystems, by their place.
    """

    series: str
    source: str
    pairs: Mapping[str, Pair]
    claims: tuple[tuple[Claim, tuple[ClaimAnswer, ...]], ...]
    own: Mapping[int, Mapping[str, Pair]]

    @property
    def tested(self) -> list[tuple[ClaimAnswer, ...]]:
        """What is shown of the claims that results can show."""
        return [results for claim, results in self.claims if not claim.untested]

    @property
    def unseen(self) -> list[str]:
        """The kernels of which no run has what a claim needs, in their order."""
        named = (answer.kernel for results in self.tested for answer in results)
        return [kernel for kernel in dict.fromkeys(named) if kernel not in self.pairs]

    def pairs_of(self, place: int) -> dict[str, Pair]:
        """The pairs that a claim was judged by, with what it is about alone."""
        about = self.claims[place][0].filesystems or ("*",)
        pairs = self.own.get(place, self.pairs)
        return {kernel: pair.narrowed(about) for kernel, pair in pairs.items()}

    @property
    def refuted(self) -> int:
        """How many claims a kernel refutes."""
        return sum(answer_of(results) is Answer.REFUTED for results in self.tested)

    @property
    def status(self) -> ExitStatus:
        """EXPECTED when every kernel says of every claim that results can show what is due."""
        good = all(_is_as_due(claim, results) for claim, results in self.claims)
        return ExitStatus.EXPECTED if good else ExitStatus.UNEXPECTED


def report_claims(
    series: str,
    claims: Claims,
    pairs: Mapping[str, Pair],
    own: Mapping[int, Mapping[str, Pair]] | None = None,
) -> ClaimsReport:
    """Judge each claim, by pairs of its own where it has some."""
    own = own or {}
    judged = tuple(
        (claim, tuple(judge_claim(claim, own.get(place, pairs))))
        for place, claim in enumerate(claims.claim)
    )
    return ClaimsReport(series, claims.source, pairs, judged, own)


def claims_to_markdown(report: ClaimsReport) -> str:
    """The document: the same bytes for the same records."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701  # Markdown, not HTML
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    return environment.get_template("claims.md.j2").render(
        series=report.series,
        source=report.source,
        pairs=_shown_pairs(report),
        claims=report.claims,
        tested=len(report.tested),
        shown=sum(map(_all_shown, report.tested)),
        refuted=report.refuted,
        untested=len(report.claims) - len(report.tested),
        all_shown=_all_shown,
        answer_of=answer_of,
        cell=_cell,
        tests=_tests,
        measured=lambda place: claim_tables(
            _metrics(report.claims[place][0]), report.pairs_of(place)
        ),
    )


def claims_to_json(report: ClaimsReport) -> dict[str, Any]:
    """The same as values the ``json`` module knows."""
    return {
        "series": report.series,
        "source": report.source,
        "exit_status": int(report.status),
        "claims": [
            {
                "quote": claim.quote,
                "untested": claim.untested or None,
                "wrong": claim.wrong or None,
                "shown": None if claim.untested else _all_shown(results),
                "answer": Answer.NOT_TESTED if claim.untested else answer_of(results),
                "kernels": [{**asdict(result), "shown": result.shown} for result in results],
            }
            for claim, results in report.claims
        ],
    }


def _shown_pairs(report: ClaimsReport) -> list[Pair]:
    """Each pair once, those of the kernels first."""
    every = (
        *report.pairs.values(),
        *(pair for own in report.own.values() for pair in own.values()),
    )
    return list({(pair.run.id, str(pair.base.variant)): pair for pair in every}.values())


def _all_shown(results: Sequence[ClaimAnswer]) -> bool:
    return bool(results) and all(result.shown for result in results)


def _is_as_due(claim: Claim, results: Sequence[ClaimAnswer]) -> bool:
    if claim.untested:
        return True
    return bool(results) and all(result.answer is claim.due for result in results)


def _cell(text: str) -> str:
    """Text in a table, in which nothing means anything to Markdown."""
    return re.sub(r"([\\|`\[\]<])", r"\\\1", " ".join(plain(text).split()))


def _tests(shows: Shows) -> str:
    tests = ", ".join(f"`{glob}`" for glob in shows.tests)
    if "*" in shows.filesystems:
        return tests
    return f"{tests} on {', '.join(f'`{glob}`' for glob in shows.filesystems)}"


def _metrics(claim: Claim) -> frozenset[str]:
    return frozenset(measure.metric for shows in claim.shows for measure in shows.measure)
