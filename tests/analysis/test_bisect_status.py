# SPDX-License-Identifier: GPL-2.0-only
"""What a run says to git bisect: a commit is bad only for what it was asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab.analysis.bisect_status import BisectStatus, bisect_status
from lab.model.records import GuestUse, JobRecord, RunRecord, TestResult
from lab.model.status import Status
from lab.model.unrun import Unrun
from tests.results.made import EVIDENCE, job, noted, result, run

GUEST = GuestUse("", "", ())


def booted(*results: TestResult, **more: Any) -> JobRecord:
    made = job(*results, **more)
    return replace(made, evidence=replace(EVIDENCE, guests=(GUEST,)))


@pytest.mark.parametrize(
    ("recorded", "status"),
    [
        (run(booted(result())), BisectStatus.GOOD),
        (run(booted(result(status=Status.FAIL, expected=Status.FAIL))), BisectStatus.GOOD),
        (run(booted(result(), result("b", Status.FAIL))), BisectStatus.BAD),
        (run(booted(result("b", Status.CRASH))), BisectStatus.BAD),
        (run(booted(result(), complaints=(noted(),))), BisectStatus.BAD),
        (run(booted(result("mlock", Status.ERROR, signal="SIGBUS"))), BisectStatus.BAD),
        (run(booted(result("b", Status.ERROR, broke_off="TBROK"))), BisectStatus.SKIP),
        # It was never asked: it did not boot, build or take its patches.
        (run(job(result("mlock", Status.CRASH))), BisectStatus.SKIP),
        (run(job(result("mlock", Status.TIMEOUT))), BisectStatus.SKIP),
        (run(job(error="mm/gup.c: does not compile", users_fault=True)), BisectStatus.SKIP),
        (run(booted(result(), result("b", Status.SKIP))), BisectStatus.SKIP),
        (run(booted(result("a", Status.SKIP), result("b", Status.FAIL))), BisectStatus.BAD),
        # Another kernel of the run was.
        (
            run(job(result("mlock", Status.CRASH)), booted(result("b", Status.FAIL))),
            BisectStatus.BAD,
        ),
        # Nobody's commit.
        (run(booted(result("mlock", Status.ERROR))), BisectStatus.ABORT),
        (run(booted(result("mlock", Status.ERROR, users_fault=True))), BisectStatus.ABORT),
        (run(job(error="no space left")), BisectStatus.ABORT),
        (run(booted(result(), result("c", Status.ERROR, unrun=Unrun.LOST))), BisectStatus.ABORT),
        (run(), BisectStatus.ABORT),
        (run(booted(result()), finished=None), BisectStatus.ABORT),
    ],
)
def test_what_git_is_told(recorded: RunRecord, status: BisectStatus) -> None:
    assert bisect_status(recorded) is status
