# SPDX-License-Identifier: GPL-2.0-only
"""``lab bisect``: which commit it was, proved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, log2
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.bisect_subject import Given, Of, subject_of
from lab.cli.bisecting import Asking, document_of, print_bisection
from lab.cli.boot import Config, Machine
from lab.cli.commands import (
    DryRun,
    File,
    Filesystems,
    Json,
    Pattern,
    Suites,
    app,
    load_config,
    open_lab,
)
from lab.cli.help import Group, Typer
from lab.cli.lines import say
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.bisect.folder import Bisections
    from lab.bisect.log import Log
    from lab.bisect.question import Question
    from lab.bisect.subjects.setup import Buildable
    from lab.bisect.trier import Asked
    from lab.session import Lab

#: What is not the name of a command below is what that one is given.
_DEFAULT = "start"


class _Group(Group):
    """``lab bisect 6.1 …`` is ``lab bisect start 6.1 …``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Add the command where none is named."""
        if args and args[0] not in (*self.commands, "--help", "-h"):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


bisect_app = Typer()
bisect_app.info.cls = _Group
app.add_typer(
    bisect_app, name="bisect", help="Find what broke it (commit, patch, option), and prove it."
)

Named = Annotated[str | None, typer.Argument(metavar="ID", help="The newest without one.")]


@bisect_app.callback()
def _main() -> None:
    pass


@bisect_app.command(_DEFAULT)
def start(
    kernel: Annotated[
        str | None, typer.Argument(metavar="KERNEL", help="A kernel of lab.toml.")
    ] = None,
    of: Annotated[
        Of, typer.Option("--of", metavar="KIND", help="What is between the ends.")
    ] = Of.COMMITS,
    tree: Annotated[
        Path | None, typer.Option("--tree", metavar="DIR", help="Commits of this repository.")
    ] = None,
    good: Annotated[
        list[str] | None,
        typer.Option("--good", metavar="END", help="Passes; of commits repeatable."),
    ] = None,
    bad: Annotated[str | None, typer.Option("--bad", metavar="END", help="Fails.")] = None,
    old: Annotated[
        list[str] | None, typer.Option("--old", metavar="END", help="Before the change.")
    ] = None,
    new: Annotated[str | None, typer.Option("--new", metavar="END", help="With it.")] = None,
    pattern: Pattern = None,
    complaint: Annotated[
        str | None, typer.Option("--complaint", metavar="TITLE", help="The kernel says this.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", metavar="EXPR", help='As "NAME > 2 x good".')
    ] = None,
    boots: Annotated[bool, typer.Option("--boot", help="Whether it boots.")] = False,
    builds: Annotated[bool, typer.Option("--build", help="Whether it builds.")] = False,
    on_top: Annotated[
        list[str] | None, typer.Option("--with", metavar="SERIES", help="On top; repeatable.")
    ] = None,
    first_parent: Annotated[
        bool, typer.Option("--first-parent", help="Only these of merges.")
    ] = False,
    confidence: Annotated[
        float, typer.Option("--confidence", metavar="C", help="How sure it is to be. [0.99]")
    ] = 0.99,
    filesystem: Filesystems = None,
    suite: Suites = None,
    machine: Machine = None,
    config: Config = None,
    dry_run: DryRun = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Find what made the difference between two ends, and prove it.

    KIND: commits, the patches of --with SERIES, its revisions, releases (kernels of lab.toml),
    options (of two configs), toolchains (two compilers), mends.
    """
    from lab.cli.progress import HowFar

    opened = open_lab(file)
    series = tuple(on_top or ())
    asked = _asked(filesystem, suite, machine, config)
    _require(opened, kernel, series, asked)
    if config and of is Of.OPTIONS:
        raise UserError("--config: the ends are configs", hint=f"lab bisect --help: --of {of}")
    words, olds, last = _ends(good, bad, old, new)
    # What is mended fails without: nobody names the ends.
    words = ("old", "new") if of is Of.MENDS else words
    if not 0 < confidence < 1:
        raise UserError(f"--confidence {confidence:g} is not between 0 and 1", hint="0.99")
    question = question_of(pattern, complaint, metric, boots=boots, builds=builds)
    question = _of_any_error(question) if of is Of.MENDS else question
    given = Given(kernel, tree, words, olds, last, series, first_parent)
    with (
        HowFar(lambda line: say(f"lab:   {line}", err=True)) as how_far,
        subject_of(opened.telling(how_far), of, given) as subject,
    ):
        if dry_run:
            return _describe(subject, question, words, json=json)
        return Asking(opened, subject, question, words, confidence, asked).run(json=json)


@bisect_app.command("log")
def show_log(name: Named = None, file: File = None, json: Json = False) -> int:
    """Print the steps of a bisection, with what each cost."""
    from lab.bisect.words import log_lines

    chosen, log = _bisections(file).named(name)
    return print_bisection(json, document_of(chosen, log), log_lines(log))


@bisect_app.command()
def visualize(name: Named = None, file: File = None, json: Json = False) -> int:
    """Print what was tried, the newest first, and where the change is."""
    from lab.bisect.words import picture

    chosen, log = _bisections(file).named(name)
    return print_bisection(json, document_of(chosen, log), picture(log))


