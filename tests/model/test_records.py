# SPDX-License-Identifier: GPL-2.0-only
"""Records: expectations, and runs that prove nothing."""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path

import pytest

from lab.model.records import Host, is_as_expected, new_run_id
from lab.model.status import Status
from lab.process import run as run_process
from tests.results.made import job, result, run, slow_and_fast, untested


@pytest.mark.parametrize("expected", Status)
@pytest.mark.parametrize("status", Status)
def test_as_expected(status: Status, expected: Status) -> None:
    assert is_as_expected(status, expected) == (status.value == expected.value)
    assert result(status=status, expected=expected).as_expected == is_as_expected(status, expected)


def test_a_skip_is_no_pass() -> None:
    assert not result(status=Status.SKIP).as_expected
    assert result(status=Status.SKIP, expected=Status.SKIP).as_expected


def test_records_travel_between_processes() -> None:
    record = run(job(result(metrics=slow_and_fast())))
    assert pickle.loads(pickle.dumps(record)) == record


def test_a_run_with_a_result_has_no_problem() -> None:
    assert run(job(result(), result("b", Status.SKIP))).problems == ()


def test_no_evidence_is_a_problem() -> None:
    assert run().problems == ("no test ran",)
    assert run(job()).problems == ("no test ran",)
    for expected in (Status.PASS, Status.SKIP):
        skipped = result(status=Status.SKIP, expected=expected)
        assert "every test was skipped" in run(job(skipped)).problems[0]
    assert run(job(result()), job(variant="v4.2")).problems == ("v4.2: no test ran",)
    assert run(job(result()), job(variant="v4.2", error="no space")).problems == ()
    assert run(job(result()), untested("6.1+fix")).problems == ()
    assert run(untested("6.1+fix")).problems == ("no test ran",)
    assert "did not finish" in run(job(result()), finished=None).problems[0]


def test_run_ids_sort_and_differ() -> None:
    ids = {new_run_id() for _ in range(20)}
    assert len(ids) > 15
    assert all(re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", run_id) for run_id in ids)


def test_this_host() -> None:
    host = Host.this()
    assert host.cpus >= 1
    assert host.system.startswith("Linux ")


def test_records_alone_do_not_load_the_database() -> None:
    script = "import sys, lab.results; print('sqlalchemy' in sys.modules)"
    root = Path(__file__).parents[2]
    assert run_process([sys.executable, "-c", script], cwd=root).stdout == "False\n"
