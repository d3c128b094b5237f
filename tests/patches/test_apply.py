# SPDX-License-Identifier: GPL-2.0-only
"""Patches that apply, and what becomes of the tree's files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import InfrastructureError, Location, UserError
from lab.patches import Overlay, Patch, Replacement, apply, carries
from lab.trees import Tree
from tests.patches.conftest import GUP, MakePatch, MakeTree, change


def content(overlay: Overlay, name: str) -> str:
    replacement = overlay.files[name]
    assert replacement is not None
    return replacement.content.decode()


def note(tree: Tree, patch: Patch) -> str:
    (only,) = apply(tree, [patch]).notes
    return str(only)


def snapshot(tree: Tree) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in tree.path.rglob("*") if path.is_file()}


def test_exact(make_tree: MakeTree, make_patch: MakePatch) -> None:
    tree = make_tree({"mm/gup.c": GUP, "mm/mlock.c": "x\n"})
    before = snapshot(tree)
    applied = apply(tree, [make_patch(change(10))])
    wanted = Replacement(0o100644, GUP.replace("a13\n", "A13\n").encode())
    assert applied.overlay == Overlay({"mm/gup.c": wanted})
    assert str(applied.notes[0]) == "fix.patch: mm/gup.c: applied at its lines"
    assert snapshot(tree) == before


def test_offset_is_noted(make_tree: MakeTree, make_patch: MakePatch) -> None:
    tree = make_tree({"mm/gup.c": GUP})
    patch = make_patch(change(20, at=17))
    assert content(apply(tree, [patch]).overlay, "mm/gup.c") == GUP.replace("a23\n", "A23\n")
    assert note(tree, patch) == "fix.patch: mm/gup.c: hunk 1 applied at an offset of +3 lines"


def test_offset_to_one_of_several_places(make_tree: MakeTree, make_patch: MakePatch) -> None:
    tree = make_tree({"mm/gup.c": "x\nx\n" + GUP + "y\n" + GUP})
    assert "2 times" in note(tree, make_patch(change(20)))


def test_a_series_builds_on_itself_and_on_the_start(
    make_tree: MakeTree, make_patch: MakePatch
) -> None:
    tree = make_tree({"mm/gup.c": GUP})
    first = apply(tree, [make_patch(change(10), name="first.patch")]).overlay
    second = change(10).replace("-a13", "-A13").replace("+A13", "+b13")
    third = change(30)
    patches = [make_patch(second, name="second.patch"), make_patch(third, name="third.patch")]
    applied = apply(tree, patches, start=first)
    wanted = GUP.replace("a13\n", "b13\n").replace("a33\n", "A33\n")
    assert content(applied.overlay, "mm/gup.c") == wanted
    assert content(first, "mm/gup.c") == GUP.replace("a13\n", "A13\n")
    assert [each.patch.name for each in applied.notes] == ["second.patch", "third.patch"]


SHAPES = """\
diff --git a/old.c b/new/name.c
similarity index 100%
rename from old.c
rename to new/name.c
diff --git a/gone.c b/gone.c
deleted file mode 100644
--- a/gone.c
+++ /dev/null
@@ -1 +0,0 @@
-gone
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
diff --git "a/\\303\\274.c" "b/\\303\\274.c"
new file mode 100755
--- /dev/null
+++ "b/\\303\\274.c"
@@ -0,0 +1 @@
+text
\\ No newline at end of file
diff --git a/link b/link
index 1..2 120000
--- a/link
+++ b/link
@@ -1 +1 @@
-./old.c
\\ No newline at end of file
+./new/name.c
\\ No newline at end of file
"""


def test_renames_deletions_modes_links(make_tree: MakeTree, make_patch: MakePatch) -> None:
    files = {"old.c": "old\n", "gone.c": "gone\n", "run.sh": "#!\n"}
    tree = make_tree({**files, "link": (0o120000, b"./old.c")})
    assert apply(tree, [make_patch(SHAPES)]).overlay.files == {
        "old.c": None,
        "new/name.c": Replacement(0o100644, b"old\n"),
        "gone.c": None,
        "run.sh": Replacement(0o100755, b"#!\n"),
        "ü.c": Replacement(0o100755, b"text"),
        "link": Replacement(0o120000, b"./new/name.c"),
    }


BINARY = """\
diff --git a/blob.bin b/blob.bin
index f8ac8d3c292f794048d3071546c825a1b1b86d7c..4e7260fe96a2d3f49e5e9ff251df93d7c1872450 100644
GIT binary patch
literal 6
NcmZQz%u6lj0ssT*0agG2

