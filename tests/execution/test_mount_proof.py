# SPDX-License-Identifier: GPL-2.0-only
"""A mount that is not what was proved any more."""

from __future__ import annotations

import pytest

from lab.execution.mount_proof import proved
from lab.model.status import Status
from lab.suites.judge import Judged

PASS, FAIL, CRASH, ERROR = Status.PASS, Status.FAIL, Status.CRASH, Status.ERROR


def judged(*statuses: Status) -> tuple[Judged, ...]:
    return tuple(Judged(f"t{number}", status) for number, status in enumerate(statuses))


@pytest.mark.parametrize("listed", [False, True])
def test_one_test_proves_nothing_either(listed: bool) -> None:
    """It may have unmounted before it looked at anything; there is no use in another try."""
    (kept,), rest = proved(judged(PASS), "p", "ext4-dax", "", listed=listed)
    assert rest is None
    assert kept.status is ERROR
    assert kept.message == (
        "p left something else mounted (nothing): nothing proves that this ran on ext4-dax"
    )


def test_of_several_none_is_proved() -> None:
    kept, rest = proved(judged(PASS, CRASH, FAIL), "p", "ext4-dax", "", listed=False)
    assert rest is None
    assert [one.status for one in kept] == [CRASH, ERROR, ERROR]
    assert "nothing proves that this ran on ext4-dax" in kept[1].message


def test_what_can_be_named_runs_again_alone() -> None:
    kept, rest = proved(judged(PASS, CRASH, FAIL), "p", "ext4-dax", "x", listed=True)
    assert [one.test for one in kept] == ["t1"]
    assert rest is not None
    assert (rest.planned, rest.missing, rest.done) == (3, 2, frozenset({"t1"}))
    assert "left something else mounted (x)" in rest.why
