# SPDX-License-Identifier: GPL-2.0-only
"""What a kind of output makes of a text and an exit status."""

from __future__ import annotations

from pathlib import Path

from lab.model.status import Status
from lab.suites.judge import Ended, Judged
from lab.suites.output import output_of

HERE = Path(__file__).parent


def judged(
    kind: str,
    output: bytes,
    status: int | None = 0,
    ended: Ended = Ended.EXITED,
    detail: str = "",
) -> tuple[Judged, ...]:
    return (
        output_of(kind)
        .judge("t", output, status, ended=ended, detail=detail, selected=False)
        .judged
    )


def statuses(results: tuple[Judged, ...]) -> dict[str, str]:
    return {one.test: str(one.status) for one in results}


def passed(results: tuple[Judged, ...]) -> bool:
    """Whether somebody would take it for a clean run."""
    return bool(results) and all(one.status in (Status.PASS, Status.SKIP) for one in results)