literal 6
NcmZQz%+E>T0ssTu0ZRY?

"""


def test_binary(make_tree: MakeTree, make_patch: MakePatch) -> None:
    tree = make_tree({"blob.bin": b"\0\1old\n"})
    applied = apply(tree, [make_patch(BINARY)])
    assert applied.overlay.files == {"blob.bin": Replacement(0o100644, b"\0\1new\n")}
    assert applied.notes[0].exact_blob


def test_strip(make_tree: MakeTree, make_patch: MakePatch) -> None:
    tree = make_tree({"mm/gup.c": GUP})
    patch = make_patch(change(10, name="linux/mm/gup.c"), strip=2)
    assert list(apply(tree, [patch]).overlay.files) == ["mm/gup.c"]


def test_message_is_not_searched_for_diffs(make_tree: MakeTree, make_patch: MakePatch) -> None:
    tree = make_tree({"mm/gup.c": GUP})
    patch = make_patch("Subject: x\n\n@@ -1 +1 @@\n\n---\n" + change(10) + "-- \n2.4.3\n")
    assert list(apply(tree, [patch]).overlay.files) == ["mm/gup.c"]


def test_users_git_configuration_forgives_nothing(
    make_tree: MakeTree, make_patch: MakePatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[apply]\n\tignoreWhitespace = change\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    tree = make_tree({"mm/gup.c": GUP.replace("a", "\ta")})
    indented = re.sub(r"^([ +-])(\w)", r"\1    \2", change(10), flags=re.MULTILINE)
    with pytest.raises(UserError, match="only white space differs"):
        apply(tree, [make_patch(indented)])


def test_inside_of_a_repository(
    make_tree: MakeTree, make_patch: MakePatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Below a repository's top, git apply skips what is not there in silence.
    for folder in ("objects", "refs"):
        (tmp_path / ".git" / folder).mkdir(parents=True)
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/main\n")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tree = make_tree({"mm/gup.c": GUP})
    assert list(apply(tree, [make_patch(change(10))]).overlay.files) == ["mm/gup.c"]


@pytest.mark.parametrize("name", ["../evil.c", "mm/../../evil.c", ".git/hooks/post-commit"])
def test_paths_out_of_the_tree(make_tree: MakeTree, make_patch: MakePatch, name: str) -> None:
    text = f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n"
    with pytest.raises(UserError, match="not a path inside"):
        apply(make_tree({"mm/gup.c": GUP}), [make_patch(text)])


def test_paths_through_a_link(make_tree: MakeTree, make_patch: MakePatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x\n")
    tree = make_tree({"out": (0o120000, str(tmp_path).encode())})
    text = "--- a/out/secret\n+++ b/out/secret\n@@ -1 +1 @@\n-x\n+y\n"
    with pytest.raises(UserError, match="out is no folder") as caught:
        apply(tree, [make_patch(text)])
    assert caught.value.where == Location(tmp_path / "fix.patch", 3)


def test_a_folder_in_the_way(make_tree: MakeTree, make_patch: MakePatch) -> None:
    text = "--- /dev/null\n+++ b/mm\n@@ -0,0 +1 @@\n+x\n"
    with pytest.raises(UserError, match="mm is a folder"):
        apply(make_tree({"mm/gup.c": GUP}), [make_patch(text)])


@pytest.mark.parametrize(
    ("name", "refused"), [("linux/mm/new.c", True), ("mm/new.c", False), ("pond/new.c", False)]
)
def test_a_new_file_that_wants_more_taken_off(
    make_tree: MakeTree, make_patch: MakePatch, tmp_path: Path, name: str, refused: bool
) -> None:
    tree = make_tree({"mm/gup.c": GUP})
    patch = make_patch(f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n")
    if not refused:
        assert list(apply(tree, [patch]).overlay.files) == [name]
        return
    with pytest.raises(UserError, match="new file in linux/, which is not in the tree; mm/ is"):
        apply(tree, [patch])
    assert list(apply(tree, [make_patch(patch.content, strip=2)]).overlay.files) == ["mm/new.c"]


def test_a_file_that_only_git_sees(make_tree: MakeTree, make_patch: MakePatch) -> None:
    text = "diff --git a/a.c b/b.c\nsimilarity index 100%\nrename from a.c\nrename to other.c\n"
    with pytest.raises(UserError, match="makes other"):
        apply(make_tree({"a.c": "a\n", "other.c": "x\n"}), [make_patch(text)])


def test_a_tree_that_changed(make_tree: MakeTree, make_patch: MakePatch) -> None:
    tree = make_tree({"mm/gup.c": GUP})
    (tree.path / "mm/gup.c").write_text(GUP + "edited\n")
    with pytest.raises(InfrastructureError, match="not what it was") as caught:
        apply(tree, [make_patch(change(10))])
    assert f"rm -r {tree.path.parent}," in (caught.value.hint or "")


def test_a_folder_that_changed_is_not_to_be_removed(
    make_tree: MakeTree, make_patch: MakePatch
) -> None:
    """It is the user's own."""
    tree = replace(make_tree({"mm/gup.c": GUP}), identity="dir:x", immutable=False)
    (tree.path / "mm/gup.c").write_text(GUP + "edited\n")
    with pytest.raises(InfrastructureError, match="changed while the lab was at work") as caught:
        apply(tree, [make_patch(change(10))])
    assert "rm" not in (caught.value.hint or "")


