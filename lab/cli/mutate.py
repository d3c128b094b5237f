# SPDX-License-Identifier: GPL-2.0-only
"""``lab verify --mutate``: would the tests notice if the patch were a little wrong?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.commands import one_of_each, say_plan, showing_interrupted
from lab.cli.lines import say, say_lines
from lab.errors import ExitStatus

if TYPE_CHECKING:
    from lab.analysis.series_verdict import Verification
    from lab.plan import SeriesPlan
    from lab.session import Lab

Mutate = Annotated[
    bool, typer.Option("--mutate", help="Then wrong versions of it, for tests to notice.")
]
Most = Annotated[
    int | None,
    typer.Option("--mutants", metavar="N", min=1, help="With --mutate: so many, spread over all."),
]
#: Of a plan whose lines are counted.
COUNTED = ("  its lines are counted: these guests run under TCG, where KVM is there, too",)


def verify_mutants(
    opened: Lab,
    plan: SeriesPlan,
    most: int,
    *,
    coverage: bool,
    dry_run: bool,
    json: bool,
    verbose: bool,
) -> int:
    """Verify a series, then try its mutants on each kernel where it was verified, and print both.

    Args:
        most: How many mutants of each kernel; 0 is all.
        coverage: Count how often its lines run: the tests that ran one try its mutants first.
    """
    from rich.console import Console

    from lab.cli.progress import Show, print_json
    from lab.execution.mutations import try_mutants
    from lab.report import print_verification, verification_status, verification_to_json
    from lab.report.mutants import mutant_lines

    one_of_each(plan.plan, "--mutate")
    if dry_run:
        then = "  and then the mutants of what the series changed"
        say_plan(plan.plan, then, *COUNTED[:coverage], json=json)
        return ExitStatus.EXPECTED
    opened.refuse_pattern(plan.plan)
    with showing_interrupted(verbose=verbose, json=json), Show(opened.cache, quiet=json) as show:
        telling = opened.telling(show)
        verification = telling.verify(plan, sys.argv, coverage=coverage)
        with _telling_what_is_kept(verification):
            report = try_mutants(telling.builder, plan, verification, most)
    if json:
        document: dict[str, Any] = verification_to_json(verification)
        print_json({**document, "mutants": report.document})
    else:
        print_verification(verification, Console(highlight=False), verbose)
        say_lines(["", *mutant_lines(plan.series, report.scores)])
    return max(verification_status(verification), report.status, key=_rank)


@contextmanager
def _telling_what_is_kept(verification: Verification) -> Iterator[None]:
    """Say where what was tried is, before a signal ends the command."""
    from lab.process.interrupt import Terminated

    try:
        yield
    except (KeyboardInterrupt, Terminated):
        if verification.run is not None:
            what = "mutants that were tried are kept, and the same command goes on after them"
            say(f"{verification.run.folder}/mutants.json: {what}", err=True)
        raise


def _rank(status: ExitStatus) -> int:
    """A verdict that is not as expected counts more than what the lab lost."""
    order = (ExitStatus.EXPECTED, ExitStatus.INFRASTRUCTURE, ExitStatus.UNEXPECTED)
    return order.index(status)
