# SPDX-License-Identifier: GPL-2.0-only
"""Rules that nothing in a whole matrix was about are named, whichever command ran it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.analysis.series_verdict import Verification
from lab.cli.commands import tell_unmatched
from lab.cli.nightly import _nightly
from lab.cli.verify import verify_plan
from lab.config import load
from lab.model.records import RunRecord
from lab.model.status import Status
from lab.nightly import Judgement, Night
from lab.plan import plan_series_matrix
from lab.session import Lab
from tests.config.conftest import GOOD, Project
from tests.results.made import job, result, run

RUN = run(job(result("mlock.a")))
RULE = """
[matrix.history]
series = "mend"
variants = ["6.1"]

[[expect]]
tests = ["mlok.*"]
status = "fail"
reason = "a typo"
"""
TOLD = "no test has a name like 'mlok.*': it expected nothing\n"


@pytest.fixture
def opened(tmp_path: Path) -> Lab:
    project = Project(tmp_path)
    project.toml.write_text(GOOD + RULE)
    return Lab(load(project.toml))


def test_after_a_matrix_with_a_series(
    opened: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = Verification("mend", "", (), RUN)
    monkeypatch.setattr("lab.session.Lab.verify", lambda *_, **__: done)
    monkeypatch.setattr("lab.report.print_verification", lambda *_: None)
    monkeypatch.setattr("lab.cli.commands.check_selection", lambda *_: None)
    plan = plan_series_matrix(opened.loaded, "history")
    assert plan is not None
    for whole in (False, True):
        verify_plan(opened, plan, verbose=False, dry_run=False, json=False, whole=whole)
        assert capsys.readouterr().err.endswith(TOLD) is whole


def test_after_a_night(
    opened: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    night = Night("history", RUN, Judgement(()))
    monkeypatch.setattr("lab.nightly.nightly", lambda *_: night)
    _nightly(opened, json=False)
    assert capsys.readouterr().err.endswith(TOLD)


def test_what_did_not_run_is_not_missed(opened: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    unrun = result("p (test 2 of 2)", Status.ERROR, message="did not run: because")
    record: RunRecord = run(job(result("mlock.a"), unrun))
    tell_unmatched(opened, record)
    assert capsys.readouterr().err == ""
