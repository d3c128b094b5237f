# SPDX-License-Identifier: GPL-2.0-only
"""``lab patch``: patches and the trees they go onto."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.commands import (
    Configs,
    File,
    Filesystems,
    Json,
    Machines,
    Pattern,
    Suites,
    app,
    open_lab,
    worst,
)
from lab.cli.help import Typer
from lab.cli.intake import trees_of
from lab.cli.lines import say, say_lines
from lab.cli.verify import Kernels
from lab.errors import ExitStatus, LabError
from lab.model.scale import exit_of

if TYPE_CHECKING:
    from lab.analysis.series_verdict import Verification
    from lab.model.variant import Variant
    from lab.patches import SeriesFit
    from lab.patches.intake import Intake
    from lab.session import Lab

    Fits = dict[Variant, SeriesFit | LabError]

patch_app = Typer()
app.add_typer(patch_app, name="patch", help="Take patches in; say how they go onto kernels.")


@patch_app.callback()
def _main() -> None:
    pass


@patch_app.command()
def check(
    series: Annotated[str, typer.Argument(metavar="SERIES")],
    kernels: Kernels = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show the hunks that do not fit.")
    ] = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Say of each patch and kernel whether it applies, and if not, why."""
    from lab.cli.progress import Show, print_json
    from lab.plan import plan_series

    opened, bases = open_lab(file).taking(kernels or ())
    plan = plan_series(opened.loaded, series, bases)
    opened.builder.series(series)
    fits: Fits = {}
    with Show(opened.cache, quiet=json) as show:
        telling = opened.telling(show)
        for kernel in plan.kernels:
            fits[kernel] = _fit(telling, kernel, series)
            if not json:
                _print(str(kernel), fits[kernel], verbose)
    if json:
        print_json({"series": series, "patches": _rows(fits)})
    return _status(fits)


@patch_app.command()
def coverage(
    series: Annotated[str, typer.Argument(metavar="SERIES")],
    kernels: Kernels = None,
    filesystem: Filesystems = None,
    suite: Suites = None,
    pattern: Pattern = None,
    machine: Machines = None,
    config: Configs = None,
    file: File = None,
    json: Json = False,
) -> int:
    """Say how often each line of a series runs, without it and with it: tested under TCG.

    The patch is shown with its counts; the verdict is that of `lab verify --coverage`.
    """
    from lab.cli.commands import showing_interrupted
    from lab.cli.progress import Show
    from lab.plan import plan_series

    opened, bases = open_lab(file).taking(kernels or ())
    opened = opened.emulated()
    plan = plan_series(
        opened.loaded,
        series,
        bases,
        filesystem or (),
        suite or (),
        pattern,
        machines=machine or (),
        configs=config or (),
    )
    opened.refuse_pattern(plan.plan)
    with showing_interrupted(verbose=False, json=json), Show(opened.cache, quiet=json) as show:
        found = opened.telling(show).verify(plan, sys.argv, again=True, coverage=True)
    return _say_coverage(found, json=json)


def _say_coverage(found: Verification, *, json: bool) -> int:
    """Print what ran; what was not counted is an error of the lab's, or of what it was given."""
    from rich.console import Console

    from lab.cli.progress import print_json
    from lab.report.coverage import coverage_lines, coverage_to_json
    from lab.report.lines import print_lines

    counted = [kernel.lines for kernel in found.kernels if kernel.lines is not None]
    if json:
        print_json({"series": found.series, "lines": [coverage_to_json(each) for each in counted]})
    else:
        print_lines(Console(highlight=False), map(coverage_lines, counted))
    for kernel in found.kernels:
        if kernel.lines is None:
            say(f"{kernel.name}: not counted: {kernel.outcome}: {kernel.why}", err=True)
    return exit_of(kernel.ours for kernel in found.kernels if kernel.lines is None)


