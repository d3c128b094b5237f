# SPDX-License-Identifier: GPL-2.0-only
"""The commands, each a few lines over ``lab.Lab``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import lab
from lab.cli.help import Typer
from lab.cli.lines import columns, say, say_lines
from lab.errors import ExitStatus, LabError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.build import Build
    from lab.builder import Failure
    from lab.config import LoadedConfig
    from lab.model.records import RunRecord
    from lab.plan import BuildRequest, Plan
    from lab.session import Lab

#: How often --until-fail repeats at most, where --repeat does not say.
UNTIL_FAIL = 1000

app = Typer(
    name="lab",
    help="Build, boot and test kernels; say whether a patch does what it claims.",
    pretty_exceptions_enable=False,
)

File = Annotated[
    Path | None, typer.Option("--file", "-C", help="Another lab.toml.", metavar="FILE")
]
Machines = Annotated[
    list[str] | None,
    typer.Option("--machine", metavar="NAME", help="On this one of lab.toml; repeatable."),
]
Configs = Annotated[
    list[str] | None,
    typer.Option("--config", metavar="NAME", help="With this one of lab.toml; repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
Variants = Annotated[
    list[str] | None,
    typer.Argument(metavar="VARIANT", help="6.1, 6.1+reintroduce-bug, or a folder: ./linux"),
]
Filesystems = Annotated[
    list[str] | None,
    typer.Option("--filesystem", "-f", metavar="NAME", help="Only this one; repeatable."),
]
Suites = Annotated[
    list[str] | None,
    typer.Option("--suite", "-s", metavar="NAME", help="Only this one; repeatable."),
]
Pattern = Annotated[
    str | None, typer.Option("-k", metavar="PATTERN", help="Only tests with such names (glob).")
]
MaxFail = Annotated[
    int | None,
    typer.Option("--max-fail", metavar="N", min=1, help="End after N that are not as expected."),
]
Repeat = Annotated[
    int | None,
    typer.Option("--repeat", metavar="N", min=1, help="N times in fresh guests: a rate."),
]
UntilFail = Annotated[
    bool,
    typer.Option("--until-fail", help=f"Until one is not as expected, or {UNTIL_FAIL} times."),
]
FirstFail = Annotated[bool, typer.Option("-x", help="As --max-fail 1.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="List every test.")]
Bisect = Annotated[
    bool,
    typer.Option("--bisect", help="Exit 0, 1, 125 or 255, for git bisect run."),
]
Repro = Annotated[
    list[str] | None,
    typer.Option("--repro", metavar="FILE.c", help="Only this reproducer, in C; repeatable."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Print the plan; start nothing.")]


def _version(asked: bool) -> None:
    if asked:
        say(f"lab {lab.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    pass


@app.command()
def doctor(
    missing: Annotated[
        bool, typer.Option("--missing", help="Only print the packages to install.")
    ] = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Say what this machine can do, and how to mend what it cannot."""
    from lab.cli.elsewhere import examine_elsewhere
    from lab.cli.progress import print_json
    from lab.doctor import examine, missing_packages, render

    if missing:
        packages = missing_packages()
        if json:
            print_json({"missing": list(packages)})
        else:
            say(" ".join(packages))
        return ExitStatus.EXPECTED
    opened = open_lab(file)
    config = opened.loaded.config
    findings = (
        *examine(opened.cache, config.deadlines.accelerator, config.toolchain.cc),
        *examine_elsewhere(opened.loaded),
    )
    if json:
        rows = [asdict(finding) | {"fatal": finding.fatal} for finding in findings]
        print_json({"findings": rows})
    else:
        say("\n".join(render(findings, columns())))
    broken = any(finding.fatal for finding in findings)
    return ExitStatus.INFRASTRUCTURE if broken else ExitStatus.EXPECTED


