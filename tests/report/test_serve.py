# SPDX-License-Identifier: GPL-2.0-only
"""``lab report --serve``: loopback alone, and what it tells of a run that goes on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lab.errors import InfrastructureError, UserError
from lab.model.planned import JobPlan, Planned
from lab.model.variant import Variant
from lab.report.site.progress import progress
from lab.report.site.serve import ReportRequest, served
from lab.results import RunFolder, Store, write_text
from lab.results.hosts import Doing, write_hosts
from lab.results.under_way import being_built, building_shown
from tests.results.made import job, result, run

pytestmark = pytest.mark.slow


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def store(results: Path) -> Iterator[Store]:
    with Store.open(results / "lab.db") as opened:
        folder = RunFolder(results, "20260101-120000-ab12")
        jobs = [_planned(name, "mlock", "own.suite") for name in ("6.1", "v4.2")]
        planned = Planned("default", "d", tuple(jobs))
        store_run = run(folder=str(folder.path), planned=planned)
        opened.begin(replace(store_run, jobs=()))
        write_text(folder.job(0, "6.1").console, "[ 1.0] booting\n")
        write_text(folder.job(0, "6.1").ktap("ext4-dax", "mlock", "mlock"), "1..1\nok 1 x\n")
        opened.add_job(folder.run_id, job(result()))
        yield opened


def _planned(variant: str, *suites: str) -> JobPlan:
    return JobPlan(Variant(variant), "default", "default", ("ext4-dax",), suites)


def get(address: str, path: str, host: str | None = None) -> tuple[int, str]:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_pages_are_served_and_nothing_else(store: Store, results: Path) -> None:
    with served(store, ReportRequest(results)) as address:
        assert address.startswith("http://127.0.0.1:")
        status, text = get(address, "/")
        assert (status, "Not finished: 1 result so far" in text) == (200, True)
        assert get(address, "/logs/")[0] == 404
        assert get(address, "/../../../lab.db")[0] == 404
        assert get(address, "/%2e%2e/%2e%2e/lab.db")[0] == 404


@pytest.mark.parametrize(
    "path", ["/x%00", "/%00", "/live%00", "/" + "a" * 5000, "/%ff%fe", "/%", "//", "/..%2f..%2f"]
)
def test_odd_names_are_only_not_there(
    store: Store, results: Path, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with served(store, ReportRequest(results)) as address:
        assert get(address, path)[0] in (200, 301, 404)
        assert get(address, "/")[0] == 200
    assert capfd.readouterr().err == ""


def test_a_page_of_another_host_gets_no_answer(store: Store, results: Path) -> None:
    with served(store, ReportRequest(results)) as address:
        assert get(address, "/", host="evil.example:80")[0] == 403
        assert get(address, "/live", host="evil.example")[0] == 403


def test_progress_comes_live_and_the_report_is_written_anew(store: Store, results: Path) -> None:
    with served(store, ReportRequest(results)) as address:
        connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
        connection.request("GET", "/live")
        stream = connection.getresponse()
        first = json.loads(stream.readline().decode().removeprefix("data: "))
        assert (first["done"], first["total"]) == (1, 4)
        assert "1 kernel recorded, 1 result" in first["text"]
        assert "booting" in first["text"]

        store.add_job("20260101-120000-ab12", job(result(variant="v4.2"), variant="v4.2"))
        said = first
        while said["edition"] == first["edition"]:
            line = stream.readline().decode()
            said = json.loads(line.removeprefix("data: ")) if line.startswith("data") else said
        assert "v4.2" in get(address, "/")[1]

        store.finish("20260101-120000-ab12")
        while said["text"]:
            line = stream.readline().decode()
            said = json.loads(line.removeprefix("data: ")) if line.startswith("data") else said
        connection.close()


def test_what_a_run_that_goes_on_has_not_yet_is_no_error(store: Store, results: Path) -> None:
    """Its page had "Errors of the lab: the run did not finish", and each test to come as one."""
    number = "20260101-120000-ab12"
    before = run(id="20251231-120000-ab12", started="2025-12-31T12:00:00+00:00")
    store.begin(before)
    store.add_job(before.id, job(result(variant="v4.2"), variant="v4.2"))
    store.finish(before.id)
    told = ("Errors of the lab", "did not finish")
    with served(store, ReportRequest(results, run=number, baseline=before.id)) as address:
        page = get(address, "/")[1]
    assert [word for word in told if word in page] == []
    assert "Not finished: 1 result so far" in page
    # Nobody is at work on it any more: it says so.
    for path in (*results.rglob("console.log"), results / number):
        os.utime(path, (0, 0))
    with served(store, ReportRequest(results, run=number, baseline=before.id)) as address:
        page = get(address, "/")[1]
    assert [word for word in told if word in page] == [*told]


def test_a_run_that_has_only_begun_is_compared_with_nothing(store: Store, results: Path) -> None:
    """ "Nothing: 0 tests ended as they did then", and that no test ran."""
    begun = RunFolder(results, "20260102-120000-ab12")
    store.finish("20260101-120000-ab12")
    store.begin(run(id=begun.run_id, started="2026-01-02T12:00:00+00:00", folder=str(begun.path)))
    write_text(begun.job(0, "6.1").console, "[ 1.0] booting\n")
    asked = ReportRequest(results, run=begun.run_id, baseline="20260101-120000-ab12")
    for goes_on in (True, False):
        if not goes_on:
            store.finish(begun.run_id)
        with served(store, asked) as address:
            page = get(address, "/")[1]
        assert ("no test ran" not in page) == goes_on
        assert ("Changed since" not in page) == goes_on


def test_a_run_of_this_host_that_was_killed_is_over_at_once(store: Store, results: Path) -> None:
    """It went on for a quarter of an hour, as far as the page knew."""
    begun = RunFolder(results, "20260102-120000-ab12")
    host = replace(run().host, name=platform.node())
    store.begin(run(id=begun.run_id, started="2026-01-02T12:00:00+00:00", host=host))
    with begun.held():
        write_text(begun.job(0, "6.1").console, "[ 1.0] booting\n")
        assert progress(store.summary(begun.run_id), begun.path).text
    assert not progress(store.summary(begun.run_id), begun.path).text


def test_suites_are_counted_and_not_what_their_programs_and_tests_left(
    store: Store, results: Path
) -> None:
    folder = RunFolder(results, "20260101-120000-ab12")
    place = folder.job(0, "6.1").path / "ext4-dax"
    for name in ("mlock.other", "mlock.mlock.a", "mlock.mlock.b", "mlock.mlock.c", "mlock.mlock.d"):
        write_text(place / f"{name}.ktap", "1..1\nok 1 x\n")
    found = progress(store.summary(), folder.path)
    assert (found.done, found.total) == (1, 4)
    write_text(place / "own.suite.program.ktap", "1..1\nok 1 x\n")
    write_text(folder.job(1, "v4.2").path / "ext4-dax" / "mlock.mlock.ktap", "1..1\nok 1 x\n")
    assert progress(store.summary(), folder.path).done == 3


def test_what_other_hosts_are_at_is_told(store: Store, results: Path) -> None:
    """Their guests leave nothing here before they end, however long that takes."""
    folder = RunFolder(results, "20260101-120000-ab12")
    for path in (*folder.path.glob("jobs/*/console.log"), folder.path):
        os.utime(path, (0, 0))
    assert progress(store.summary(), folder.path).text == ""
    rows = [Doing(f"host{n}", "6.1", "its guest: Run /init", n % 2) for n in range(20)]
    write_hosts(folder.hosts, rows)
    found = progress(store.summary(), folder.path)
    assert "host15: 6.1: its guest: Run /init, and 4 more" in found.text
    assert (found.done, found.total) == (4, 4)
    write_hosts(folder.hosts, rows[:2])
    assert progress(store.summary(), folder.path).done == 2


def test_a_first_run_is_waited_for_and_then_shown(results: Path) -> None:
    """While its kernels are built nothing is recorded, and who looks is to see that they are."""
    row = Doing("here", "6.1", "CC mm/gup.o, step 3 of 1400")
    with (
        Store.open(results / "lab.db") as store,
        building_shown(results, lambda: (row,)),
        served(store, ReportRequest(results)) as address,
    ):
        assert "No run is recorded yet" in get(address, "/")[1]
        assert get(address, "/report.js")[0] == 200
        connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
        connection.request("GET", "/live")
        stream = connection.getresponse()
        first = said = json.loads(stream.readline().decode().removeprefix("data: "))
        while not said["text"]:
            said = _next(stream, said)
        assert said["text"] == ("Building for the next run, here: 6.1: CC mm/gup.o, step 3 of 1400")
        folder = RunFolder(results, "20260101-120000-ab12")
        planned = Planned("default", "d", (_planned("6.1", "mlock"),))
        store.begin(replace(run(folder=str(folder.path), planned=planned), jobs=()))
        while said["edition"] == first["edition"]:
            said = _next(stream, said)
        assert "20260101-120000-ab12" in get(address, "/")[1]
        connection.close()
    assert list(results.glob("building/*")) == []


def _next(stream: HTTPResponse, before: dict[str, Any]) -> dict[str, Any]:
    line = stream.readline().decode()
    return json.loads(line.removeprefix("data: ")) if line.startswith("data") else before


def test_what_a_killed_lab_built_is_told_no_more(results: Path) -> None:
    stale = results / "building" / "1-abc.json"
    write_hosts(stale, [Doing("here", "6.1", "CC mm/gup.o")])
    assert len(being_built(results)) == 1
    os.utime(stale, (0, 0))
    assert being_built(results) == ()
    with building_shown(results, tuple):
        assert not stale.exists()


def test_a_run_that_is_not_there_is_refused_all_the_same(results: Path) -> None:
    with (
        Store.open(results / "lab.db") as store,
        pytest.raises(UserError),
        served(store, ReportRequest(results, "2026")),
    ):
        pass


def test_a_port_that_is_taken_is_named(store: Store, results: Path) -> None:
    with served(store, ReportRequest(results)) as address:
        port = urlsplit(address).port or 0
        with (
            pytest.raises(InfrastructureError, match="cannot listen"),
            served(store, ReportRequest(results), port),
        ):
            pass
