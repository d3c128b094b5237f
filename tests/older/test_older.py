# SPDX-License-Identifier: GPL-2.0-only
"""Runs that an older lab recorded: read as before, and told in the same words.

``lab.sql`` and ``results`` are what a lab of schema 4 left, cut short: a run of real
guests, one in which a guest died and that was interrupted, one that ``--max-fail`` ended
with errors of every kind, and one that the database never saw.  ``said`` is what that lab
said of them.  JSON may have more keys since; nothing else may differ but what was wrong or
said badly: since then a report says what a baseline was not asked for, and finds what was
printed by a suite with a dot in its name; and a test that is wrong is not "not compiled".
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.model.job_error import Fault
from lab.model.status import Status
from lab.model.unrun import Unrun
from lab.results import Store
from lab.results.recover import recover, unrecorded
from tests.older.said import (
    said_by_pages,
    said_of_jobs,
    said_of_pairs,
    said_of_runs,
    said_of_tests,
)

HERE = Path(__file__).parent
REAL, CUT, ENDED = "20261128-215054-b2a7", "20261129-010203-c0de", "20261129-020304-beef"
UNKNOWN = "20261129-030405-fade"
#: What stands for the folder of the runs in what is kept of that lab.
PLACE = "/results"
PAIRS = (
    (REAL, CUT),
    (CUT, ENDED),
    (f"{REAL}:6.1", f"{REAL}:6.1+reintroduce-bug"),
    (f"{CUT}:6.1", f"{ENDED}:v4.2"),
)


@dataclass(frozen=True)
class Older:
    """What an older lab left, in a folder of the test's own."""

    store: Store
    results: Path

    def same(self, name: str, text: str) -> None:
        """Compare with what that lab said, if that is kept."""
        path = HERE / "said" / name
        if not path.exists():
            return
        said, text = path.read_text(), text.replace(str(self.results), PLACE)
        if path.suffix in {".json", ".kcidb"}:
            missing = list(_missing(json.loads(said), json.loads(text), name))
            assert missing == []
        else:
            assert text.splitlines() == said.splitlines()