@app.command()
def fetch(
    kernels: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="A kernel; a suite with a source.")
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Only those that are not here.")
    ] = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Bring kernel trees, and the sources of suites, in or up to date.

    Without a NAME those that [matrix.default] has.
    """
    from lab.cli.progress import Show, print_json
    from lab.doctor import require
    from lab.trees.request import NO_VERSION

    require("fetch")
    opened = open_lab(file)
    names, suites = _named(opened, kernels) if kernels else _of_default_matrix(opened)
    opened, names = opened.taking(names)
    opened.loaded.require("kernel", *names)
    with Show(opened.cache, quiet=json) as show:
        telling = opened.telling(show)
        trees = [telling.builder.tree(name, refresh=not missing) for name in names]
        trees += telling.suite_sources(suites, refresh=not missing)
    if json:
        rows = [
            {
                "kernel": tree.kernel,
                "identity": tree.identity,
                "version": str(tree.version),
                "path": str(tree.path),
                "provenance": dict(tree.provenance),
            }
            for tree in trees
        ]
        print_json({"trees": rows})
    else:
        for tree in trees:
            signature = f"  {tree.signature}" if tree.signature else ""
            version = "" if tree.version == NO_VERSION else f"{tree.version}  "
            say(f"{tree.kernel}  {version}{tree.identity}{signature}")
    return ExitStatus.EXPECTED


@app.command()
def build(
    variants: Variants = None,
    machine: Machines = None,
    config: Configs = None,
    file: File = None,
    json: Json = False,
) -> int:
    """Build variants, or say that they are built already."""
    from lab.cli.progress import Show, print_json

    opened, named = open_lab(file).taking(variants or ())
    plan = plan_of(opened, named, machines=machine, configs=config)
    with Show(opened.cache, quiet=json) as show:
        builds = opened.telling(show).builder.build_all(plan)
    if json:
        print_json({"builds": [_build_row(asked, built) for asked, built in builds.items()]})
    else:
        for asked, built in builds.items():
            _print_build(asked, built)
    return _build_status(list(builds.values()))


@app.command()
def test(
    variants: Variants = None,
    filesystem: Filesystems = None,
    suite: Suites = None,
    pattern: Pattern = None,
    machine: Machines = None,
    config: Configs = None,
    max_fail: MaxFail = None,
    first_fail: FirstFail = False,
    repeat: Repeat = None,
    until_fail: UntilFail = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
    bisect: Bisect = False,
    repro: Repro = None,
    file: File = None,
    json: Json = False,
) -> int:
    """Boot variants, test them, record the results, print the table."""
    with _ending_for_git() if bisect else nullcontext():
        if bisect and dry_run:
            raise UserError("--dry-run tests nothing: git bisect would take each commit for good")
        opened, named = open_lab(file).taking(variants or ())
        opened, suite = with_reproducers(opened, repro, suite)
        plan = plan_of(opened, named, filesystem, suite, pattern, machines=machine, configs=config)
        plan = plan.repeated(repeat or (UNTIL_FAIL if until_fail else 1))
        opened = opened.stopping_after(most_failures(max_fail, first_fail or until_fail))
        return _test(opened, plan, verbose=verbose, dry_run=dry_run, json=json, bisect=bisect)


@contextmanager
def _ending_for_git() -> Iterator[None]:
    """git takes our 2 and 3 for a bad commit: what cannot be asked at all ends its bisection."""
    from lab.analysis.bisect_status import BisectStatus
    from lab.unforeseen import as_lab_error

    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        say(f"lab: {as_lab_error(error)}", err=True)
        raise typer.Exit(BisectStatus.ABORT) from error


@app.command("matrix")
def test_matrix(
    matrix: Annotated[str, typer.Argument(metavar="NAME")],
    pattern: Pattern = None,
    max_fail: MaxFail = None,
    first_fail: FirstFail = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Build and test [matrix.NAME] of lab.toml."""
    from lab.plan import plan_matrix, plan_series_matrix

    opened = open_lab(file).stopping_after(most_failures(max_fail, first_fail))
    to_verify = plan_series_matrix(opened.loaded, matrix, pattern)
    if to_verify is not None:
        from lab.cli.verify import verify_plan

        whole = pattern is None
        return verify_plan(
            opened, to_verify, verbose=verbose, dry_run=dry_run, json=json, whole=whole
        )
    plan = plan_matrix(opened.loaded, matrix, pattern=pattern)
    return _test(opened, plan, verbose=verbose, dry_run=dry_run, json=json)


