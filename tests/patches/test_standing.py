# SPDX-License-Identifier: GPL-2.0-only
"""Where a series stands on a tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.patches import Overlay, Replacement, load_series
from lab.patches.standing import Standing, Standings
from lab.process import run
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


PAD = "".join(f"int v{number};\n\n" for number in range(20))
CHECK = "\tif (!d->ready)\n\t\treturn -EAGAIN;\n\n"


def function(name: str, check: str = "") -> str:
    """One of two that do the same, down to the lines around the check."""
    begin = f"int {name}(struct duck *d)\n{{\n\tret = get(d);\n\tif (ret)\n\t\tgoto out;\n\n"
    return (
        f"{begin}{check}\tret = go(d);\n\tif (ret)\n\t\tput(d);\nout:\n\treturn ret;\n}}\n\n{PAD}"
    )


def fixing(tmp_path: Path, before: str, after: str, heading: str | None = None) -> Standings:
    """What git diff makes of two contents of a file, with this for the heading of its hunk."""
    for name, content in (("before.c", before), ("after.c", after)):
        (tmp_path / name).write_text(content)
    words = ("git", "diff", "--no-index", "--no-prefix", "before.c", "after.c")
    said = run(words, cwd=tmp_path, check=False).stdout
    hunks = said[said.index("@@ -") :]
    if heading is not None:
        hunks = re.sub(r"^(@@ .* @@).*", rf"\1 {heading}", hunks)
    return series(tmp_path, f"--- a/mm/gup.c\n+++ b/mm/gup.c\n{hunks}")


NEITHER, FIRST, BOTH = (
    PAD + function("swim", one) + function("fly", other)
    for one, other in (("", ""), (CHECK, ""), (CHECK, CHECK))
)


@pytest.mark.parametrize("above", ["", "int more;\n"])
@pytest.mark.parametrize(
    ("content", "standing"),
    [
        (BOTH, Standing.IN),
        (PAD + BOTH, Standing.IN),
        (FIRST, None),
        (FIRST.replace("int fly(struct duck *d)", "int\tfly(struct goose *d)"), None),
        # The second is not there any more, or not as it was.
        (
            FIRST.replace("goto out", "return ret").replace("return ret", "goto out", 1),
            Standing.REFUSED,
        ),
        (PAD + function("fly", CHECK), Standing.IN),
        (BOTH.replace("int fly(struct duck *d)", "int\tfly(struct goose *d)"), Standing.IN),
    ],
)
def test_a_fix_that_another_function_has_is_not_in(
    tmp_path: Path, make_tree: MakeTree, content: str, standing: Standing | None, above: str
) -> None:
    fix = fixing(tmp_path, FIRST, BOTH)
    stand = fix.on(make_tree({"mm/gup.c": above + content}))
    assert stand.standing is (standing or (Standing.MOVED if above else Standing.APPLIES))


BAR, BAZ = "int bar(void)\n{\n\tbar();\n}\n\n", "int baz(int a)\n{\n\treturn a;\n}\n"
MORE = "int qux(void)\n{\n\tqux();\n}\n\n"


def test_a_fix_below_a_heading_that_its_hunk_shows_is_in(
    tmp_path: Path, make_tree: MakeTree
) -> None:
    """Its section is the function before it, which is another in another tree."""
    before, after = "\treturn a;\n", "\tif (a)\n\t\treturn 0;\n\n\treturn a;\n"
    fix = fixing(tmp_path, PAD + BAR + BAZ, PAD + BAR + BAZ.replace(before, after), "int bar(void)")
    tree = make_tree({"mm/gup.c": PAD + BAR + MORE + BAZ.replace(before, after)})
    assert fix.on(tree).standing is Standing.IN


#: Far enough from the function above that a hunk shows none of it.
DEFINES = "".join(f"#define X{number}\n" for number in range(20))


def test_a_heading_that_the_patch_makes_is_none_that_was_left_out(
    tmp_path: Path, make_tree: MakeTree
) -> None:
    before = PAD + BAR + DEFINES
    after = (PAD + BAR + MORE + DEFINES).replace("X10\n", "X10 1\n")
    fix = fixing(tmp_path, before, after, "int bar(void)")
    assert fix.on(make_tree({"mm/gup.c": after})).standing is Standing.IN


def test_a_heading_that_the_patch_changes_is_still_that_of_its_hunks(
    tmp_path: Path, make_tree: MakeTree
) -> None:
    before = PAD + BAR + DEFINES
    after = before.replace("bar(void)", "bar(int a)").replace("X10\n", "X10 1\n")
    fix = fixing(tmp_path, before, after, "int bar(void)")
    assert fix.on(make_tree({"mm/gup.c": after})).standing is Standing.IN


@pytest.mark.parametrize("heading", ["int fly(struct duck *d)", "out:", ""])
def test_a_fix_below_a_label_is_in(tmp_path: Path, make_tree: MakeTree, heading: str) -> None:
    """Of C the kernel's .gitattributes have git name the function, and not the label."""
    long = BOTH.replace("out:\n", "out:\n\tone(d);\n\ttwo(d);\n\tsix(d);\n")
    before, last, after = long.rpartition("\treturn ret;\n")
    fixed = f"{before}\treturn ret ?: 1;\n{after}"
    fix = fixing(tmp_path, before + last + after, fixed, heading)
    assert fix.on(make_tree({"mm/gup.c": fixed})).standing is Standing.IN


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