def test_overlay_digest() -> None:
    file = Replacement(0o100644, b"x")
    overlays = [
        Overlay.empty(),
        Overlay({"a": None}),
        Overlay({"a": file}),
        Overlay({"b": file}),
        Overlay({"a": Replacement(0o100755, b"x")}),
        Overlay({"a": Replacement(0o100644, b"y")}),
        Overlay({"a": file, "b": file}),
    ]
    assert len({overlay.digest for overlay in overlays}) == len(overlays)
    swapped = Overlay({"b": file, "a": file})
    assert swapped.digest == overlays[-1].digest


def hunk(first: int) -> str:
    """One more hunk for the file of a patch by change()."""
    return change(first).split("\n", 3)[3]


def test_how_often_the_lines_of_an_offset_hunk_are_there(
    make_tree: MakeTree, make_patch: MakePatch
) -> None:
    """Of that hunk, with whatever blanks its lines end."""
    blanks = GUP.replace("\n", " \t\n")
    twice = "".join(blanks.splitlines(keepends=True)[18:30])
    tree = make_tree({"mm/gup.c": "x\n" + blanks + "y\n" + twice})
    text = re.sub(r"^([ +-][aA]\d+)$", r"\1 \t", change(5) + hunk(20), flags=re.MULTILINE)
    assert note(tree, make_patch(text)) == (
        "fix.patch: mm/gup.c: hunk 1 applied at an offset of +1 lines; hunk 2 applied at an "
        "offset of +1 lines, and its lines are in the file 2 times: look whether it is right"
    )


ORIG = (
    change(20)
    .replace("diff --git a/mm/gup.c b/mm/gup.c\n", "")
    .replace("--- a/mm/gup.c", "--- a/mm/gup.c.orig")
)
RENAME = (
    change(20)
    .replace(
        "diff --git a/mm/gup.c b/mm/gup.c\n",
        "diff --git a/mm/gup.c b/mm/new.c\nsimilarity index 90%\n"
        "rename from mm/gup.c\nrename to mm/new.c\n",
    )
    .replace("+++ b/mm/gup.c", "+++ b/mm/new.c")
)


@pytest.mark.parametrize(("text", "name"), [(ORIG, "mm/gup.c"), (RENAME, "mm/new.c")])
def test_an_offset_in_a_file_of_two_names(
    make_tree: MakeTree, make_patch: MakePatch, text: str, name: str
) -> None:
    tree = make_tree({"mm/gup.c": "x\nx\n" + GUP + "y\n" + GUP})
    said = note(tree, make_patch(text))
    assert said.startswith(f"fix.patch: {name}: hunk 1 applied at an offset of +2 lines, and")
    assert "2 times" in said