def open_lab(file: Path | None) -> Lab:
    """The lab of a ``lab.toml``; the library is imported only when a command needs it."""
    from lab.session import Lab

    return Lab(load_config(file))


def load_config(file: Path | None) -> LoadedConfig:
    """The config of a ``lab.toml``; says on stderr where it is from, if that is to be said."""
    from lab.config import load

    loaded = load(file)
    for note in loaded.notes:
        say(f"lab: {note}", err=True)
    return loaded


def plan_of(
    opened: Lab,
    variants: Iterable[str] | None,
    filesystems: list[str] | None = None,
    suites: list[str] | None = None,
    pattern: str | None = None,
    *,
    machines: list[str] | None = None,
    configs: list[str] | None = None,
) -> Plan:
    from lab.plan import plan_variants

    for config in configs or ():
        if config.endswith(".toml") or "/" in config:
            what = f"no config is named {config!r}: --config takes a name of lab.toml"
            raise UserError(what, where=opened.loaded.locate("configs"), hint=f"--file {config}")
    return plan_variants(
        opened.loaded,
        tuple(variants or ()),
        filesystems=tuple(filesystems or ()),
        suites=tuple(suites or ()),
        pattern=pattern,
        machines=machines or (),
        configs=configs or (),
    )


def one_of_each(plan: Plan, option: str) -> None:
    """Refuse a plan with several configs or machines where one answer a kernel is given.

    Raises:
        UserError: It has several.
    """
    arounds = dict.fromkeys(job.around for job in plan.jobs)
    if len(arounds) > 1:
        what = (
            f"{option} says one thing of a kernel, and this is {len(arounds)} configs and machines"
        )
        raise UserError(what, where=option, hint="--config NAME --machine NAME")


