# SPDX-License-Identifier: GPL-2.0-only
"""Patterns that are one test's name, as fnmatch() reads them."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from lab.model.glob import matches
from lab.suites.exact_pattern import escaped, only

NAMES = ("mmap[4k]", "memory is locked", "plain", "plain2", "a*", "ab", "a?", "[!]", "x\\y", "é1")


@pytest.mark.parametrize("name", NAMES)
def test_a_pattern_matches_its_name_alone(name: str) -> None:
    assert [other for other in NAMES if fnmatchcase(other, only(name))] == [name]
    # Without a glob character a program would look for it within names.
    assert any(special in only(name) for special in "*?[")


def test_what_is_shown_is_the_name_where_it_can_be() -> None:
    assert escaped("mlock.shared-rw.4k") == "mlock.shared-rw.4k"
    assert escaped("mmap[4k]") == "mmap[[]4k]"


def test_a_name_matches_itself() -> None:
    assert matches("mmap[4k]", ("mmap[4k]",))
    assert matches("mmapk", ("mmap[4k]",))
    assert not matches("mmap4k", ("mmap[4k]",))
    assert not matches("MMAP4", ("mmap4",))
