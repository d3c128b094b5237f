# SPDX-License-Identifier: GPL-2.0-only
"""``lab nightly``: test every night, tell only what changed."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.commands import DryRun, File, Json, app, open_lab, say_plan, tell_unmatched
from lab.cli.lines import say, say_lines
from lab.errors import ExitStatus

if TYPE_CHECKING:
    from lab.session import Lab


#: What --file was called in the units of an older lab: its nights must not end in silence.
UnitFile = Annotated[Path | None, typer.Option("--config", hidden=True)]


@app.command()
def nightly(
    install: Annotated[
        bool, typer.Option("--install", help="Write systemd user units; print a crontab line.")
    ] = False,
    at: Annotated[str, typer.Option("--at", metavar="HH:MM", help="With --install.")] = "02:30",
    dry_run: DryRun = False,
    file: File = None,
    unit_file: UnitFile = None,
    json: Json = False,
) -> int:
    """Test, compare with the last night, tell what changed."""
    if unit_file is not None:
        say("lab: --config is --file now: `lab nightly --install` again", err=True)
    file = file or unit_file
    opened = open_lab(file)
    if install:
        return _install(opened, file, at, json)
    if dry_run:
        return _describe(opened, json)
    return _nightly(opened, json)


def _nightly(opened: Lab, json: bool) -> int:
    from lab.cli.progress import Show, print_json
    from lab.nightly import nightly as run_nightly
    from lab.nightly.message import document_of, text_of
    from lab.nightly.notify import tell

    with Show(opened.cache, quiet=json) as show:
        night = run_nightly(opened.telling(show), sys.argv, partial(tell, opened.loaded))
    if json:
        print_json(document_of(night))
    else:
        say_lines(text_of(night).splitlines())
        say_lines(f"told: {line}" for line in night.told)
    tell_unmatched(opened, night.run)
    return night.status


def _describe(opened: Lab, json: bool) -> int:
    from lab.nightly import nightly_plan
    from lab.nightly.channel import channels
    from lab.plan import SeriesPlan

    plan = nightly_plan(opened.loaded)
    asked = opened.loaded.config.nightly
    notes = [f"what got worse is repeated {asked.reruns} times"]
    if asked.bisect:
        notes.append(f"what got worse is bisected for {asked.bisect_budget:g} s at most")
    notes += [channel.plan for channel in channels(opened.loaded).values()]
    say_plan(plan.plan if isinstance(plan, SeriesPlan) else plan, *notes, json=json)
    return ExitStatus.EXPECTED


def _install(opened: Lab, file: Path | None, at: str, json: bool) -> int:
    from lab.cli.progress import print_json
    from lab.nightly.timer import install

    name = file.name if file is not None and not file.is_dir() else "lab.toml"
    units = install(opened.loaded.root / name, at)
    if json:
        files = [str(units.service), str(units.timer)]
        print_json({"files": files, "enable": list(units.enable), "crontab": units.crontab})
        return ExitStatus.EXPECTED
    say(f"wrote {units.service}\nwrote {units.timer}\nto start the timer:")
    for command in units.enable:
        say(f"  {command}")
    say(f"or, with cron:\n  {units.crontab}")
    return ExitStatus.EXPECTED
