# SPDX-License-Identifier: GPL-2.0-only
"""The protocol of b4's checks: a mail in, a JSON list out, whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.analysis.series_verdict import KernelVerdict, Verification
from lab.analysis.verdict import TestVerdict, Verdict
from lab.cli.review_check import _told
from lab.model.status import Outcome, Status

ROOT = Path(__file__).parents[2]


def asked(mail: str) -> tuple[int, list[dict[str, str]]]:
    done = subprocess.run(
        [sys.executable, "-m", "lab", "review-check", "-C", str(ROOT / "lab.toml"), "6.1"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=mail,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


@pytest.mark.slow
def test_what_is_no_mail_is_a_row_and_no_broken_check() -> None:
    """Nor is it a word on a patch."""
    status, (row,) = asked("nothing")
    assert status == 0
    assert (row["tool"], row["status"]) == ("lab", "warn")
    assert "not one mail" in row["summary"]
    assert set(row) == {"tool", "status", "summary", "url", "details"}


@pytest.mark.slow
def test_nothing_is_said_of_a_later_part_of_a_series() -> None:
    mail = "From: a@example.org\nMessage-ID: <2@example.org>\nSubject: [PATCH 2/3] mm: x\n\nx\n"
    assert asked(mail) == (0, [])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["-", __file__])
def test_a_mail_that_calls_itself_like_a_file(name: str) -> None:
    mail = f"From: a@example.org\nMessage-ID: <{name}>\nSubject: [PATCH 0/3] mm: x\n\nx\n"
    status, (row,) = asked(mail)
    assert (status, row["status"]) == (0, "warn")
    assert row["summary"] == f"<{name}> is no Message-Id that an archive can be asked for"


def one(verdict: Verdict) -> TestVerdict:
    return TestVerdict("6.1", "ext4-dax", "mlock", "x", Status.PASS, Status.PASS, verdict)


@pytest.mark.parametrize(
    ("outcome", "verdict", "doubt", "status"),
    [
        (Outcome.FIXED, Verdict.FIXED, "", "pass"),
        (Outcome.FIXED, Verdict.FIXED, "not proved", "warn"),
        (Outcome.NO_CHANGE, Verdict.STILL_PASSING, "", "pass"),
        (Outcome.NO_CHANGE, Verdict.STILL_FAILING, "", "warn"),
        (Outcome.REGRESSED, Verdict.REGRESSED, "", "fail"),
        (Outcome.DOES_NOT_APPLY, None, "", "fail"),
        (Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE, "", "warn"),
        (Outcome.UPSTREAM, None, "", "warn"),
        (Outcome.NO_CHANGE, None, "", "warn"),
    ],
)
def test_what_an_outcome_is_to_b4(
    outcome: Outcome, verdict: Verdict | None, doubt: str, status: str
) -> None:
    tests = (one(verdict),) if verdict else ()
    kernel = KernelVerdict("6.1", outcome, "why", tests=tests)
    (row,) = _told(Verification("x", "", (kernel,), None, doubt))
    assert row["status"] == status
    assert row["tool"] == "lab 6.1"
    assert row["summary"] == f"{outcome}: why"


@pytest.mark.slow
def test_the_unforeseen_is_a_row_too(tmp_path: Path) -> None:
    """A traceback would be a check that broke, for each mail of a list."""
    (tmp_path / "sitecustomize.py").write_text(
        "import lab.cli.review_check as module\nmodule._mail = lambda: 1 / 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "lab", "review-check", "-C", str(ROOT / "lab.toml"), "6.1"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        input="x", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    (row,) = json.loads(done.stdout)
    assert (done.returncode, row["status"]) == (0, "warn")
