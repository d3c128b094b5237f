# SPDX-License-Identifier: GPL-2.0-only
"""Patches that do not apply, and what the error says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import Location, UserError
from lab.patches import Overlay, apply
from tests.patches.conftest import GUP, MakePatch, MakeTree, change

pytestmark = pytest.mark.slow

Refuse = Callable[..., UserError]


@pytest.fixture
def refuse(make_tree: MakeTree, make_patch: MakePatch, tmp_path: Path) -> Refuse:
    """The error of a patch that does not apply to these files."""

    def run(
        files: dict[str, str], text: str, line: int | None, start: Overlay | None = None
    ) -> UserError:
        with pytest.raises(UserError) as caught:
            apply(make_tree(files), [make_patch(text)], start=start or Overlay.empty())
        assert caught.value.where == Location(tmp_path / "fix.patch", line)
        return caught.value

    return run


def detail(error: UserError) -> list[str]:
    return str(error.detail).splitlines()


def test_missing_file(refuse: Refuse) -> None:
    error = refuse({"mm/memory/gup.c": GUP, "lib/gup.c": GUP}, change(10), 4)
    assert error.what == "mm/gup.c is not in the tree"
    assert error.hint == "the nearest is mm/memory/gup.c"


def test_missing_file_for_a_wrong_strip(refuse: Refuse, tmp_path: Path) -> None:
    error = refuse({"mm/gup.c": GUP}, change(10, name="linux/mm/gup.c"), 4)
    assert error.hint == f"write `fix.patch -p2` in {tmp_path}/series"


def test_file_that_is_there_already(refuse: Refuse) -> None:
    text = "--- /dev/null\n+++ b/new.c\n@@ -0,0 +1 @@\n+x\n"
    assert refuse({"new.c": "y\n"}, text, 3).what == "new.c is in the tree already"


def test_already_applied(refuse: Refuse) -> None:
    error = refuse({"mm/gup.c": GUP.replace("a13\n", "A13\n")}, change(10), None)
    assert "already applied" in error.what


def test_one_hunk_already_applied(refuse: Refuse) -> None:
    second = change(30).split("\n", 3)[3]
    error = refuse({"mm/gup.c": GUP.replace("a33\n", "A33\n")}, change(10) + second, 13)
    assert error.what == (
        "hunk 2 of mm/gup.c does not apply: it is already applied (mm/gup.c:30-36)"
    )


def test_nothing_of_a_patch_stays_when_one_file_fails(
    make_tree: MakeTree, make_patch: MakePatch
) -> None:
    tree = make_tree({"mm/gup.c": GUP, "mm/b.c": "b\n"})
    with pytest.raises(UserError, match=r"hunk 1 of mm/b\.c"):
        apply(tree, [make_patch(change(10) + change(10, name="mm/b.c"))])
    assert (tree.path / "mm/gup.c").read_text() == GUP
    assert {path.name for path in tree.path.rglob("*")} == {"mm", "gup.c", "b.c"}


def test_nearest_place_beside_what_was_wanted(refuse: Refuse) -> None:
    moved = "top\n" * 5 + GUP.replace("a22\n", "b22\n").replace("a25\n", "b25\n")
    error = refuse({"mm/gup.c": moved.replace("a24\n", "b24\n")}, change(20), 4)
    assert error.what.endswith("the most similar are (mm/gup.c:25-31)")
    shown = detail(error)
    assert shown[:2] == ["--- wanted: fix.patch:5-12", "+++ found:  mm/gup.c:25-31"]
    assert "- a22" in shown
    assert "+ b22" in shown
    assert "  a23" in shown


def test_fuzz_is_never_applied(refuse: Refuse) -> None:
    error = refuse({"mm/gup.c": GUP.replace("a26\n", "b26\n")}, change(20), 4)
    assert "would need fuzz 1, which the lab never applies (mm/gup.c:20-26)" in error.what
    assert "+ b26" in detail(error)
    error = refuse({"mm/gup.c": GUP.replace("a21\n", "b21\n")}, change(20), 4)
    assert "would need fuzz 2" in error.what


def test_white_space(refuse: Refuse) -> None:
    error = refuse({"mm/gup.c": GUP.replace("a", "\ta")}, change(10).replace(" a", "     a"), 4)
    assert "only white space differs (mm/gup.c:10-16)" in error.what
    assert "+ →a13" in detail(error)
    assert "web archives" in str(error.hint)


def test_line_ends_of_the_file(refuse: Refuse) -> None:
    error = refuse({"mm/gup.c": GUP.replace("\n", "\r\n")}, change(10), 4)
    assert "only the line ends differ, CRLF and LF (mm/gup.c:10-16)" in error.what
    assert "+ a13␍" in detail(error)


def test_line_ends_of_the_hunk(refuse: Refuse) -> None:
    head, body = change(10).split("f(void)\n")
    error = refuse({"mm/gup.c": GUP}, f"{head}f(void)\n" + body.replace("\n", "\r\n"), 4)
    assert "only the line ends differ" in error.what


def test_hunk_for_the_end_of_the_file(refuse: Refuse) -> None:
    text = "--- a/mm/gup.c\n+++ b/mm/gup.c\n@@ -10,2 +10,3 @@\n a10\n a11\n+b\n"
    assert "not at the end of the file" in refuse({"mm/gup.c": GUP}, text, 3).what


def test_lines_count_in_the_file_as_it_is_in_the_tree(refuse: Refuse) -> None:
    grown = change(10).replace("@@ -10,7 +10,7", "@@ -10,7 +10,9")
    grown = grown.replace("+A13\n", "+A13\n+new\n+new\n")
    second = change(30).split("\n", 3)[3].replace("+30,7", "+32,7")
    files = {"mm/gup.c": GUP.replace("a33\n", "else\n")}
    error = refuse(files, grown + second, 15)
    assert error.what.startswith("hunk 2 of mm/gup.c")
    assert error.what.endswith("(mm/gup.c:30-36)")


def test_what_only_git_refuses_shows_its_words(refuse: Refuse) -> None:
    text = "diff --git a/a.c b/b.c\nsimilarity index 100%\nrename from a.c\nrename to b.c\n"
    error = refuse({"a.c": "x\n", "b.c": "y\n"}, text, None)
    assert "b.c: already exists" in str(error.detail)


def test_the_line_that_git_names(refuse: Refuse) -> None:
    text = change(10) + "diff --git a/b.c b/b.c\nold mode 100644\nnew ode 100755\n"
    error = refuse({"mm/gup.c": GUP, "b.c": "b\n"}, text, 15)
    assert "only garbage" in str(error.detail)
