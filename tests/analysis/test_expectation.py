# SPDX-License-Identifier: GPL-2.0-only
"""Rules of lab.toml that run out, and that know what mended the test."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from lab.analysis.expectation import expected
from lab.config.model import Expectation
from lab.model.job_name import Around
from lab.model.status import Status
from lab.model.version import KernelVersion

DAY = date(2026, 12, 31)
NEXT = date(2027, 1, 1)


def told(
    *rules: Expectation, version: str = "6.1.192", today: date | None = DAY
) -> tuple[Status, str]:
    return expected(
        rules,
        variant="6.1",
        around=Around("default", "default"),
        version=KernelVersion.parse(version),
        filesystem="ext4-dax",
        suite="mlock",
        test="t",
        today=today,
    )


def rule(**more: Any) -> Expectation:
    return Expectation.model_validate({"status": "fail", "reason": "known", **more})


@pytest.mark.parametrize("until", [DAY, "2026-12-31"])
def test_a_day_is_the_last(until: object) -> None:
    assert told(rule(until=until)) == (Status.FAIL, "known")
    assert told(rule(until=until), today=NEXT) == (
        Status.PASS,
        "fail was expected until 2026-12-31: known",
    )


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("6.12.117", Status.FAIL),
        ("6.13-rc1", Status.FAIL),
        ("6.13", Status.PASS),
        ("6.13.4", Status.PASS),
        ("7.0", Status.PASS),
    ],
)
def test_a_version_is_the_first_without(version: str, status: Status) -> None:
    assert told(rule(until="6.13"), version=version)[0] is status


def test_a_rule_that_ran_out_is_not_passed_over_for_one_before_it() -> None:
    assert told(rule(reason="general"), rule(until=DAY), today=NEXT)[0] is Status.PASS


def test_it_is_this_day_where_nobody_says() -> None:
    assert told(rule(until=date(2001, 1, 1)), today=None)[0] is Status.PASS
    assert told(rule(until=date(9999, 1, 1)), today=None)[0] is Status.FAIL


def test_what_mended_it_is_told() -> None:
    assert told(rule(mended="1027e4436b6a"))[1] == "known (mended by 1027e4436b6a)"
    assert told(rule(mended="1027e4436b6a", until="6.0"))[1] == (
        "fail was expected until 6.0: known (mended by 1027e4436b6a)"
    )


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("until", "next week", "'next week' is neither a day (2026-12-31) nor a version (6.13)"),
        ("until", 6.13, "6.13 is neither a day"),
        ("until", True, "True is neither a day"),
        ("until", "2026-13-01", "is neither a day"),
        ("mended", "the fix", "'the fix' is no commit: 7 to 40 hexadecimal digits"),
    ],
)
def test_what_is_none(key: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError) as error:
        rule(**{key: value})
    assert said in str(error.value)
