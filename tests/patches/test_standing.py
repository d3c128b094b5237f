# SPDX-License-Identifier: GPL-2.0-only
"""Where a series stands on a tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.patches import Overlay, Replacement, load_series
from lab.patches.standing import Standing, Standings
from lab.trees import blob_digest
from tests.patches.conftest import GUP, MakeTree, change

MLOCK = "".join(f"m{number}\n" for number in range(1, 41))
MIDDLE = GUP.replace("a13\n", "A13\n")
#: With the lines that ``change(10)`` is about, five lines further down.
MOVED = "new\n" * 5 + GUP


def index(before: str, after: str) -> str:
    return f"index {blob_digest(before.encode())}..{blob_digest(after.encode())} 100644"


def series(tmp_path: Path, *patches: str, lines: tuple[str, ...] = ()) -> Standings:
    folder = tmp_path / "patches" / "fix"
    folder.mkdir(parents=True, exist_ok=True)
    for number, patch in enumerate(patches):
        (folder / f"{number}.patch").write_text(patch)
    names = [f"{number}.patch" for number in range(len(patches))]
    (folder / "series").write_text("\n".join([*(lines or names), ""]))
    return Standings(load_series(tmp_path / "patches", "fix"))


ONE = change(10, index=index(GUP, MIDDLE))


@pytest.mark.parametrize(
    ("content", "standing", "detail"),
    [
        (GUP, Standing.CLEAN, "exact blobs"),
        (GUP.replace("a40\n", "a41\n"), Standing.APPLIES, "to other blobs than it names"),
        (MOVED, Standing.MOVED, "mm/gup.c: hunk 1 applied at an offset of +5 lines"),
        (MIDDLE, Standing.IN, "by content"),
        ("new\n" * 5 + MIDDLE, Standing.IN, "by content"),
    ],
)
def test_a_patch(
    tmp_path: Path, make_tree: MakeTree, content: str, standing: Standing, detail: str
) -> None:
    stand = series(tmp_path, ONE).on(make_tree({"mm/gup.c": content}))
    assert (stand.standing, stand.detail) == (standing, detail)


def test_a_refused_one_names_patch_and_hunk_and_what_is_there(
    tmp_path: Path, make_tree: MakeTree
) -> None:
    tree = make_tree({"mm/gup.c": GUP.replace("a31\n", "b31\n")})
    stand = series(tmp_path, ONE, change(28)).on(tree)
    assert (stand.standing, stand.patch) == (Standing.REFUSED, "1.patch")
    assert stand.detail.startswith("1.patch: hunk 1 of mm/gup.c does not apply: ")
    assert "(mm/gup.c:28-34)" in stand.detail
    assert "\n- a31\n+ b31\n" in stand.beside


def test_a_series_whose_patches_touch_the_same_lines_is_in(
    tmp_path: Path, make_tree: MakeTree
) -> None:
    last = MIDDLE.replace("A13\n", "B13\n")
    second = change(10).replace("-a13\n+A13\n", "-A13\n+B13\n")
    both = series(tmp_path, ONE, second)
    assert both.on(make_tree({"mm/gup.c": last})).standing is Standing.IN
    half = make_tree({"mm/gup.c": MIDDLE})
    stand = both.on(half)
    assert (stand.standing, stand.detail) == (Standing.IN_PART, "0.patch of 2 patches")


def test_what_would_go_in_once_more_is_in(tmp_path: Path, make_tree: MakeTree) -> None:
    # Four lines alike: what adds two to two of them has a place in them still.
    add = "--- a/mm/gup.c\n+++ b/mm/gup.c\n@@ -2,2 +2,4 @@\n x\n+x\n+x\n x\n"
    tree = make_tree({"mm/gup.c": "begin\nx\nx\nx\nx\nend\n"})
    stand = series(tmp_path, add).on(tree)
    assert stand.standing is Standing.IN
    assert "it would go in once more" in stand.detail


def test_another_patch_and_none_for_a_version(tmp_path: Path, make_tree: MakeTree) -> None:
    other = series(tmp_path, ONE, lines=("0.patch # versions: <6.0",))
    stand = other.on(make_tree({"mm/gup.c": GUP}))
    assert (stand.standing, stand.detail) == (
        Standing.NOT_MEANT, "series fix has no patch for kernel 6.1.192",
    )  # fmt: skip
    upstream = "# upstream: 1027e4436b6a since 6.0 mm: mended"
    known = series(tmp_path, change(10), lines=("0.patch", upstream))
    stand = known.on(make_tree({"mm/gup.c": "all else\n"}))
    assert (stand.standing, stand.commit) == (Standing.IN, "1027e4436b6a")


def test_an_altered_one_goes_nowhere(tmp_path: Path, make_tree: MakeTree) -> None:
    wrong = change(10, index=index(GUP, GUP))
    assert series(tmp_path, wrong).on(make_tree({"mm/gup.c": GUP})).standing is Standing.ALTERED


def test_trees_with_the_same_blobs_are_tried_once(tmp_path: Path, make_tree: MakeTree) -> None:
    standings = series(tmp_path, ONE)
    tree = make_tree({"mm/gup.c": GUP})
    first = standings.on(tree)
    (tree.path / "mm/gup.c").unlink()
    assert standings.on(tree) is first
    over = Overlay({"mm/gup.c": Replacement(0o100644, MIDDLE.encode())})
    assert standings.on(tree, over).standing is Standing.IN