@patch_app.command("import")
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A patch, mbox, maildir; a Message-Id, a URL; - is stdin."
        ),
    ],
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="N", help="Instead of the newest.")
    ] = None,
    pick: Annotated[
        str | None,
        typer.Option("--pick", metavar="TEXT", help="Of several: a part of a title, a Message-Id."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call the series.")
    ] = None,
    kernel: Annotated[
        list[str] | None,
        typer.Option("--kernel", metavar="KERNEL", help="What a damaged patch was made for."),
    ] = None,
    file: File = None,
    json: Json = False,
) -> int:
    """Make a series of a patch file or of mails."""
    from lab.cli.progress import print_json
    from lab.patches.intake import read_intake

    opened = open_lab(file)
    trees = trees_of(opened, kernel or (), quiet=json)
    intake = read_intake(
        source, opened.patches, revision=revision, pick=pick, name=name, trees=trees
    )
    intake.write()
    if json:
        print_json(_intake_row(intake))
    else:
        say_lines(_said(intake))
    return ExitStatus.EXPECTED


def _said(intake: Intake) -> Iterator[str]:
    choice = intake.choice
    how = "there already" if intake.known else "new"
    yield f"{intake.name}  {how}: {intake.folder}"
    for name, letter in zip(intake.files, choice.patches, strict=False):
        yield f"  {name}"
        yield from (f"    {note}" for note in letter.notes)
        if letter.mending and not letter.mending.proved:
            yield from (f"    {guess}" for guess in letter.mending.guesses)
    yield from (f"  {note}" for note in choice.notes)
    yield from (f"    {line}" for line in choice.compared)
    for left_out in choice.left_out:
        yield f"  left out: {left_out.letter.called}: {left_out.why}"
    yield f"  try: lab verify {intake.name} KERNEL"


def _intake_row(intake: Intake) -> dict[str, Any]:
    from lab.patches.intake import left_out_row

    choice = intake.choice
    return {
        "name": intake.name,
        "folder": str(intake.folder),
        "known": intake.known,
        "revision": ".".join(map(str, choice.revision)),
        "patches": [name for name in intake.files if name != "series"],
        "left_out": [left_out_row(each) for each in choice.left_out],
        "range_diff": list(choice.compared),
        "notes": [*choice.notes, *(note for each in choice.patches for note in each.notes)],
    }


def _fit(opened: Lab, kernel: Variant, series: str) -> SeriesFit | LabError:
    try:
        return opened.builder.fit(kernel, series)
    except Exception as error:
        from lab.unforeseen import as_lab_error

        return as_lab_error(error)


def _print(kernel: str, fit: SeriesFit | LabError, verbose: bool) -> None:
    if isinstance(fit, LabError):
        say(f"{kernel}  error: {fit if verbose else fit.what}")
        return
    for patch in fit.patches:
        say(f"{kernel}  {patch.patch or fit.series}  {patch}")
        if verbose and patch.error is not None:
            say("\n".join(f"    {line}" for line in str(patch.error).splitlines()))


def _rows(fits: Fits) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for kernel, fit in fits.items():
        if isinstance(fit, LabError):
            rows.append({"kernel": str(kernel), "patch": None, "error": str(fit)})
            continue
        rows.extend(
            {
                "kernel": str(kernel),
                "patch": patch.patch or None,
                "fit": patch.fit.value,
                "detail": patch.detail,
                "upstream": fit.upstream.commit if fit.upstream else None,
                "error": str(patch.error) if patch.error else None,
            }
            for patch in fit.patches
        )
    return rows


def _status(fits: Fits) -> int:
    """A patch that somebody has to mend first, then kernels that could not be tried."""
    errors = [fit for fit in fits.values() if isinstance(fit, LabError)]
    tried = [fit for fit in fits.values() if not isinstance(fit, LabError)]
    if any(not patch.good for fit in tried for patch in fit.patches):
        return ExitStatus.UNEXPECTED
    return worst(errors)
