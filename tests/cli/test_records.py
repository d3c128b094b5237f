# SPDX-License-Identifier: GPL-2.0-only
"""Commands on recorded runs, as a user meets them."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from lab.model.records import RunRecord, TestResult
from lab.model.status import Status
from lab.results import RunFolder, write_json
from lab.results.store import Store
from tests.cli.test_cli import lab, project
from tests.results.conftest import server
from tests.results.made import EVIDENCE, job, result, run
from tests.results.server import Server

pytestmark = pytest.mark.slow

__all__ = ["project", "server"]

IDS = ["20260101-120000-aaaa", "20260102-120000-bbbb", "20260103-120000-cccc"]


def record(place: Path | str, run_id: str, build: str, *results: TestResult) -> RunRecord:
    done = replace(job(*results), evidence=replace(EVIDENCE, build_key=build))
    with Store.open(place) as store:
        store.begin(run(id=run_id))
        store.add_job(run_id, done)
        store.finish(run_id)
        return store.load(run_id)


@pytest.fixture
def nights(project: Path) -> Path:
    """Three nights: all well, one test worse and one gone, well again."""
    place = project / "results" / "lab.db"
    record(place, IDS[0], "1", result("a"), result("b"), result("gone"))
    record(place, IDS[1], "2", result("a", Status.FAIL, message="1 of 1024"), result("b"))
    record(place, IDS[2], "3", result("a"), result("b"))
    return project


def test_compare(nights: Path) -> None:
    done = lab(nights, "compare", "latest~2", "latest~1")
    assert done.returncode == 1
    assert "1 regressed, 1 gone, 1 same" in done.stdout
    assert "pass → fail" in done.stdout
    assert "1 of 1024" in done.stdout
    found = json.loads(lab(nights, "compare", IDS[0], "20260102", "--json").stdout)
    assert found["counts"]["regressed"] == found["counts"]["gone"] == 1
    better = lab(nights, "compare", "latest~1")
    assert better.returncode == 0
    assert "1 fixed, 1 same" in better.stdout
    assert lab(nights, "compare", "latest").returncode == 2
    assert "there is no run 2027" in lab(nights, "compare", "2027").stderr


def test_compare_with_a_baseline(nights: Path) -> None:
    assert lab(nights, "baseline", "latest~2").stdout == f"baseline is {IDS[0]}\n"
    assert json.loads(lab(nights, "compare", "baseline", "--json").stdout)["a"] == IDS[0]
    (row,) = json.loads(lab(nights, "runs", "--named", "--json").stdout)["runs"]
    assert (row["run"], row["baselines"]) == (IDS[0], ["baseline"])
    assert "[baseline]" in lab(nights, "runs").stdout


@pytest.mark.parametrize("results", [(), (result("a", Status.ERROR),)])
def test_a_baseline_without_results_is_none(nights: Path, results: tuple[TestResult, ...]) -> None:
    empty = "20260104-120000-dddd"
    record(nights / "results" / "lab.db", empty, "4", *results)
    for arguments in (("baseline",), ("baseline", empty)):
        done = lab(nights, *arguments)
        assert done.returncode == 2
        assert f"{empty} has no results to compare with" in done.stderr
        assert f"lab baseline {IDS[2]}" in done.stderr
    assert lab(nights, "runs", "--named").stdout == ""


def test_history(nights: Path) -> None:
    rows = json.loads(lab(nights, "history", "a", "--json").stdout)["results"]
    assert [(row["run"], row["status"]) for row in rows] == [
        (IDS[2], "pass"), (IDS[1], "fail"), (IDS[0], "pass"),
    ]  # fmt: skip
    lines = lab(nights, "history", "a").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["a", *reversed(IDS)]
    assert "was pass" in lines[2]
    assert "not as expected" in lines[2]
    none = lab(nights, "history", "nonesuch")
    assert none.returncode == 2
    assert "nonesuch" in none.stderr


def test_show(nights: Path) -> None:
    worse = lab(nights, "show", "latest~1")
    assert worse.returncode == 1
    assert "1 of 1024" in worse.stdout
    plain = lab(nights, "show")
    assert plain.returncode == 0
    verbose = lab(nights, "show", "-v")
    for evidence in ("statx=DAX", "ab" * 32, "boot 0.25 s"):
        assert evidence not in plain.stdout
        assert evidence in verbose.stdout
    assert json.loads(lab(nights, "show", "--json").stdout)["run"] == IDS[2]


def test_export_of_each_form(nights: Path) -> None:
    assert lab(nights, "export").stdout.startswith("<?xml")
    assert lab(nights, "export", "--format", "ktap").stdout.startswith("KTAP version 1\n")
    kcidb = lab(nights, "export", "--format", "kcidb", "-o", "out.json")
    assert kcidb.stdout == ""
    assert len(json.loads((nights / "out.json").read_text())["tests"]) == 2
    assert lab(nights, "export", "--format", "html").returncode == 2
    wrong = lab(nights, "export", "--format", "kcidb", "--origin", "My Lab")
    assert wrong.returncode == 2
    assert "My Lab" in wrong.stderr


def test_results_on_a_server(project: Path, server: Server) -> None:
    url = server.new_database()
    record(url, IDS[0], "1", result("a"))
    (project / "lab.local.toml").write_text(f"[database]\nurl = {json.dumps(url)}\n")
    assert IDS[0] in lab(project, "runs").stdout
    assert not (project / "results").exists()


@pytest.mark.parametrize(
    "url", ["postgresql://lab:hunter2@127.0.0.1:1/x", "lab:hunter2", "quark://lab:hunter2@h/x"]
)
def test_a_password_is_never_shown(project: Path, url: str) -> None:
    (project / "lab.local.toml").write_text(f"[database]\nurl = {json.dumps(url)}\n")
    done = lab(project, "runs")
    assert done.returncode in (2, 3)
    assert "postgresql" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def lost(folder: RunFolder, finished: str | None = None) -> dict[str, Any]:
    """What a run left on disk whose database was away."""
    made = run(job(result("a"), result("b", Status.FAIL)), id=folder.run_id, folder="x")
    write_json(folder.record, asdict(replace(made, jobs=(), finished=None)))
    if finished:
        write_json(folder.job(0, "6.1").record, asdict(made.jobs[0]))
        write_json(folder.document, {"finished": finished})
    return asdict(made.jobs[0])


def test_runs_that_only_a_folder_holds(nights: Path) -> None:
    results = nights / "results"
    killed, unwritten = (RunFolder(results, f"2026010{n}-120000-dddd") for n in (4, 5))
    lost(killed)
    lost(unwritten, "2026-01-05T13:00:00+00:00")
    text = lab(nights, "runs").stdout.splitlines()
    assert text[0].startswith(unwritten.run_id)
    assert "the database could not be written" in text[0]
    assert text[1] == f"{killed.run_id}  NOT RECORDED (killed at its start)"
    running = RunFolder(results, "20260106-120000-dddd")
    with running.held():
        assert "just starting" in lab(nights, "runs").stdout
        lab(nights, "runs", "--recover")
        assert "just starting" in lab(nights, "runs").stdout
    shutil.rmtree(running.path)
    found = json.loads(lab(nights, "runs", "--json").stdout)
    assert found["unrecorded"] == []
    rows = {row["run"]: row for row in found["runs"]}
    assert rows[unwritten.run_id]["finished"] == "2026-01-05T13:00:00+00:00"
    assert rows[unwritten.run_id]["counts"]["fail"] == 1
    assert rows[killed.run_id]["finished"] is None


def test_repro_of_a_run_whose_folder_is_gone(nights: Path) -> None:
    done = lab(nights, "repro", "latest")
    assert done.returncode == 2
    assert "does not hold what it takes" in done.stderr
    assert "no job '7'" in lab(nights, "repro", "latest", "7").stderr
