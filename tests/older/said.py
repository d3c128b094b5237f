# SPDX-License-Identifier: GPL-2.0-only
"""What the lab says of recorded runs, as text: each command's words, and a report's pages."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from rich.console import Console

from lab.analysis.compare import compare
from lab.analysis.side import Side, as_one_variant
from lab.report import print_run, to_json
from lab.report.changes import comparison_lines, history_lines
from lab.report.evidence import evidence_lines
from lab.report.export.exporter import exported
from lab.report.repro import repro_script
from lab.report.site.publish import publish
from lab.results import Store


def said_of_runs(store: Store, runs: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What ``show`` and ``export`` say of each, and ``runs`` of all: (file name, text)."""
    yield "runs.txt", "".join(f"{one.line()}\n" for one in store.runs())
    for run in runs:
        record = store.load(run)
        stream = io.StringIO()
        print_run(record, Console(file=stream, highlight=False), True)
        lines = (f"{line}\n" for line in evidence_lines(record))
        yield f"{run}/show.txt", stream.getvalue() + "".join(lines)
        yield f"{run}/show.json", json.dumps(to_json(record), indent=1) + "\n"
        for form in ("junit", "ktap", "kcidb"):
            yield f"{run}/export.{form}", exported(record, form)


def said_of_pairs(store: Store, pairs: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    """What ``compare`` says, in words and as JSON."""
    for number, (a, b) in enumerate(pairs):
        first = Side.parse(a, store)
        sides = first, Side.parse(b, store, first.variant)
        before, after = (side.load(store) for side in sides)
        unstable = store.unstable(before, after)
        found = compare(*as_one_variant(before, after, sides), unstable)
        yield f"compare-{number}.txt", "".join(f"{t}\n" for t in comparison_lines(found, True))
        yield f"compare-{number}.json", json.dumps(found.to_json(), indent=1) + "\n"


def said_of_tests(store: Store) -> str:
    """What ``history`` says of all tests."""
    return "".join(f"{line}\n" for line in history_lines(store.history("*")))


def said_of_jobs(store: Store, jobs: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    """The scripts of ``repro``."""
    for run, job in jobs:
        yield f"{run}/repro.sh", repro_script(store.load(run), job)


def said_by_pages(store: Store, results: Path, run: str, output: Path) -> Iterator[tuple[str, str]]:
    """The text of the pages of ``report``, by their names."""
    lost: list[str] = []
    publish(store, results, run, None, output, lost.append)
    assert not lost
    for path in sorted(output.rglob("*.html")):
        reader = _Text()
        reader.feed(path.read_text())
        yield str(path.relative_to(output)), " ".join("".join(reader.said).split())


class _Text(HTMLParser):
    """The text between the tags, and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.said += [f" <{value}> " for name, value in attrs if tag == "a" and name == "href"]

    def handle_data(self, data: str) -> None:
        self.said.append(data)
