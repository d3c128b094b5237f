# SPDX-License-Identifier: GPL-2.0-only
"""Commands on what is recorded: list, show, compare, follow, export, repeat by hand.

They read the database alone and import little: a comparison takes less than a second.
"""

from __future__ import annotations

import json as jsons
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.commands import File, Json, Verbose, app, load_config
from lab.cli.lines import say, say_lines
from lab.errors import ExitStatus, UserError
from lab.report.export.forms import EXPORTERS, one_of
from lab.text import plain

if TYPE_CHECKING:
    from lab.config.load import LoadedConfig
    from lab.model.records import RunRecord
    from lab.report.lines import Line

Run = Annotated[
    str, typer.Argument(metavar="RUN", help="An id or its beginning, latest, latest~N, a name.")
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Instead of stdout.")
]

#: Runs among which one with results is looked for.
_LOOKED_AT = 100


def _form(text: str) -> str:
    """One of EXPORTERS, refused as Click refuses what is none of its choices."""
    if text not in EXPORTERS:
        choices = ", ".join(map(repr, EXPORTERS))
        raise typer.BadParameter(f"{text!r} is not one of {choices}.")
    return text


@app.command()
def runs(
    limit: Annotated[
        int, typer.Option("--limit", "-l", metavar="N", help="How many, newest first.")
    ] = 20,
    named: Annotated[bool, typer.Option("--named", help="Only those with a name.")] = False,
    recover: Annotated[
        bool, typer.Option("--recover", help="Record runs that only a folder holds.")
    ] = False,
    file: File = None,
    json: Json = False,
) -> int:
    """List recorded runs, newest first."""
    from lab.results import Store
    from lab.results.recover import recover as recover_run
    from lab.results.recover import unrecorded

    loaded = load_config(file)
    with Store.open(loaded.database) as store:
        found = unrecorded(loaded.results, store.known())
        if recover:
            found = tuple(run for run in found if recover_run(store, run) is None)
        if named:
            recorded = tuple(store.summary(name) for name in store.baselines())
        else:
            recorded = store.runs(limit)
    if json:
        rows = [run.to_json() for run in recorded]
        _print_json({"runs": rows, "unrecorded": [run.to_json() for run in found]})
    else:
        say_lines(lost.line() for lost in found)
        for run in recorded:
            here = (loaded.results / run.run.id).is_dir()
            say_lines([run.line() + ("" if here else "  (its folder is not here)")])
    return ExitStatus.EXPECTED


@app.command()
def show(
    run: Run = "latest", verbose: Verbose = False, file: File = None, json: Json = False
) -> int:
    """Print a recorded run's table again, and its evidence (-v)."""
    from lab.analysis.run_status import run_status
    from lab.report import print_run, to_json

    record = _recorded(file, run)
    if json:
        _print_json(to_json(record))
    else:
        from rich.console import Console

        from lab.report.lines import print_lines

        console = Console(highlight=False)
        print_run(record, console, verbose)
        print_lines(console, _coverage(record))
        if verbose:
            from lab.report.evidence import evidence_lines

            said = plain("\n".join(evidence_lines(record)))
            console.print(said, markup=False, soft_wrap=True)
    return run_status(record)


def _coverage(record: RunRecord) -> Iterator[Iterable[Line]]:
    """What ran of a series, where its run counted that."""
    from lab.report.coverage import coverage_lines, read_coverage

    for each in read_coverage(Path(record.folder) / "coverage") if record.folder else ():
        yield coverage_lines(each)