def _missing(was: Any, now: Any, place: str) -> Iterator[str]:
    """Where ``now`` lacks something of ``was``; keys of its own are none."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key, value in was.items():
            yield from _missing(value, now.get(key, "nothing"), f"{place}.{key}")
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for number, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from _missing(one, other, f"{place}[{number}]")
    elif was != now:
        yield f"{place}: {was!r} is {now!r}"


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Older]:
    results = tmp_path_factory.mktemp("older") / "results"
    shutil.copytree(HERE / "results", results)
    for path in results.rglob("*"):
        if path.is_file():
            path.write_text(path.read_text().replace(f"{PLACE}/2026", f"{results}/2026"))
    script = (HERE / "lab.sql").read_text().replace(f"{PLACE}/2026", f"{results}/2026")
    with closing(sqlite3.connect(results / "lab.db")) as connection:
        connection.executescript(script)
    with Store.open(results / "lab.db") as store:
        yield Older(store, results)


def test_runs_are_shown_and_exported(older: Older) -> None:
    for name, text in said_of_runs(older.store, (REAL, CUT, ENDED)):
        older.same(name, text)


def test_runs_are_compared(older: Older) -> None:
    for name, text in said_of_pairs(older.store, PAIRS):
        older.same(name, text)


def test_tests_have_their_history(older: Older) -> None:
    older.same("history.txt", said_of_tests(older.store))


def test_jobs_are_repeated(older: Older) -> None:
    for name, text in said_of_jobs(older.store, ((REAL, "1"),)):
        older.same(name, text)


@pytest.mark.parametrize("run", [REAL, CUT, ENDED])
def test_runs_are_reported(older: Older, tmp_path: Path, run: str) -> None:
    """Each page has the same text: what differs is named, and is in ``tmp_path``."""
    lines = []
    for name, text in said_by_pages(older.store, older.results, run, tmp_path / "site"):
        said = text.replace(str(older.results), PLACE)
        lines.append(f"{name}\t{hashlib.sha256(said.encode()).hexdigest()[:12]}")
    older.same(f"{run}/report.txt", "\n".join(lines))


def test_what_was_told_in_words_is_a_value(older: Older) -> None:
    cut, ended = (older.store.load(run) for run in (CUT, ENDED))
    assert [job.fault for job in cut.jobs] == [None, Fault.INTERRUPTED]
    assert [job.fault for job in ended.jobs] == [None, Fault.USER, Fault.MACHINE, None]
    kinds = Counter(one.unrun for one in ended.results)
    assert kinds == {None: 7, Unrun.ENOUGH: 3, Unrun.LOST: 4}
    assert {one.unrun for one in cut.jobs[1].results} == {None, Unrun.INTERRUPTED}
    complained = {one.test: one.complaint for one in cut.results if one.status is Status.CRASH}
    assert complained == {
        "populate.shared-rw.4k": "panic: boom",
        "a.b": "oops: NULL pointer dereference",
    }
    assert {one.complaint for one in ended.results} == {""}
    planned = older.store.load(REAL).planned
    assert planned is not None
    assert (planned.name, planned.suite_runs, len(planned.jobs)) == ("default", 24, 3)
    assert planned.jobs[1].filesystems == ("ext4-dax", "xfs-dax")
    # Nobody knows whether it is the same as any plan of today.
    assert not planned.is_as(planned)


def test_a_signal_that_was_told_in_words_is_a_value(tmp_path: Path) -> None:
    script = (HERE / "lab.sql").read_text()
    row = "'twins','twin-a','error','pass',0.0,'"
    assert script.count(row) == 3
    killed = script.replace(f"{row}did not run: interrupted", f"{row}was killed by SIGBUS; 1 of 2")
    with closing(sqlite3.connect(tmp_path / "lab.db")) as connection:
        connection.executescript(killed)
    with Store.open(tmp_path / "lab.db") as store:
        found = [one for one in store.load(CUT).results if one.signal]
    assert [(one.status, one.signal, one.stopped) for one in found] == [
        (Status.ERROR, "SIGBUS", True)
    ]


def test_a_word_of_ltps_that_was_told_in_words_is_a_value(tmp_path: Path) -> None:
    script = (HERE / "lab.sql").read_text()
    row = "'twins','twin-a','error','pass',0.0,'"
    said = script.replace(f"{row}did not run: interrupted", f"{row}TBROK: mlock() failed")
    assert said != script
    with closing(sqlite3.connect(tmp_path / "lab.db")) as connection:
        connection.executescript(said)
    with Store.open(tmp_path / "lab.db") as store:
        found = [one for one in store.load(CUT).results if one.broke_off]
    assert [(one.status, one.broke_off) for one in found] == [(Status.ERROR, "TBROK")]


def test_setups_have_the_names_they_had(older: Older) -> None:
    """Or a test that ends so and so on one setup would be a change of the kernel's."""
    with closing(sqlite3.connect(older.results / "lab.db")) as connection:
        named = [name for (name,) in connection.execute("SELECT setup FROM jobs ORDER BY number")]
    jobs = [job for run in (REAL, CUT, ENDED) for job in older.store.load(run).jobs]
    assert [job.evidence.setup for job in jobs] == named
    # One job was not built, and two ran on one setup.
    assert len(set(named) - {""}) == 7


def test_a_run_that_only_its_folder_tells_of_is_recorded(older: Older, tmp_path: Path) -> None:
    (found,) = unrecorded(older.results, older.store.known())
    assert found.folder.run_id == UNKNOWN
    with Store.open(tmp_path / "lab.db") as store:
        run = recover(store, found)
        assert run is not None
        assert run == store.load(UNKNOWN)
    assert [(job.variant, str(job.error)) for job in run.jobs] == [
        ("6.1+reintroduce-bug", "interrupted")
    ]
    assert run.jobs[0].interrupted
    assert {one.unrun for one in run.results} == {None, Unrun.INTERRUPTED}
    assert [(one.test, one.ran) for one in run.results] == [
        ("control.shared-rw.4k", True),
        ("populate.shared-rw.4k", True),
        ("populate.private-ro.2m", True),
        ("own.prog (test 1 of 2)", False),
        ("own.prog (test 2 of 2)", False),
        ("twin-a", False),
        ("twin-b", False),
    ]
