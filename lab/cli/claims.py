# SPDX-License-Identifier: GPL-2.0-only
"""``lab claims``: what recorded results show of what an author says."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.commands import File, Json, app, open_lab
from lab.text import plain

if TYPE_CHECKING:
    from lab.report.claims import ClaimsReport

#: Older runs are looked at only when they are named.
_LATEST = 100


@app.command()
def claims(
    series: Annotated[str, typer.Argument(metavar="SERIES")],
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Only these; by default the newest that fit."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Instead of stdout.")
    ] = None,
    file: File = None,
    json: Json = False,
) -> int:
    """What recorded results show of what a series claims."""
    from lab.cli.progress import print_json
    from lab.report.claims import claims_to_json, claims_to_markdown
    from lab.results import write_text

    report = _report(series, runs or [], file)
    if output is not None:
        write_text(output, claims_to_markdown(report))
    if json:
        print_json(claims_to_json(report))
    elif output is None:
        typer.echo(plain(claims_to_markdown(report)), nl=False)
    if report.unseen:
        # Right after a first run most kernels that are named have never been tested.
        kernels = shlex.join(report.unseen)
        say = f"lab: no run for some kernels yet: lab verify {shlex.quote(series)} {kernels}"
        typer.echo(plain(say), err=True)
    return report.status


def _report(series: str, runs: list[str], file: Path | None) -> ClaimsReport:
    from functools import cache, partial

    from lab.analysis.claims import find_pairs, load_claims
    from lab.plan import settled
    from lab.report.claims import report_claims
    from lab.results import Store

    opened = open_lab(file)
    opened.loaded.require("series", series)
    claimed = load_claims(opened.loaded.root / "patches", series)
    claimed = claimed.of_kernels(partial(settled, opened.loaded))
    kernels = list(dict.fromkeys(name for claim in claimed.claim for name in claim.kernels))
    known = (series, opened.builder.series(series).digest)
    with Store.open(opened.database) as store:
        # Claims that name filesystems look further back.
        load = cache(store.load)
        names = runs or [summary.run.id for summary in store.runs(_LATEST)]
        pairs = find_pairs(map(load, names), known, kernels)
        own = {
            place: find_pairs(
                map(load, names), known, claim.kernels, claim.filesystems, claim.config
            )
            for place, claim in enumerate(claimed.claim)
            if claim.filesystems or claim.config
        }
    ordered = {kernel: pairs[kernel] for kernel in kernels if kernel in pairs}
    return report_claims(series, claimed, ordered, own)
