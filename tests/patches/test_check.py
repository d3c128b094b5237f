# SPDX-License-Identifier: GPL-2.0-only
"""The blobs that a patch names for its files."""

from __future__ import annotations

import pytest

from lab.errors import UserError
from lab.patches import Note, apply
from lab.trees import blob_digest
from tests.patches.conftest import GUP, MakePatch, MakeTree, change

BEFORE = blob_digest(GUP.encode())
AFTER = blob_digest(GUP.replace("a13\n", "A13\n").encode())
INDEX = f"index {BEFORE[:7]}..{AFTER[:12]} 100644"


def note(make_tree: MakeTree, make_patch: MakePatch, text: str, source: str = GUP) -> Note:
    (only,) = apply(make_tree({"mm/gup.c": source}), [make_patch(text)]).notes
    return only


def test_the_blobs_it_names(make_tree: MakeTree, make_patch: MakePatch) -> None:
    found = note(make_tree, make_patch, change(10, index=INDEX))
    assert found.exact_blob
    assert str(found) == "fix.patch: mm/gup.c: from and to the exact blobs it names"


def test_an_altered_patch(make_tree: MakeTree, make_patch: MakePatch) -> None:
    text = change(10, index=INDEX).replace("+A13", "+A13x")
    with pytest.raises(UserError, match="the patch was altered") as caught:
        note(make_tree, make_patch, text)
    assert str(caught.value.where).endswith("fix.patch:5")
    assert AFTER[:12] in caught.value.what


def test_another_file_proves_nothing(make_tree: MakeTree, make_patch: MakePatch) -> None:
    text = change(10, index=INDEX).replace("+A13", "+A13x")
    assert not note(make_tree, make_patch, text, GUP + "more\n").exact_blob


def test_new_and_deleted_files(make_tree: MakeTree, make_patch: MakePatch) -> None:
    blob = blob_digest(b"x\n")
    new = f"new file mode 100644\nindex 0000000..{blob[:7]}\n--- /dev/null\n+++ b/new.c\n"
    new = f"diff --git a/new.c b/new.c\n{new}@@ -0,0 +1 @@\n+x\n"
    gone = f"deleted file mode 100644\nindex {blob[:7]}..0000000\n--- a/old.c\n+++ /dev/null\n"
    gone = f"diff --git a/old.c b/old.c\n{gone}@@ -1 +0,0 @@\n-x\n"
    tree = make_tree({"old.c": "x\n"})
    applied = apply(tree, [make_patch(new + gone)])
    assert [(each.file, each.exact_blob) for each in applied.notes] == [
        ("new.c", True),
        ("old.c", True),
    ]
    with pytest.raises(UserError, match="altered"):
        apply(tree, [make_patch(new.replace("+x", "+y"))])


def test_a_file_twice_in_one_patch(make_tree: MakeTree, make_patch: MakePatch) -> None:
    # The first index line names what is between the two, which nobody sees.
    text = change(10, index=INDEX) + change(30)
    notes = apply(make_tree({"mm/gup.c": GUP}), [make_patch(text)]).notes
    assert [each.exact_blob for each in notes] == [False, False]
