# SPDX-License-Identifier: GPL-2.0-only
"""A series' claims beside the results that show them, as Markdown and as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.analysis.claims import Claim, ClaimAnswer, Claims, Pair, Shows, judge_claim
from lab.errors import ExitStatus
from lab.report.metrics.view import claim_tables
from lab.text import plain


@dataclass(frozen=True)
class ClaimsReport:
    """Every claim with what each kernel shows of it."""

    series: str
    source: str
    pairs: Mapping[str, Pair]
    claims: tuple[tuple[Claim, tuple[ClaimAnswer, ...]], ...]

    @property
    def tested(self) -> list[tuple[ClaimAnswer, ...]]:
        """What is shown of the claims that results can show."""
        return [results for claim, results in self.claims if not claim.untested]

    @property
    def unseen(self) -> list[str]:
        """The kernels of which no run has what a claim needs, in their order."""
        named = (answer.kernel for results in self.tested for answer in results)
        return [kernel for kernel in dict.fromkeys(named) if kernel not in self.pairs]

    @property
    def status(self) -> ExitStatus:
        """EXPECTED when every kernel shows every claim that results can show."""
        good = all(map(_all_shown, self.tested))
        return ExitStatus.EXPECTED if good else ExitStatus.UNEXPECTED


def report_claims(series: str, claims: Claims, pairs: Mapping[str, Pair]) -> ClaimsReport:
    """Judge each claim."""
    judged = tuple((claim, tuple(judge_claim(claim, pairs))) for claim in claims.claim)
    return ClaimsReport(series, claims.source, pairs, judged)


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
        pairs=list(report.pairs.values()),
        claims=report.claims,
        tested=len(report.tested),
        shown=sum(map(_all_shown, report.tested)),
        untested=len(report.claims) - len(report.tested),
        all_shown=_all_shown,
        cell=_cell,
        tests=_tests,
        measured=lambda claim: claim_tables(_metrics(claim), report.pairs),
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
                "shown": None if claim.untested else _all_shown(results),
                "kernels": [asdict(result) for result in results],
            }
            for claim, results in report.claims
        ],
    }


def _all_shown(results: Sequence[ClaimAnswer]) -> bool:
    return bool(results) and all(result.shown for result in results)


def _cell(text: str) -> str:
    """Text in a table, in which nothing means anything to Markdown."""
    return re.sub(r"([\\|`\[\]<])", r"\\\1", " ".join(plain(text).split()))


def _tests(shows: Shows) -> str:
    return ", ".join(f"`{glob}`" for glob in shows.tests)


def _metrics(claim: Claim) -> frozenset[str]:
    return frozenset(measure.metric for shows in claim.shows for measure in shows.measure)