def test_each_file_of_a_patch_has_a_note(make_tree: MakeTree, make_patch: MakePatch) -> None:
    files = {"old.c": "old\n", "gone.c": "gone\n", "run.sh": "#!\n"}
    tree = make_tree({**files, "link": (0o120000, b"./old.c")})
    notes = apply(tree, [make_patch(SHAPES)]).notes
    names = ["new/name.c", "gone.c", "run.sh", "ü.c", "link"]
    assert [(each.file, each.patch.name) for each in notes] == [
        (name, "fix.patch") for name in names
    ]


def test_a_folder_where_a_file_was(make_tree: MakeTree, make_patch: MakePatch) -> None:
    """The patch takes the file away itself: nothing stands in its way."""
    gone = "diff --git a/mm b/mm\ndeleted file mode 100644\n--- a/mm\n+++ /dev/null\n"
    new = "diff --git a/mm/x.c b/mm/x.c\nnew file mode 100644\n--- /dev/null\n+++ b/mm/x.c\n"
    text = f"{gone}@@ -1 +0,0 @@\n-x\n{new}@@ -0,0 +1 @@\n+y\n"
    applied = apply(make_tree({"mm": "x\n"}), [make_patch(text)])
    assert applied.overlay.files == {"mm": None, "mm/x.c": Replacement(0o100644, b"y\n")}


def test_whether_a_tree_has_it_already(make_tree: MakeTree, make_patch: MakePatch) -> None:
    tree, patch = make_tree({"mm/gup.c": GUP}), make_patch(change(10))
    assert not carries(tree, patch)
    over = apply(tree, [patch]).overlay
    assert carries(tree, patch, over=over)
    assert not carries(tree, make_patch(change(30), name="other.patch"), over=over)
    assert not carries(tree, make_patch(change(10, name="mm/gone.c"), name="gone.patch"))
    assert carries(make_tree({"mm/gup.c": GUP.replace("a13\n", "A13\n")}), patch)


def test_a_patch_that_is_in_the_tree_already(make_tree: MakeTree, make_patch: MakePatch) -> None:
    tree = make_tree({"mm/gup.c": GUP.replace("a13\n", "A13\n")})
    with pytest.raises(UserError, match="already applied"):
        apply(tree, [make_patch(change(10))])


def test_a_patch_that_git_cannot_read(make_tree: MakeTree, make_patch: MakePatch) -> None:
    """Its status is another than that of one that does not apply."""
    text = change(10) + "diff --git a/b.c b/b.c\nold mode 100644\nnew ode 100755\n"
    with pytest.raises(UserError) as caught:
        apply(make_tree({"mm/gup.c": GUP, "b.c": "b\n"}), [make_patch(text)])
    assert "only garbage" in str(caught.value.detail)


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (1, "error: patch failed: mm/gup.c:10", UserError),
        (128, "error: corrupt patch at line 4", UserError),
        # An assertion of git's.
        (134, "git: apply.c:2877: Assertion failed", UserError),
        (1, "fatal: write error: No space left on device", InfrastructureError),
        (128, "fatal: cannot mkdir: No space left on device", InfrastructureError),
        (2, "", InfrastructureError),
        # Usage: an older git knows not all of the options.
        (129, "error: unknown option", InfrastructureError),
    ],
)
def test_whose_fault_it_is_that_git_ended_badly(
    make_tree: MakeTree,
    make_patch: MakePatch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    said: str,
    kind: type[Exception],
) -> None:
    tree, patch = make_tree({"mm/gup.c": GUP}), make_patch(change(10))
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin/git"
    git.write_text(f'#!/bin/sh\necho "{said}" >&2\nexit {status}\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}:/usr/bin:/bin")
    with pytest.raises(kind) as caught:
        apply(tree, [patch])
    if kind is InfrastructureError:
        assert f"git apply ended with status {status}" in str(caught.value)
        assert said in str(caught.value)


def test_no_folder_for_a_moment(
    make_tree: MakeTree, make_patch: MakePatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, patch = make_tree({"mm/gup.c": GUP}), make_patch(change(10))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(InfrastructureError, match="the patch could not be tried: "):
        apply(tree, [patch])