@bisect_app.command()
def replay(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A log, of any lab.")],
    file: File = None,
    json: Json = False,
) -> int:
    """Take a log over: the command that began it goes on from it."""
    chosen, log = _bisections(file).take(source)
    return print_bisection(json, document_of(chosen, log), [f"{chosen}: {_going_on(log)}"])


@bisect_app.command()
def undo(name: Named = None, file: File = None, json: Json = False) -> int:
    """Forget the last step: it is tried again."""
    from lab.bisect.log import Undone
    from lab.model.records import now

    bisections = _bisections(file)
    chosen, _ = bisections.named(name)
    with bisections.held(chosen) as log:
        if not (last := log.steps):
            hint = "the command that began it: lab bisect log"
            raise UserError("nothing was tried yet", where=log.path, hint=hint)
        log.add(Undone(last, now()))
    return print_bisection(
        json, document_of(chosen, log), [f"step {last} is undone: {_going_on(log)}"]
    )


def question_of(
    pattern: str | None, complaint: str | None, metric: str | None, *, boots: bool, builds: bool
) -> Question:
    """The one question that is asked.

    Raises:
        UserError: There are several, or none.
    """
    from lab.bisect.of_build import OfBoot, OfBuild
    from lab.bisect.of_complaint import OfComplaint
    from lab.bisect.of_metric import OfMetric, parse_threshold
    from lab.bisect.of_test import OfTest

    given = {"--complaint": complaint, "--metric": metric, "--boot": boots, "--build": builds}
    named = [name for name, value in given.items() if value]
    if pattern and (boots or builds):
        named.append("-k")
    if len(named) > 1:
        raise UserError(f"{' and '.join(named)}: that is more than one question", hint="one")
    if not named and not pattern:
        hint = "-k TEST, --complaint TITLE, --metric EXPR, --boot or --build"
        raise UserError("what is to be asked of each kernel between the ends?", hint=hint)
    if boots or builds:
        return OfBoot() if boots else OfBuild()
    if complaint:
        return OfComplaint(complaint, pattern)
    if metric:
        return OfMetric(" ".join(metric.split()), parse_threshold(metric), pattern)
    return OfTest(pattern)


def _of_any_error(question: Question) -> Question:
    """The same, where each of what is mended is another error, which hides those behind it."""
    from lab.bisect.of_build import OfBuild

    return OfBuild(however=True) if isinstance(question, OfBuild) else question


def _ends(
    good: Sequence[str] | None, bad: str | None, old: Sequence[str] | None, new: str | None
) -> tuple[tuple[str, str], tuple[str, ...], str]:
    """What the sides are called, the old ends, and the new one."""
    if (good or bad) and (old or new):
        raise UserError("--good and --bad, or --old and --new", hint="one of the two pairs")
    if old or new:
        return ("old", "new"), tuple(old or ()), new or ""
    return ("good", "bad"), tuple(good or ()), bad or ""


def _asked(
    filesystems: Sequence[str] | None,
    suites: Sequence[str] | None,
    machine: str | None,
    config: str | None,
) -> Asked:
    """What is tested of each point; what was not named is what ``lab test`` takes."""
    from lab.bisect.trier import Asked

    found = Asked(tuple(filesystems or ()), tuple(suites or ()))
    return replace(found, machine=machine or found.machine, config=config or found.config)


def _require(opened: Lab, kernel: str | None, series: Sequence[str], asked: Asked) -> None:
    """Refuse names that nobody defined before anything else is looked at."""
    opened.loaded.require("kernel", *([kernel] if kernel else []))
    opened.loaded.require("series", *series)
    opened.loaded.require("filesystem", *asked.filesystems)
    opened.loaded.require("suite", *asked.suites)
    opened.loaded.require("machine", asked.machine)
    opened.loaded.require("config", asked.config)


def _describe(subject: Buildable, question: Question, words: tuple[str, str], *, json: bool) -> int:
    """What would be done; nothing is tried."""
    left = subject.search.left(())
    steps = ceil(log2(left)) if left > 1 else 0
    # What takes several parts together takes more of them.
    about = "at least" if subject.new.parts else "about"
    lines = [
        f"{subject.name}: {question.name}",
        *(f"  {words[0]}: {point}" for point in subject.old),
        f"  {words[1]}: {subject.new}",
        f"  {_candidates(subject, left, words[1])}: both ends, {about} {steps} steps, a proof",
        # What is too long for a step's line goes by these numbers there.
        *(f"  {number:3} {part}" for number, part in enumerate(subject.new.parts, start=1)),
    ]
    document = {
        "subject": subject.name,
        "question": question.name,
        words[0]: [point.key for point in subject.old],
        words[1]: subject.new.key,
        "candidates": left,
        "steps": steps,
    }
    return print_bisection(json, document, lines)


def _candidates(subject: Buildable, left: int, word: str) -> str:
    if subject.new.parts:
        return f"any of {left} {subject.noun}s, or several together"
    return f"{left} can be the first {word} {subject.noun}"


def _bisections(file: Path | None) -> Bisections:
    from lab.bisect.folder import Bisections
    from lab.session import Lab

    return Bisections(Lab(load_config(file)).results)


def _going_on(log: Log) -> str:
    from lab.model.records import command_line

    return f"{command_line(log.begun.command)} goes on from there"
