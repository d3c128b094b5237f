# SPDX-License-Identifier: GPL-2.0-only
"""A newer revision keeps the older one, and is shown beside it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lab.patches.intake import Intake, read_intake
from lab.patches.origin import read_origin
from lab.patches.range_diff import Step, range_diff, standing
from lab.process.temporary import owned_folder
from tests.patches.test_intake import MAILS, diff, parts

SHAPE = str(MAILS / "three-versions.mbox")


def taken(folder: Path, revision: str) -> Intake:
    intake = read_intake(SHAPE, folder, revision=revision)
    intake.write()
    return intake


def test_a_revision_is_compared_with_the_newest_before_it(tmp_path: Path) -> None:
    first, second, third = (taken(tmp_path, revision) for revision in "123")
    assert first.choice.compared == ()
    assert not any("compared" in note for note in first.choice.notes)
    label = "compared with mm-populate-v2 (v2)"
    assert third.choice.notes[-1] == f"{label}, changed: mm: part 1, mm: part 2, mm: part 3"
    assert third.choice.notes[-1] in (third.folder / "origin.toml").read_text()
    assert third.choice.compared[0] == "1 ! 1  mm: part 1"
    assert "    -+A1v2" in third.choice.compared
    assert "    ++A1v3" in third.choice.compared
    assert read_origin(second.folder) is not None
    older = read_intake(SHAPE, tmp_path, revision="1").choice
    assert older.compared == ()


def test_a_comparison_that_fails_takes_the_series_in_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(tmp_path, "1")
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin/git"
    whole = f'exec {shutil.which("git")} "$@"'
    git.write_text(f'#!/bin/sh\ncase " $* " in *" range-diff "*) sleep 9;; esac\n{whole}\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setattr("lab.patches.range_diff._LONGEST_S", 0.5)
    found = taken(tmp_path, "2").choice
    assert found.compared == ()
    assert found.notes[-2].startswith("compared with mm-populate (v1), changed: ")
    assert found.notes[-1].startswith("no git range-diff: ")


def step(title: str, content: bytes, message: str = "Why.\n") -> Step:
    return Step(title, message, content)


def test_what_became_of_each_patch() -> None:
    old = [step("a", diff(4)), step("b", diff(14)), step("c", diff(24))]
    new = [step("renamed", diff(4)), step("b", diff(14, "other")), step("d", diff(34))]
    found = {"unchanged": ["renamed"], "changed": ["b"], "new": ["d"], "gone": ["c"]}
    assert standing(old, new) == found


def test_range_diff_is_of_the_patches_alone() -> None:
    both = diff(4) + diff(14).partition(b"+++ b/mm/gup.c\n")[2]
    old = [step("a", both), step("gone", diff(24))]
    new = [step("first", diff(34)), step("a", both)]
    assert range_diff(old, new) == ("- > 1  first", "1 = 2  a", "2 < -  gone")


def test_the_message_is_compared_too() -> None:
    said = range_diff([step("a", diff(4))], [step("a", diff(4), "Because.\n")])
    assert said is not None
    assert said[0] == "1 ! 1  a"
    assert "    +    Because." in said


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(diff(4).replace(b"mm/gup.c", b"mm/.gitattributes"), id="attributes"),
        pytest.param(parts(1)[2], id="far from the beginning"),
    ],
)
def test_it_is_the_same_as_the_patch_or_nothing(content: bytes) -> None:
    assert range_diff([step("a", content)], [step("a", content)]) == ("1 = 1  a",)


def test_what_the_lines_do_not_give_is_no_range_diff() -> None:
    mode = b"diff --git a/x b/x\nold mode 100644\nnew mode 100755\n"
    assert range_diff([step("a", mode)], [step("a", mode)]) is None


def test_nothing_of_the_user_s_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = tmp_path / "ran"
    hook = tmp_path / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    config = f"[core]\n\thooksPath = {tmp_path}\n[diff]\n\tnoprefix = true\n"
    (tmp_path / ".gitconfig").write_text(config)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert range_diff([step("a", diff(4))], [step("a", diff(4, "b"))]) is not None
    assert not ran.exists()


def test_an_unchanged_patch_is_unchanged_as_it_is_kept(tmp_path: Path) -> None:
    for number, name in ((1, "one"), (2, "two")):
        path = tmp_path / f"{name}.eml"
        head = (
            f"From: d@example.org\nMessage-ID: <{number}@x.org>\nSubject: [PATCH v{number}] t\n\n"
        )
        text = f"{head}Why.\n\nMore.\n---\nSince v{number}.\n\n".encode()
        path.write_bytes(text + diff(4) + b"-- \n2.39\n")
        intake = read_intake(str(path), tmp_path / "patches")
        intake.write()
    assert intake.choice.notes == ("compared with t (v1), unchanged: t",)
    assert intake.choice.compared == ("1 = 1  t",)


def test_a_title_that_is_no_text_is_compared_all_the_same() -> None:
    """A header may hold any bytes."""
    diff = b"diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1,2 +1,2 @@\n x\n-%s\n+y\n"
    said = range_diff([step("caf\udce9", diff % b"o")], [step("caf\udce9", diff % b"p")])
    assert said is not None
    assert len(said) > 1


def test_hunks_that_were_far_from_each_other_are_so_in_what_is_compared() -> None:
    """git would show them as one where there is little context."""
    hunk = b"@@ -%d,3 +%d,3 @@\n x\n-y\n+%s\n z\n"
    head = b"diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n"
    old, new = (head + hunk % (5, 5, end) + hunk % (50, 50, end) for end in (b"p", b"q"))
    said = range_diff([step("a", old)], [step("a", new)])
    assert said is not None
    assert sum(line.startswith("    @@ a.c") for line in said) == 2


def test_what_a_killed_import_left_is_no_series_and_goes(tmp_path: Path) -> None:
    left = taken(tmp_path, "1").folder
    dead = left.rename(tmp_path / ".intake-dead")
    living = shutil.copytree(dead, tmp_path / ".intake-living")
    _, descriptor = owned_folder(lambda: living)
    try:
        assert taken(tmp_path, "1").folder == left
        assert taken(tmp_path, "2").choice.notes[-1].startswith("compared with mm-populate (v1)")
        # Another import is at it.
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            ".intake-living", "mm-populate", "mm-populate-v2",
        ]  # fmt: skip
    finally:
        os.close(descriptor)
