# SPDX-License-Identifier: GPL-2.0-only
"""A job's error: its parts, and the text of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import InfrastructureError, LabError, Location, UserError
from lab.model.job_error import INTERRUPTED, Fault, JobError


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (UserError("a\nb", where=Location(Path("x.c"), 3), hint="h", detail="c\nd"), Fault.USER),
        (InfrastructureError("no space", where="/tmp"), Fault.MACHINE),
        (InfrastructureError("no space\x1b[2J", detail="log"), Fault.MACHINE),
    ],
)
def test_its_text_is_what_the_error_said(error: LabError, fault: Fault) -> None:
    recorded = JobError.of(error)
    assert str(recorded) == str(error)
    assert recorded.fault is fault
    assert recorded.line == str(error).splitlines()[0]
    assert JobError.of(error, Fault.MACHINE).fault is Fault.MACHINE


def test_a_text_alone_is_kept_as_it_is() -> None:
    text = "x.c:3: no\n    log\n  try: less"
    error = JobError.of_text(text, Fault.USER)
    assert (str(error), error.what, error.line) == (text, "x.c:3: no", "x.c:3: no")
    assert str(JobError.of_text("")) == ""


def test_what_a_signal_leaves() -> None:
    assert (str(INTERRUPTED), INTERRUPTED.fault) == ("interrupted", Fault.INTERRUPTED)
