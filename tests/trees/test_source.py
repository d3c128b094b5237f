# SPDX-License-Identifier: GPL-2.0-only
"""One more kind of source: a module, and a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.config import model
from lab.errors import UserError
from lab.model.tree_identity import TreeIdentity
from lab.trees.source import SOURCES, Commits, commits_between, source_kind
from tests.doors.source import MadeKernel
from tests.trees.conftest import Cache


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "made", "tests.doors.source:MADE")


def test_it_is_brought_in_and_kept(cache: Cache) -> None:
    kernel = MadeKernel(version="6.1.7")
    tree = cache.fetch(kernel)
    assert (tree.identity, str(tree.version), tree.immutable) == ("made:6.1.7", "6.1.7", True)
    assert tree.provenance == {"made": "up"}
    mark = tree.path / "mark"
    mark.touch()
    assert cache.fetch(kernel, refresh=True).path == tree.path
    assert mark.exists(), "what is there is not brought in again"


def test_its_name_is_checked_against_the_source(cache: Cache) -> None:
    with pytest.raises(UserError, match=r"its title is 6\.2, and the source is Linux") as error:
        cache.fetch(MadeKernel(version="6.1.7", title="6.2"))
    assert str(error.value.where).endswith('kernels."6.1".version')


def test_what_came_between_is_its_own_to_say(tmp_path: Path) -> None:
    kernel = MadeKernel(version="6.1.7")
    old, new = TreeIdentity("made:6.1.6"), TreeIdentity("made:6.1.7")
    found = commits_between(kernel, tmp_path, old, new)
    assert found == Commits(1, 0, ("6.1.6 to 6.1.7",))
    # The section was of another kind that night.
    assert commits_between(kernel, tmp_path, TreeIdentity("git:6.1.6"), new) is None
    assert source_kind("made").folder(kernel) is None


@pytest.mark.parametrize("kind", SOURCES)
def test_each_line_names_a_kind(kind: str) -> None:
    """And its section has the key that is shown where something is wrong with it."""
    section = getattr(model, f"{kind.capitalize()}Kernel")
    assert source_kind(kind).key in section.model_fields
