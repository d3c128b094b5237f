# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from lab.complaints import benign
from lab.complaints.benign import Benign, excuse, shipped
from lab.errors import UserError
from lab.model.complaint import Complaint, Kind
from lab.model.version import KernelVersion

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


SHIPPED = Path(benign.__file__).with_name("benign.toml")


def test_shipped_rules_have_reasons() -> None:
    rows = tomllib.loads(SHIPPED.read_text()).get("benign", [])
    assert len(rows) == len(shipped()) == len(re.findall(r"^\[\[benign\]\]", SHIPPED.read_text()))
    assert [row for row in rows if not (row["title"] and row["reason"])] == []


def test_what_is_shipped_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be none at a time: then a file that has one says how it would be."""
    rule = '[[benign]]\ntitle = "warning: * in foo"\nversions = ">=4.1 <4.3"\nreason = "known"\n'
    (tmp_path / "benign.toml").write_text(rule)
    monkeypatch.setattr(benign, "files", lambda _: tmp_path)
    assert shipped.__wrapped__() == (RULE,)
