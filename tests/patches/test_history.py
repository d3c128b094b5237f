# SPDX-License-Identifier: GPL-2.0-only
"""Series in the history of a real repository."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.patches import Patch, history, load_patch
from lab.patches.history import NoStretch, commit_of, copied, stretch
from lab.trees.repository import Repository, open_repository
from tests.patches.conftest import GUP, change
from tests.patches.test_commits import commit, git
from tests.patches.test_standing import MIDDLE, index

pytestmark = pytest.mark.slow

#: What the series wants: mm/gup.c as GUP, and mm/mlock.c as "two".
MLOCK = (
    "diff --git a/mm/mlock.c b/mm/mlock.c\n"
    + index("two\n", "three\n")
    + "\n--- a/mm/mlock.c\n+++ b/mm/mlock.c\n@@ -1 +1 @@\n-two\n+three\n"
)


@pytest.fixture
def linux(tmp_path: Path) -> Path:
    folder = tmp_path / "linux"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "mm/mlock.c", "one\n", "Linux 6.0")
    return folder


@pytest.fixture
def repository(linux: Path) -> Iterator[Repository]:
    with open_repository(linux) as opened:
        yield opened


def patches(tmp_path: Path, *texts: str) -> list[Patch]:
    found = []
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.patch").write_text(text)
        found.append(load_patch(tmp_path / f"{number}.patch"))
    return found


@pytest.fixture
def wanted(tmp_path: Path) -> list[Patch]:
    return patches(tmp_path, change(10, index=index(GUP, MIDDLE)), MLOCK)


def head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")


def test_from_the_first_commit_with_all_blobs_to_the_one_that_ended_it(
    linux: Path, repository: Repository, wanted: list[Patch]
) -> None:
    commit(linux, "mm/gup.c", GUP)
    first = commit(linux, "mm/mlock.c", "two\n")
    last = commit(linux, "mm/other.c", "other\n")
    found = stretch(repository, wanted, head(linux))
    assert (found.first.id, found.last.id, found.ended_by) == (first, last, None)
    ended = commit(linux, "mm/mlock.c", "four\n")
    commit(linux, "mm/gup.c", "later\n")
    found = stretch(repository, wanted, head(linux))
    assert found.ended_by is not None
    assert (found.first.id, found.last.id, found.ended_by.id) == (first, last, ended)
    assert found.others == 0


def test_the_newest_of_several(linux: Path, repository: Repository, wanted: list[Patch]) -> None:
    commit(linux, "mm/gup.c", GUP)
    commit(linux, "mm/mlock.c", "two\n")
    commit(linux, "mm/mlock.c", "four\n")
    again = commit(linux, "mm/mlock.c", "two\n", "Revert")
    ended = commit(linux, "mm/gup.c", "later\n")
    found = stretch(repository, wanted, head(linux))
    assert found.ended_by is not None
    assert (found.first.id, found.last.id, found.ended_by.id) == (again, again, ended)
    assert found.others == 1


def test_what_a_merge_brought_is_the_work_of_its_commit(
    linux: Path, repository: Repository, wanted: list[Patch]
) -> None:
    commit(linux, "mm/gup.c", GUP)
    first = commit(linux, "mm/mlock.c", "two\n")
    git(linux, "checkout", "-qb", "topic")
    ended = commit(linux, "mm/gup.c", "later\n")
    git(linux, "checkout", "-q", "main")
    commit(linux, "mm/other.c", "other\n")
    git(linux, "merge", "-q", "--no-ff", "-m", "Merge topic", "topic")
    found = stretch(repository, wanted, head(linux))
    assert found.ended_by is not None
    assert (found.first.id, found.last.id, found.ended_by.id) == (first, first, ended)


def test_a_merge_that_changes_a_file_itself(
    linux: Path, repository: Repository, wanted: list[Patch]
) -> None:
    commit(linux, "mm/gup.c", GUP)
    first = commit(linux, "mm/mlock.c", "two\n")
    git(linux, "checkout", "-qb", "topic")
    commit(linux, "mm/third.c", "third\n")
    git(linux, "checkout", "-q", "main")
    last = commit(linux, "mm/other.c", "other\n")
    git(linux, "merge", "-q", "--no-ff", "--no-commit", "topic")
    ended = commit(linux, "mm/gup.c", "merged\n", "Merge topic")
    found = stretch(repository, wanted, head(linux))
    assert found.ended_by is not None
    assert (found.first.id, found.last.id, found.ended_by.id) == (first, last, ended)


def test_where_it_is_nowhere(linux: Path, repository: Repository, tmp_path: Path) -> None:
    commit(linux, "mm/gup.c", GUP)
    one = change(10, index=index(GUP, MIDDLE))
    both = patches(tmp_path, one, MLOCK)
    with pytest.raises(NoStretch, match=r"no commit has mm/mlock.c as the patch wants it, blob"):
        stretch(repository, both, head(linux))
    commit(linux, "mm/gup.c", "later\n")
    commit(linux, "mm/mlock.c", "two\n")
    with pytest.raises(NoStretch, match="as the patches want them at once"):
        stretch(repository, both, head(linux))
    with pytest.raises(NoStretch, match=r"0.patch has no index line for mm/gup.c"):
        stretch(repository, patches(tmp_path, change(10)), head(linux))


def test_the_second_patch_wants_what_the_first_one_makes(
    linux: Path, repository: Repository, tmp_path: Path
) -> None:
    first = commit(linux, "mm/gup.c", GUP)
    last = MIDDLE.replace("A13\n", "B13\n")
    second = change(10, index=index(MIDDLE, last)).replace("-a13\n+A13\n", "-A13\n+B13\n")
    found = stretch(
        repository, patches(tmp_path, change(10, index=index(GUP, MIDDLE)), second), head(linux)
    )
    assert found.first.id == first


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("commit 1027e4436b6a5c3da49b0c1ba40c1f0c1b0a0f0c upstream.\n", "1027e4436b6a5c3da"),
        ("text\n\n[ Upstream commit 1027e4436b6a ]\n", "1027e4436b6a"),
        ("(cherry picked from commit 1027e4436b6a)\n", "1027e4436b6a"),
        ("This reverts commit 1027e4436b6a.\n", ""),
        ("Fixes what commit 1027e4436b6a upstream did\n", ""),
    ],
)
def test_whose_copy_a_message_says_it_is(message: str, said: str) -> None:
    assert copied(message).startswith(said)
    assert bool(copied(message)) is bool(said)


def test_the_commit_that_a_patch_is(linux: Path, repository: Repository, tmp_path: Path) -> None:
    commit(linux, "mm/gup.c", GUP)
    base = head(linux)
    (patch,) = patches(tmp_path, change(10, index=index(GUP, MIDDLE)))
    assert commit_of(repository, base, patch) is None
    mine = commit(linux, "mm/gup.c", MIDDLE, "mm: raise")
    # One that only speaks of it is none.
    git(linux, "checkout", "-qb", "speaks", base)
    other = commit(linux, "mm/gup.c", "x\n", f"x\n\ncommit {'1' * 40} upstream, as commit {mine}")
    assert commit_of(repository, other, patch, mine) is None
    # The same patch elsewhere, where other lines moved it, and one that says whose copy it is.
    git(linux, "checkout", "-qb", "stable", base)
    commit(linux, "mm/gup.c", "new\n" * 5 + GUP, "mm: before")
    moved = commit(linux, "mm/gup.c", "new\n" * 5 + MIDDLE, "mm: raise")
    git(linux, "checkout", "-qb", "other", base)
    said = commit(linux, "mm/gup.c", "ported\n", f"mm: raise\n\ncommit {mine} upstream.\n")
    for tip, upstream, found, how in (
        (mine, mine[:12], mine, "itself"),
        (mine, "", mine, "by its patch-id"),
        (moved, mine, moved, "by its patch-id"),
        (said, mine, said, f"commit {mine[:12]} upstream"),
    ):
        it = commit_of(repository, tip, patch, upstream)
        assert it is not None
        assert (it.commit.id, it.how) == (found, how)
    assert commit_of(repository, said, patch) is None
    # What was taken back is not in.
    git(linux, "revert", "--no-edit", said)
    assert commit_of(repository, head(linux), patch, mine) is None
    # A stable series copies the revert, which names the commit that it is a copy of.
    for known, tip in ((mine, said), ("", moved)):
        git(linux, "checkout", "-q", tip)
        git(linux, "commit", "-q", "--amend", "-m", f"mm: raise\n\ncommit {mine} upstream.")
        copy = head(linux)
        assert commit_of(repository, copy, patch, known) is not None
        text = f"Revert\n\ncommit {'2' * 40} upstream.\n\nThis reverts commit {mine}.\n"
        assert commit_of(repository, commit(linux, "mm/gup.c", GUP, text), patch, known) is None


def test_a_history_that_is_too_long_is_not_written_to_its_end(
    linux: Path, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        commit(linux, "mm/mlock.c", f"{number}\n" * 4000)
    folder = tmp_path / "log"
    folder.mkdir()

    @contextmanager
    def kept(_: str) -> Iterator[Path]:
        yield folder

    monkeypatch.setattr(history, "temporary_folder", kept)
    monkeypatch.setattr(history, "_MOST_BYTES", 16 << 10)
    (patch,) = patches(tmp_path, MLOCK)
    assert commit_of(repository, head(linux), patch) is None
    assert (folder / "log").stat().st_size == 16 << 10
