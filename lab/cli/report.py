# SPDX-License-Identifier: GPL-2.0-only
"""``lab report``: a run as pages to look at."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lab.cli.commands import File, Json, app, open_lab
from lab.cli.lines import say
from lab.errors import ExitStatus


@app.command()
def report(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="An id, its beginning, latest~1, a baseline.")
    ] = "latest",
    baseline: Annotated[
        str | None, typer.Option(help="Compare with this run.", metavar="RUN")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The folder to write.", metavar="DIR")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve it on loopback, with a run's progress.")
    ] = False,
    port: Annotated[
        int,
        typer.Option("--port", metavar="N", min=0, max=65535, help="With --serve; 0 is any."),
    ] = 0,
    browse: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Write a run as static HTML pages, or serve them."""
    from lab.bisect.records import bisection_records
    from lab.report.site.publish import publish
    from lab.results import Store

    opened = open_lab(file)
    bisections = partial(bisection_records, opened.results)
    with Store.open(opened.database) as store:
        if serve:
            from lab.process.interrupt import Terminated
            from lab.report.site.serve import ReportRequest, served

            with served(
                store, ReportRequest(opened.results, run, baseline, output, bisections), port
            ) as address:
                _say(address, browse, json)
                # It has nothing to go on with: to end it by any signal is to end it well.
                with suppress(KeyboardInterrupt, Terminated):
                    signal.pause()
            return ExitStatus.EXPECTED
        lost: list[str] = []
        page = publish(store, opened.results, run, baseline, output, lost.append, bisections)
    _say(str(page), browse, json)
    for trouble in lost:
        say(f"lab: a page could not be made: {trouble}", err=True)
    return ExitStatus.INFRASTRUCTURE if lost else ExitStatus.EXPECTED


def _say(where: str, browse: bool, json: bool) -> None:
    from lab.cli.progress import print_json

    if json:
        print_json({"report": where})
        sys.stdout.flush()
    else:
        say(where)
    if browse:
        typer.launch(where)