@app.command()
def compare(
    a: Annotated[
        str, typer.Argument(metavar="A", help="RUN or RUN:VARIANT; as `lab show` has it.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="Another, or another variant.")] = "latest",
    verbose: Verbose = False,
    file: File = None,
    json: Json = False,
) -> int:
    """What changed from run A to run B; 1 if anything got worse."""
    from lab.analysis.compare import compare as compare_runs
    from lab.analysis.side import Side, as_one_variant
    from lab.results import Store

    with Store.open(load_config(file).database) as store:
        first = Side.parse(a, store)
        sides = first, Side.parse(b, store, first.variant)
        before, after = (side.load(store) for side in sides)
        if before.id == after.id:
            raise UserError(f"{a} and {b} are one run, {before.id}", hint="lab runs")
        unstable = store.unstable(before, after)
    comparison = compare_runs(*as_one_variant(before, after, sides), unstable)
    if json:
        _print_json(comparison.to_json())
    else:
        from lab.report.changes import comparison_lines

        say_lines(comparison_lines(comparison, verbose))
    return comparison.status


@app.command()
def history(
    test: Annotated[str, typer.Argument(metavar="TEST", help="Its name, or a glob.")],
    variant: Annotated[str, typer.Option("--variant", metavar="GLOB", help="Only these.")] = "*",
    filesystem: Annotated[
        str, typer.Option("--filesystem", "-f", metavar="GLOB", help="Only these.")
    ] = "*",
    suite: Annotated[str, typer.Option("--suite", "-s", metavar="GLOB", help="Only these.")] = "*",
    limit: Annotated[
        int, typer.Option("--limit", "-l", metavar="N", help="The last N results.")
    ] = 1000,
    file: File = None,
    json: Json = False,
) -> int:
    """One test across nights and kernels."""
    from lab.results import Store

    with Store.open(load_config(file).database) as store:
        seen = store.history(test, variant=variant, filesystem=filesystem, suite=suite, limit=limit)
    if json:
        _print_json({"test": test, "results": [one.to_json() for one in seen]})
    elif seen:
        from lab.report.changes import history_lines

        say_lines(history_lines(seen))
    else:
        raise UserError(
            f"no recorded test has a name like {test!r}", hint="`lab show -v` lists all names"
        )
    return ExitStatus.EXPECTED


@app.command()
def baseline(
    run: Run = "latest",
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Its name from now on.")
    ] = "baseline",
    file: File = None,
    json: Json = False,
) -> int:
    """Give a run a name, to compare with."""
    from lab.results import Store

    with Store.open(load_config(file).database) as store:
        if not store.summary(run).says_something:
            found = (one.run.id for one in store.runs(_LOOKED_AT) if one.says_something)
            raise UserError(
                f"{store.summary(run).run.id} has no results to compare with",
                hint=f"lab baseline {next(found, 'RUN')}",
            )
        run_id = store.set_baseline(name, run)
    if json:
        _print_json({"name": name, "run": run_id})
    else:
        say(f"{name} is {run_id}")
    return ExitStatus.EXPECTED


@app.command(help=f"Write a recorded run as {one_of(e.help for e in EXPORTERS.values())}.")
def export(
    run: Run = "latest",
    format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORM",
            parser=_form,
            autocompletion=lambda: list(EXPORTERS),
            help=f"{one_of(EXPORTERS)}.",
        ),
    ] = "junit",
    origin: Annotated[
        str, typer.Option("--origin", metavar="NAME", help="KCIDB's name for this lab.")
    ] = "lab",
    output: Output = None,
    file: File = None,
    json: Json = False,
) -> int:
    from lab.report.export.exporter import exported
    from lab.report.export.forms import Place

    loaded = load_config(file)
    record = _loaded(loaded, run)
    text = exported(record, format, Place(origin, loaded.results, loaded.root / "patches"))
    if output is not None or not json:
        _write(text, output)
    if json:
        where = {"text": text} if output is None else {"file": str(output.absolute())}
        _print_json({"run": record.id, "format": format, **where})
    return ExitStatus.EXPECTED


@app.command()
def repro(
    run: Run,
    job: Annotated[
        str, typer.Argument(metavar="JOB", help="A variant, or its number in the run from 0.")
    ] = "0",
    pattern: Annotated[
        str | None, typer.Option("-k", metavar="PATTERN", help="Only tests with such names (glob).")
    ] = None,
    filesystem: Annotated[
        str | None, typer.Option("--filesystem", "-f", metavar="NAME", help="Only on this one.")
    ] = None,
    output: Output = None,
    file: File = None,
    json: Json = False,
) -> int:
    """A shell script that repeats a job by hand, without the lab."""
    from lab.report.repro import repro_script

    record = _recorded(file, run)
    script = repro_script(record, job, pattern=pattern, filesystem=filesystem)
    if output is not None or not json:
        _write(script, output)
    if output is not None:
        output.chmod(0o755)
    if json:
        _print_json({"run": record.id, "job": job, "script": script})
    return ExitStatus.EXPECTED


def _recorded(file: Path | None, run: str) -> RunRecord:
    return _loaded(load_config(file), run)


def _loaded(loaded: LoadedConfig, run: str) -> RunRecord:
    from lab.results import Store

    with Store.open(loaded.database) as store:
        return store.load(run)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        # A file has it as it is; a terminal would do what a guest or a patch says.
        sys.stdout.write(plain(text) if sys.stdout.isatty() else text)
    else:
        from lab.results import write_text

        write_text(output, text)


def _print_json(value: Mapping[str, object]) -> None:
    sys.stdout.write(jsons.dumps(value, indent=2) + "\n")
