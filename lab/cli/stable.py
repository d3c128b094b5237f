# SPDX-License-Identifier: GPL-2.0-only
"""``lab verify --stable``: what a fix is to older kernels."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.commands import check_selection, say_plan, showing_interrupted
from lab.cli.lines import say, say_lines
from lab.errors import ExitStatus

if TYPE_CHECKING:
    from lab.builder.placing import Place
    from lab.execution.stable import StablePlan, StableReport
    from lab.model.variant import Variant
    from lab.plan import SeriesPlan
    from lab.session import Lab

Stable = Annotated[
    bool,
    typer.Option("--stable", help="Say which kernels have the bug, and the fix."),
]


def stable_kernels(opened: Lab) -> tuple[str, ...]:
    """The kernels of ``lab.toml`` whose trees are here; those that are not are told."""
    from lab.builder.placing import kernels_of

    names = {name: opened.builder.tree_here(name) for name in kernels_of(opened.builder)}
    away = [name for name, tree in names.items() if tree is None]
    if away:
        say(f"lab: not here, and not asked about: {', '.join(away)}", err=True)
    return tuple(name for name, tree in names.items() if tree is not None)


def verify_stable_plan(
    opened: Lab,
    plan: SeriesPlan,
    parent: Variant | None,
    tree: Path | None,
    *,
    verbose: bool,
    dry_run: bool,
    json: bool,
) -> int:
    """Place, test and judge a series on kernels, print that, and say whether all is answered.

    Args:
        parent: The one of the plan's kernels that the series was made for, if it is known.
        tree: A repository whose commits say more of who has it.
    """
    from lab.cli.progress import Show, print_json
    from lab.execution.stable import StablePlan, verify_stable

    if dry_run:
        note = f"  of these, with {plan.series} only what it goes onto"
        say_plan(plan.plan, note, json=json)
        return ExitStatus.EXPECTED
    opened.refuse_pattern(plan.plan)
    with showing_interrupted(verbose=verbose, json=json), Show(opened.cache, quiet=json) as show:
        telling = opened.telling(show)
        places = _places(telling, plan, parent, tree)
        asked = StablePlan(plan, places, parent, builder=telling.builder)
        report = verify_stable(asked, lambda chosen: telling.test(chosen, sys.argv))
    document = _document(report, places)
    if report.run is not None:
        check_selection(plan.plan, report.run)
        _keep(opened, asked, report, document)
    if json:
        print_json(document)
    else:
        say_lines(_lines(report, places))
    from lab.analysis.stable_verdict import stable_status

    return stable_status(report.kernels)


def _keep(opened: Lab, asked: StablePlan, report: StableReport, document: dict[str, Any]) -> None:
    """Keep the verdicts where ``lab reply`` and ``lab export`` look, the answers beside them."""
    from lab.execution.stable import as_verification
    from lab.report import verification_to_json
    from lab.results import RunFolder, write_json

    assert report.run is not None
    kept = verification_to_json(as_verification(asked, report))
    answers = {"exit_status": document["exit_status"], "stable": document}
    write_json(RunFolder(opened.results, report.run.id).verdicts, {**kept, **answers})


def _places(
    opened: Lab, plan: SeriesPlan, parent: Variant | None, tree: Path | None
) -> Mapping[Variant, Place]:
    from lab.builder.placing import Placing
    from lab.trees.repository import open_repository

    kernels = [kernel for kernel in plan.kernels if kernel != parent]
    with open_repository(tree) if tree is not None else nullcontext() as repository:
        placing = Placing(opened.builder, plan.series, repository)
        placing.series  # noqa: B018  (what is wrong with it is told before a tree is brought in)
        return {kernel: placing.fetched(kernel) for kernel in kernels}


def _lines(report: StableReport, places: Mapping[Variant, Place]) -> Iterator[str]:
    refused = {str(kernel): place.stand.beside for kernel, place in places.items() if place.stand}
    if report.parent is not None:
        parent, outcome, why = report.parent
        yield f"{report.series} on {parent}, its parent: {outcome}: {why}"
    names = max((len(kernel.kernel) for kernel in report.kernels), default=0)
    words = max((len(kernel.verdict) for kernel in report.kernels), default=0)
    for kernel in report.kernels:
        yield f"  {kernel.kernel:{names}}  {kernel.verdict:{words}}  {kernel.why}"
        if kernel.verdict == "does not apply":
            yield from (f"      {line}" for line in refused[kernel.kernel].splitlines())
    if report.run is not None and report.run.folder:
        yield f"  {report.run.folder}"


def _document(report: StableReport, places: Mapping[Variant, Place]) -> dict[str, Any]:
    from lab.analysis.stable_verdict import stable_status

    stands = {str(kernel): place.stand for kernel, place in places.items()}
    parent = report.parent
    return {
        "run": report.run.id if report.run else None,
        "series": report.series,
        "exit_status": int(stable_status(report.kernels)),
        "parent": {"kernel": parent[0], "verdict": parent[1].value, "why": parent[2]}
        if parent
        else None,
        "kernels": [
            {
                "kernel": kernel.kernel,
                "verdict": kernel.verdict.value,
                "why": kernel.why,
                "standing": stand.standing.value if (stand := stands[kernel.kernel]) else None,
                "beside": (stand.beside or None) if stand else None,
                "commit": (stand.commit or None) if stand else None,
            }
            for kernel in report.kernels
        ],
    }
