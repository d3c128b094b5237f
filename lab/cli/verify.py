# SPDX-License-Identifier: GPL-2.0-only
"""``lab verify``: base against patched."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.commands import (
    Configs,
    DryRun,
    File,
    Filesystems,
    FirstFail,
    Json,
    Machines,
    MaxFail,
    Pattern,
    Repro,
    Suites,
    Verbose,
    app,
    most_failures,
    one_of_each,
    open_lab,
    showing_interrupted,
    with_reproducers,
)
from lab.cli.commits import GitTree, base_of, intake_of_commits
from lab.cli.intake import intake_for, keeping, on_what_it_goes_onto
from lab.cli.mutate import COUNTED, Most, Mutate, verify_mutants
from lab.cli.stable import Stable, stable_kernels, verify_stable_plan
from lab.errors import ExitStatus, UserError
from lab.model.variant import Variant

if TYPE_CHECKING:
    from pathlib import Path

    from lab.patches.intake import Intake
    from lab.plan import SeriesPlan
    from lab.session import Lab

Kernels = Annotated[
    list[str] | None,
    typer.Argument(metavar="KERNEL", help="6.1, 6.1+reintroduce-bug, or a folder: ./linux"),
]


@app.command()
def verify(
    series: Annotated[
        str,
        typer.Argument(metavar="SERIES", help="Its name; a patch, mbox, maildir or -; a commit."),
    ],
    kernels: Kernels = None,
    filesystem: Filesystems = None,
    suite: Suites = None,
    pattern: Pattern = None,
    machine: Machines = None,
    config: Configs = None,
    max_fail: MaxFail = None,
    first_fail: FirstFail = False,
    repro: Repro = None,
    each: Annotated[bool, typer.Option("--each", help="Every patch on those before it.")] = False,
    mutate: Mutate = False,
    mutants: Most = None,
    again: Annotated[bool, typer.Option("--again", help="Also what is known already.")] = False,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Count how often its lines run, under TCG.")
    ] = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
    file: File = None,
    tree: GitTree = None,
    stable: Stable = False,
    json: Json = False,
) -> int:
    """Test kernels without and with a series; a verdict for each.

    Of a commit (--tree) the kernel is its parent, and of a range where it begins: A, or where
    B left A's branch.  KERNELs that are named are taken instead.

    With --stable these are lab.toml's that are on this machine, and the commit's parent is
    tested beside them: a test that fails there and passes with the commit shows the bug.
    """
    from lab.plan import plan_series

    _refuse(
        {
            "--stable": stable,
            "--max-fail": bool(max_fail),
            "-x": first_fail,
            "--coverage": coverage,
        },
        each=each,
    )
    if coverage and stable:
        raise UserError("--stable counts no lines", hint="without --coverage")
    if mutants and not mutate:
        raise UserError("--mutants says how many of --mutate", hint="with --mutate")
    alone = {"--stable": stable, "--each": each, "-x": first_fail}
    for option in _given(alone) if mutate else ():
        what = f"--mutate tries wrong versions of a whole series: not with {option}"
        raise UserError(what, hint=f"without {option}, or without --mutate")
    if again and stable:
        raise UserError("--stable takes no results of earlier runs", hint="without --again")
    meant = _meant(open_lab(file), series, kernels or (), tree, stable=stable, quiet=json)
    series, intake, parent = meant.series, meant.intake, meant.parent
    opened, bases = meant.opened.taking(meant.kernels)
    opened, suites = with_reproducers(opened, repro, suite)
    opened = opened.emulated() if coverage else opened
    if each:
        from lab.cli.each import verify_each

        chosen = {"filesystems": filesystem, "suites": suites, "pattern": pattern}
        asked = {**chosen, "machines": machine, "configs": config}
        _refuse_unkept(intake if dry_run else None)
        with keeping(intake, write=True):
            told = {"dry_run": dry_run, "json": json, "verbose": verbose}
            return verify_each(opened, series, bases, asked, again=again, **told)
    opened = opened.stopping_after(most_failures(max_fail, first_fail))
    plan = plan_series(
        opened.loaded,
        series,
        bases,
        filesystem or (),
        suites,
        pattern,
        machines=machine or (),
        configs=config or (),
    )
    with keeping(intake, write=not dry_run):
        if stable:
            one_of_each(plan.plan, "--stable")
            base = Variant(parent[0]) if parent else None
            return verify_stable_plan(
                opened, plan, base, tree, verbose=verbose, dry_run=dry_run, json=json
            )
        told = {"dry_run": dry_run, "json": json, "verbose": verbose}
        if mutate:
            return verify_mutants(opened, plan, mutants or 0, coverage=coverage, **told)
        return verify_plan(opened, plan, again=again, coverage=coverage, **told)


@dataclass(frozen=True)
class _Meant:
    """What a command line is about: a series, and the kernels that it is to be tested on.

    Attributes:
        intake: What was taken in for it, if anything was.
        parent: Kernels that it brings with it, a commit's parent.
    """

    opened: Lab
    series: str
    intake: Intake | None
    kernels: Sequence[str]
    parent: Sequence[str]


def _meant(
    opened: Lab, series: str, asked: Sequence[str], tree: Path | None, *, stable: bool, quiet: bool
) -> _Meant:
    named: Sequence[str] = asked
    parent: Sequence[str] = ()
    intake: Intake | None
    if tree is not None and not (stable and series in opened.loaded.config.series):
        opened, intake, named = intake_of_commits(opened, series, tree, () if stable else named)
        parent = named
    else:
        intake = intake_for(opened, series, named, quiet=quiet)
    if intake is not None:
        opened, series = opened.with_series(intake.name), intake.name
    elif stable or not named:
        opened, parent = base_of(opened, series)
        named = named or parent
    if stable:
        named = (*parent, *(asked or stable_kernels(opened)))
    opened, named = on_what_it_goes_onto(opened, series, intake, named)
    return _Meant(opened, series, intake, named, parent)


def _refuse_unkept(intake: Intake | None) -> None:
    if intake is not None and not intake.known:
        what = "--each reads the patches where they are kept, and --dry-run keeps nothing"
        raise UserError(what, hint=f"lab patch import, then lab verify {intake.name}")


def _given(options: Mapping[str, bool]) -> list[str]:
    return [option for option, is_given in options.items() if is_given]


def _refuse(given: Mapping[str, bool], *, each: bool) -> None:
    for option in (name for name, is_given in given.items() if each and is_given):
        what = f"--each tests every patch to its end, for a word on each: not with {option}"
        raise UserError(what, hint=f"without {option}, or without --each")


def verify_plan(
    opened: Lab,
    plan: SeriesPlan,
    *,
    verbose: bool,
    dry_run: bool,
    json: bool,
    whole: bool = False,
    again: bool = False,
    coverage: bool = False,
) -> int:
    """Verify, print, and say whether every verdict is the one expected.

    Args:
        whole: It is a whole matrix: rules that match nothing there are named.
        again: Tests run where the series changes nothing in the binary, too.
        coverage: Count how often its lines run.
    """
    from lab.cli.commands import check_selection, say_plan, tell_unmatched
    from lab.cli.progress import Show, print_json
    from lab.report import print_verification, verification_status, verification_to_json

    if dry_run:
        of_these = f"  of these, with {plan.series} only what it applies to"
        say_plan(plan.plan, of_these, *COUNTED[:coverage], json=json)
        return ExitStatus.EXPECTED
    opened.refuse_pattern(plan.plan)
    with showing_interrupted(verbose=verbose, json=json), Show(opened.cache, quiet=json) as show:
        verification = opened.telling(show).verify(plan, sys.argv, again=again, coverage=coverage)
    if verification.run is not None:
        check_selection(plan.plan, verification.run)
    if json:
        print_json(verification_to_json(verification))
    else:
        from rich.console import Console

        print_verification(verification, Console(highlight=False), verbose)
    if whole and verification.run is not None:
        tell_unmatched(opened, verification.run)
    return verification_status(verification)