def _named(opened: Lab, names: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The kernels and the suites among them; a suite may go by what its source is called."""
    from lab.suites.suite_source import suites_called

    config = opened.loaded.config
    by_name = {
        name: suites_called(name, config.suites) for name in names if name not in config.kernels
    }
    kernels = [name for name in names if not by_name.get(name)]
    return kernels, [suite for found in by_name.values() for suite in found]


def _of_default_matrix(opened: Lab) -> tuple[Sequence[str], Sequence[str]]:
    """Other people's suites, which are from elsewhere, are not among these as a rule."""
    jobs = plan_of(opened, None).jobs
    kernels = dict.fromkeys(job.variant.kernel for job in jobs)
    return tuple(kernels), tuple(dict.fromkeys(suite for job in jobs for suite in job.suites))


def _build_row(asked: BuildRequest, built: Build | Failure) -> dict[str, object]:
    from lab.builder import Failure

    names = {
        "variant": asked.variant,
        "config": asked.config,
        "fragments": list(asked.fragments),
    }
    if isinstance(built, Failure):
        return {**names, "error": str(built.error)}
    return {
        **names,
        "key": built.key,
        "cached": built.cached,
        "image": str(built.image),
        # The same, as it is called on x86: of before there were others.
        "bzimage": str(built.image),
        "store": built.origin,
        "duration_s": round(built.duration_s, 3),
        "release": built.release,
    }


def _print_build(asked: BuildRequest, built: Build | Failure) -> None:
    from lab.builder import Failure

    if isinstance(built, Failure):
        say(f"lab: {asked.name}: {built.error}", err=True)
    else:
        how = "cached" if built.cached else f"built in {built.duration_s:.1f} s"
        say(f"{asked.name}  {built.release}  {how}\n  {built.image}")


def _build_status(builds: list[Build | Failure]) -> int:
    from lab.builder import Failure

    failures = [built.error for built in builds if isinstance(built, Failure)]
    return worst(failures)


def worst(errors: list[LabError]) -> int:
    """The user's errors come first: a retry mends only the machine's."""
    statuses = {error.status for error in errors}
    return min(statuses) if statuses else ExitStatus.EXPECTED


def with_reproducers(
    opened: Lab, given: list[str] | None, suites: list[str] | None
) -> tuple[Lab, list[str]]:
    """The lab with a suite for each file of --repro, and the suites asked for, these among them."""
    if not given:
        return opened, suites or []
    from lab.suites.given_reproducer import with_reproducers

    loaded, names = with_reproducers(opened.loaded, given, opened.cache)
    return opened.with_config(loaded), [*(suites or []), *names]


def _test(
    opened: Lab, plan: Plan, *, verbose: bool, dry_run: bool, json: bool, bisect: bool = False
) -> int:
    from lab.cli.progress import Show

    if dry_run:
        say_plan(plan, json=json)
        for line in opened.loaded.sources.told_rules():
            say(line, err=True)
        return ExitStatus.EXPECTED
    opened.refuse_pattern(plan)
    with showing_interrupted(verbose=verbose, json=json):
        with Show(opened.cache, quiet=json) as show:
            run = opened.telling(show).test(plan, sys.argv)
        _show_run(run, verbose, json)
    _tell_unmatched(opened, plan, run)
    check_selection(plan, run)
    return _bisect_status(run) if bisect else _run_status(run)


def _bisect_status(run: RunRecord) -> int:
    from lab.analysis.bisect_status import bisect_status

    return bisect_status(run)


def _tell_unmatched(opened: Lab, plan: Plan, run: RunRecord) -> None:
    from lab.plan import plan_matrix

    loaded = opened.loaded
    if plan.name in loaded.config.matrix and plan_matrix(loaded, plan.name).jobs == plan.jobs:
        tell_unmatched(opened, run)


def tell_unmatched(opened: Lab, run: RunRecord) -> None:
    """Name the rules that nothing in the run of a whole matrix was about."""
    from lab.analysis.run_status import unrun
    from lab.analysis.unmatched import unmatched

    # Nobody knows the names of what did not run.
    if unrun(run) or any(job.error is not None for job in run.jobs):
        return
    for keys, what in unmatched(opened.loaded.config, run):
        say(f"{opened.loaded.locate(*keys)}: {what}", err=True)


@contextmanager
def showing_interrupted(*, verbose: bool, json: bool) -> Iterator[None]:
    """Print what an interrupted run has, before it ends the command."""
    from lab.process.interrupt import Interrupted

    try:
        yield
    except Interrupted as stop:
        _show_run(stop.run, verbose, json)
        raise


def most_failures(most: int | None, first: bool) -> int:
    """What --max-fail and -x come to; 0 is no limit."""
    return 1 if first else most or 0


def _show_run(run: RunRecord, verbose: bool, json: bool) -> None:
    from lab.cli.progress import print_json
    from lab.report import to_json

    if json:
        print_json(to_json(run))
    else:
        _print_run(run, verbose)


def say_plan(plan: Plan, *notes: str, json: bool) -> None:
    """A plan that is not going to be carried out, and what else there is to say of it."""
    from lab.cli.progress import print_json

    if json:
        print_json({"plan": plan.to_json(), "notes": list(notes)})
    else:
        say_lines([*plan.describe(), *notes])


def check_selection(plan: Plan, run: RunRecord) -> None:
    """Raise UserError when a pattern picked no test at all, and nothing else was wrong."""
    patterns = {job.pattern for job in plan.jobs} - {None}
    if patterns and not run.results and all(job.error is None for job in run.jobs):
        raise UserError(
            f"no test has a name like {patterns.pop()!r}",
            where="-k",
            hint="`lab test -v` lists all names, like populate.shared-rw.4k",
        )


def _print_run(run: RunRecord, verbose: bool) -> None:
    from rich.console import Console

    from lab.report import print_run

    print_run(run, Console(highlight=False), verbose)


def _run_status(run: RunRecord) -> int:
    from lab.analysis.run_status import run_status

    return run_status(run)
