# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from dataclasses import replace

import pytest

from lab.complaints import Complaint, Kind
from lab.complaints.benign import Benign, excuse, shipped
from lab.errors import UserError
from lab.version import KernelVersion

WARNING = Complaint(Kind.WARNING, "WARNING in foo")
RULE = Benign.make("warning: * in foo", ">=4.1 <4.3", "known")


def test_reason_is_given_where_the_rule_covers() -> None:
    assert excuse(WARNING, KernelVersion.parse("4.2.8"), [RULE]) == "known"


@pytest.mark.parametrize("version", ["4.0", "4.3", "6.1.192"])
def test_other_kernels_are_not_excused(version: str) -> None:
    assert excuse(WARNING, KernelVersion.parse(version), [RULE]) == ""


def test_other_kinds_and_places_are_not_excused() -> None:
    version = KernelVersion.parse("4.2")
    assert excuse(replace(WARNING, kind=Kind.OOPS), version, [RULE]) == ""
    assert excuse(replace(WARNING, title="WARNING in food"), version, [RULE]) == ""


def test_what_killed_the_guest_is_never_benign() -> None:
    assert excuse(replace(WARNING, fatal=True), KernelVersion.parse("4.2"), [RULE]) == ""


def test_range_that_is_none_is_the_users_error() -> None:
    with pytest.raises(UserError, match=r"benign 'x': .* has no version in it"):
        Benign.make("x", ">=4.3 <4.1", "")


def test_shipped_rules_have_reasons() -> None:
    assert all(rule.reason and rule.title for rule in shipped())
