# SPDX-License-Identifier: GPL-2.0-only
"""Damaged patches taken in: rebuilt where a tree is given, told as what they are, or refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from lab.errors import InfrastructureError, UserError
from lab.patches import Overlay, apply, load_series
from lab.patches.intake import Intake, read_intake
from lab.patches.origin import read_origin
from lab.patches.patched_tree import View
from lab.trees import Tree
from tests.patches.conftest import MakeTree
from tests.patches.test_rebuild import NAME, POND, changed, diff

HEAD = ["[PATCH] pond: wake the ducks", "", "From: A. Drake", "", "Why.", "---", ""]


@pytest.fixture
def tree(make_tree: MakeTree) -> Tree:
    return make_tree({NAME: POND})


def eaten(lines: list[str]) -> list[str]:
    """What a web archive leaves: no indentation, no blank lines."""
    kept = [
        f"{line[:1].strip()}{line[1:].strip()}" if line[:1] in " +-" else line for line in lines
    ]
    return lines[:3] + [line for line in kept[3:] if line.strip("+- ")]


def spaced(lines: list[str]) -> list[str]:
    """Tabs as a terminal has them."""
    return [line.expandtabs(8) for line in lines]


def taken(tmp_path: Path, lines: list[str], *trees: Tree) -> Intake:
    path = tmp_path / "mail.txt"
    path.write_text("\n".join([*HEAD, *lines]) + "\n")

    def bring(tree: Tree) -> View:
        return View(tree, Overlay.empty())

    brought = [(each.kernel, lambda each=each: bring(each)) for each in trees]
    return read_intake(str(path), tmp_path / "patches", trees=brought)


def kept(intake: Intake) -> dict[str, str]:
    intake.write()
    (patch,) = tomllib.loads((intake.folder / "origin.toml").read_text())["patch"]
    return {key: patch.get(key, "") for key in ("rebuilt", "rebuilt-on", "not-proved")}


@pytest.mark.parametrize("damage", [eaten, spaced])
def test_a_damaged_patch_is_proved_and_kept(tmp_path: Path, tree: Tree, damage: object) -> None:
    intake = taken(tmp_path, damage(diff(POND, changed())), tree)  # type: ignore[operator]
    assert kept(intake) == {"rebuilt": "proved", "rebuilt-on": "6.1", "not-proved": ""}
    assert intake.name == "pond-wake-the-ducks"
    assert "proved" in intake.choice.notes[0]
    done = apply(tree, load_series(intake.folder.parent, intake.name).patches)
    assert done.overlay.files[NAME].content == changed().encode()  # type: ignore[union-attr]
    origin = read_origin(intake.folder)
    assert origin is not None
    assert origin.doubt == ""


def test_one_that_is_not_proved_says_so_for_ever(tmp_path: Path, tree: Tree) -> None:
    intake = taken(tmp_path, eaten(diff(POND, changed(), index=False)), tree)
    row = kept(intake)
    assert row["rebuilt"] == "not proved"
    assert "no index line" in row["not-proved"]
    (mending,) = [each.mending for each in intake.choice.patches]
    assert mending is not None
    # The numbers are those of the file that was given.
    given = (tmp_path / "mail.txt").read_text().split("\n")
    at = next(at for at, line in enumerate(given, 1) if "pond_wake" in line)
    assert any(f"line {at}: indented by 4 tabs" in guess for guess in mending.guesses)
    origin = read_origin(intake.folder)
    assert origin is not None
    assert "not proved to be what was sent: 0001-" in origin.doubt


def test_without_a_tree_it_is_refused_with_what_helps(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the lines that its header counts") as caught:
        taken(tmp_path, eaten(diff(POND, changed())))
    assert "lab patch import FILE --kernel KERNEL" in str(caught.value)


def test_what_cannot_be_rebuilt_says_why(tmp_path: Path, make_tree: MakeTree) -> None:
    with pytest.raises(UserError, match=r"cannot be rebuilt on 6\.1") as caught:
        taken(tmp_path, eaten(diff(POND, changed())), make_tree({NAME: "int a;\n"}))
    assert "damaged on its way" in str(caught.value)


@pytest.mark.parametrize("there", [POND, "/* Water. */\n" + POND, "int a;\n", changed()])
def test_what_is_whole_is_never_rebuilt(tmp_path: Path, make_tree: MakeTree, there: str) -> None:
    lines = diff(POND, changed())
    intake = taken(tmp_path, lines, make_tree({NAME: there}))
    (letter,) = intake.choice.patches
    assert letter.mending is None
    assert letter.diff.decode() == "\n".join(lines) + "\n"


@pytest.mark.parametrize("there", ["\ta;\n\tb;\n\tc;\n", "a;\n  b;\nc;\n"])
def test_one_without_tabs_for_another_tree_stays(
    tmp_path: Path, make_tree: MakeTree, there: str
) -> None:
    """It could be placed by its words, and nothing proves that it was ever damaged."""
    lines = diff("    a;\n    b;\n    c;\n", "    a;\n    long b;\n    c;\n")
    intake = taken(tmp_path, lines, make_tree({NAME: there}))
    assert intake.choice.patches[0].mending is None


def test_a_tree_that_cannot_be_had_is_no_reason_to_refuse_what_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "fix.patch"
    path.write_text("\n".join(diff("  a;\n", "  b;\n")) + "\n")

    def bring() -> View:
        raise InfrastructureError("no network")

    intake = read_intake(str(path), tmp_path / "patches", trees=[("6.1", bring)])
    assert intake.choice.patches[0].mending is None
