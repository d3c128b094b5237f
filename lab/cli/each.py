# SPDX-License-Identifier: GPL-2.0-only
"""``lab verify --each``: every patch of a series on those before it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lab.cli.commands import one_of_each, plan_of, say_plan, showing_interrupted
from lab.cli.lines import say_lines
from lab.errors import ExitStatus, UserError

if TYPE_CHECKING:
    from lab.session import Lab

NOTHING_RAN = "no guest ran: earlier runs have all of these results"


def verify_each(
    opened: Lab,
    series: str,
    kernels: Sequence[str],
    chosen: dict[str, Any],
    *,
    dry_run: bool,
    json: bool,
    verbose: bool,
    again: bool = False,
) -> int:
    """Build, boot and test each step of a series on each kernel, and print what came of it.

    Args:
        chosen: Filesystems, suites, pattern, machines and configs, as plan_of() takes them.
        again: Reuse no results of earlier runs.
    """
    from lab.cli.progress import Show, print_json
    from lab.execution.each import stairs_of
    from lab.execution.each import verify_each as verify
    from lab.model.variant import Variant
    from lab.plan import settled
    from lab.report.steps import step_lines, steps_to_json
    from lab.results import RunFolder, write_json

    opened.loaded.require("series", series)
    bases = kernels or opened.loaded.config.series[series].kernels
    if not bases:
        what = f"no kernel is named, and [series.{series}] has no kernels"
        raise UserError(what, hint=f"lab verify {series} KERNEL --each")
    asked = plan_of(opened, [*bases, *(Variant(base, (series,)) for base in bases)], **chosen)
    one_of_each(asked, "--each")
    found = [Variant.parse(settled(opened.loaded, base)) for base in bases]
    stairs = [stairs_of(opened.builder, series, kernel) for kernel in dict.fromkeys(found)]
    variants = [variant for each in stairs for variant in each.variants]
    for name in {name for variant in variants for name in variant.series}:
        opened = opened.with_series(name)
    plan = plan_of(opened, variants, **chosen)
    if dry_run:
        say_plan(plan, json=json)
        return ExitStatus.EXPECTED
    opened.refuse_pattern(plan)
    with showing_interrupted(verbose=verbose, json=json), Show(opened.cache, quiet=json) as show:
        telling = opened.telling(show)
        steps, run = verify(
            telling.builder,
            stairs,
            plan,
            lambda asked: telling.test(asked, sys.argv),
            again=again,
        )
    document = steps_to_json(series, steps, run.id if run else None)
    if run is not None:
        write_json(RunFolder(opened.results, run.id).steps, document)
    if json:
        print_json(document)
    else:
        say_lines([*step_lines(series, steps), f"  {run.folder if run else NOTHING_RAN}"])
    return max((each.status for each in steps), key=_rank)


def _rank(status: ExitStatus) -> int:
    """A regression that was seen counts more than what the lab lost."""
    order = (ExitStatus.EXPECTED, ExitStatus.INFRASTRUCTURE, ExitStatus.UNEXPECTED)
    return order.index(status)
