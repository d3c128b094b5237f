# SPDX-License-Identifier: GPL-2.0-only
"""Slips that are known by their form, with the hint that mends each."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import Location, UserError
from lab.patches.common_mistakes import without_prefix
from lab.patches.patch import load_patch
from lab.process import run

UNPREFIXED = """\
diff --git mm/new.c mm/new.c
new file mode 100644
index 0000000..7898192
--- /dev/null
+++ mm/new.c
@@ -0,0 +1 @@
+a
"""
BINARY = """\
diff --git a/logo.gif b/logo.gif
index 1f7391f..25a7b2f 100644
Binary files a/logo.gif and b/logo.gif differ
"""
COVER = """\
From: A <a@example.org>
Subject: [RFC PATCH v2 0/2] mm: two things

What it is about.

 mm/gup.c | 2 +-
"""


def written(folder: Path, text: str, name: str = "fix.patch") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def slip(path: Path) -> tuple[str, str, str]:
    with pytest.raises(UserError) as caught:
        load_patch(path, name=path.name)
    return caught.value.what, str(caught.value.where), str(caught.value.hint)


def test_no_prefix(tmp_path: Path) -> None:
    """git apply would make new.c at the top of the tree, and all would look well."""
    path = written(tmp_path, f"\nA message.\n\n{UNPREFIXED}")
    what, where, hint = slip(path)
    assert "--no-prefix" in what
    assert where == str(Location(path, 4))
    assert hint == "write `fix.patch -p0` in the series"
    assert load_patch(path, strip=0).strip == 0


def test_no_prefix_before_a_name_that_git_quotes(tmp_path: Path) -> None:
    quoted = UNPREFIXED.replace("mm/new.c", r'"mm/n\303\244w.c"')
    _, _, hint = slip(written(tmp_path, quoted))
    assert hint == "write `fix.patch -p0` in the series"
    assert without_prefix(quoted.split("\n"))
    assert not without_prefix(quoted.replace('"mm/', '"a/mm/').split("\n"))


def test_paths_that_only_look_so(tmp_path: Path) -> None:
    """Two prefixes that are the same, and a file at the top whose name has none."""
    for old in ("linux/mm/new.c", "Makefile", "a/mm/new.c"):
        assert load_patch(written(tmp_path, UNPREFIXED.replace("mm/new.c", old)))


def test_a_binary_file_without_its_content(tmp_path: Path) -> None:
    path = written(tmp_path, BINARY)
    what, where, hint = slip(path)
    assert "logo.gif" in what
    assert where == str(Location(path, 3))
    assert "git diff --binary" in hint


def test_a_binary_patch_that_git_made_is_taken(tmp_path: Path) -> None:
    run(["git", "init", "-q", tmp_path])
    (tmp_path / "logo.gif").write_bytes(bytes(range(256)))
    run(["git", "-C", tmp_path, "add", "logo.gif"])
    diff = run(["git", "-C", tmp_path, "diff", "--cached", "--binary"]).stdout
    assert "GIT binary patch" in diff
    assert load_patch(written(tmp_path, diff))


def test_text_about_binary_files_in_a_hunk(tmp_path: Path) -> None:
    said = UNPREFIXED.replace("mm/new.c", "b/x").replace("+a", "+Binary files a and b differ")
    assert load_patch(written(tmp_path, said))


@pytest.mark.parametrize("name", ["0000-cover-letter.patch", "cover.patch"])
def test_a_cover_letter(tmp_path: Path, name: str) -> None:
    what, _, hint = slip(written(tmp_path, COVER, name))
    assert "cover letter" in what
    assert hint == f"take the line {name} out of the series file"


def test_a_text_that_is_none(tmp_path: Path) -> None:
    what, _, _ = slip(written(tmp_path, COVER.replace("0/2", "1/2")))
    assert what == "there is no diff in this patch file"
