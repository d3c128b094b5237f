# SPDX-License-Identifier: GPL-2.0-only
"""Patches rebuilt from texts that were damaged in the ways of web archives and mailers."""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import Location, UserError
from lab.patches import Overlay, apply, load_patch
from lab.patches.damaged import CannotRebuild
from lab.patches.patched_tree import View
from lab.patches.rebuild import Rebuilt, Result, rebuild
from lab.trees import Tree, blob_digest
from tests.patches.conftest import MakeTree

pytestmark = pytest.mark.slow

POND = """\
// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ducks on a pond.
 *
 * Author: A. Drake <drake@example.org>
 */
#include "pond.h"

#define POND_DEPTH\t\t4
#define POND_WIDTH\t\t20

struct pond {
\tint depth;
\tstruct duck *ducks;
};

static int pond_count(struct pond *pond, int kind)
{
\tstruct duck *duck;
\tint found = 0;

\tfor (duck = pond->ducks; duck; duck = duck->next) {
\t\tif (duck->kind != kind)
\t\t\tcontinue;

\t\tfound++;
\t\tif (found > POND_WIDTH)
\t\t\tbreak;
\t}

\treturn found;
}

static int pond_feed(struct pond *pond, int bread)
{
\tint ret;

\tswitch (bread) {
\tcase 0:
\t\treturn 0;
\tcase 1:
\t\tret = pond_throw(pond, bread);
\t\tbreak;
\tdefault:
\t\tret = -EINVAL;
\t}

\tif (ret)
\t\tgoto out;

\tpond->depth = POND_DEPTH;
out:
\treturn ret;
}
"""
CHANGES = [
    ("#define POND_WIDTH\t\t20\n", "#define POND_WIDTH\t\t20\n#define POND_SHORE\t\t2\n"),
    ("\tstruct duck *ducks;\n", "\tstruct duck *ducks;\n\tstruct frog *frogs;\n"),
    (
        "\t\tif (duck->kind != kind)\n\t\t\tcontinue;\n",
        "\t\tif (duck->kind != kind && !(duck->flags & DUCK_ANY)) {\n"
        "\t\t\t/*\n"
        "\t\t\t * Another kind, but somebody may have asked for any\n"
        "\t\t\t * duck at all.\n"
        "\t\t\t */\n"
        "\t\t\tif (duck->asleep < POND_SHORE && pond->depth &&\n"
        "\t\t\t    pond_quiet(pond))\n"
        "\t\t\t\tpond_wake(pond, duck);\n"
        "\n"
        "\t\t\tcontinue;\n"
        "\t\t}\n",
    ),
    (
        "\tcase 1:\n\t\tret = pond_throw(pond, bread);\n",
        "\tcase 1:\n\t\tret = pond_throw(pond, bread);\n"
        "\t\tif (ret == -EAGAIN)\n\t\t\treturn ret;\n"
        "\t\tbreak;\n\tcase 2:\n\t\tret = pond_throw_twice(pond, bread,\n"
        "\t\t\t\t       POND_SHORE);\n",
    ),
]
NAME = "drivers/pond.c"
Damage = Callable[[list[str]], list[str]]


def changed(text: str = POND, *changes: tuple[str, str]) -> str:
    for old, new in changes or CHANGES:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def diff(before: str, after: str, *, digits: int = 12, index: bool = True) -> list[str]:
    """The true patch, in lines without their ends."""
    old, new = (blob_digest(text.encode())[:digits] for text in (before, after))
    found = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"a/{NAME}", f"b/{NAME}", lineterm=""
    )
    head = [f"diff --git a/{NAME} b/{NAME}"]
    return head + ([f"index {old}..{new} 100644"] if index else []) + list(found)


def in_hunks(edit: Callable[[str, str], list[str]]) -> Damage:
    """A damage that makes of each line of a hunk (its sign, its text) the lines it returns."""

    def damage(lines: list[str]) -> list[str]:
        first = next(at for at, line in enumerate(lines) if line.startswith("@@"))
        made = lines[:first]
        for line in lines[first:]:
            made += [line] if line.startswith("@@") else edit(line[:1], line[1:])
        return made

    return damage


def wrap(sign: str, text: str) -> list[str]:
    """As a mailer does it that has 60 columns for a line."""
    if len(text.expandtabs()) <= 60 or " " not in text.strip():
        return [sign + text]
    at = text.rindex(" ", 0, 60)
    return [sign + text[:at], text[at + 1 :]]


COLLAPSED = in_hunks(lambda sign, text: [sign + " ".join(["", *text.split()])])
DAMAGES: dict[str, Damage] = {
    "nothing": lambda lines: lines,
    "one space": COLLAPSED,
    "no white space before": in_hunks(lambda sign, text: [(sign + text.lstrip()).strip()]),
    "tabs to spaces": in_hunks(lambda sign, text: [sign + text.expandtabs()]),
    "tabs to spaces behind the sign": in_hunks(lambda sign, text: [(sign + text).expandtabs()]),
    "tabs to four spaces": in_hunks(lambda sign, text: [sign + text.replace("\t", "    ")]),
    "wrapped": in_hunks(wrap),
    "blank lines": in_hunks(lambda sign, text: [sign + text] if text.strip() else []),
    "HTML": lambda lines: [html.escape(line) for line in lines],
    "white space behind": in_hunks(lambda sign, text: [sign + text + "  "]),
    "addresses": in_hunks(lambda sign, text: [sign + re.sub(r"@\S+\.org", "@xxxxxx", text)]),
    "context above": in_hunks(
        lambda sign, text: [] if sign == " " and "for (" in text else [sign + text]
    ),
}
DAMAGES["one space, blank lines, HTML"] = lambda lines: DAMAGES["HTML"](
    COLLAPSED(DAMAGES["blank lines"](lines))
)


@pytest.fixture
def tree(make_tree: MakeTree) -> Tree:
    return make_tree({NAME: POND})


def rebuilt(tree: Tree, lines: list[str], *, seconds: float = 60.0) -> Rebuilt:
    path = tree.path.parent / "mail.txt"
    path.write_text("\n".join(["[PATCH] pond: more", "", "Words.", "", *lines, ""]))
    return rebuild(path, View(tree, Overlay.empty()), seconds=seconds)


def said(done: Rebuilt) -> str:
    return "\n".join(str(guess) for file in done.files for guess in file.guesses)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_damaged_is_proved(tree: Tree, damage: str) -> None:
    true = diff(POND, changed())
    done = rebuilt(tree, DAMAGES[damage](true))
    assert done.result is Result.PROVED, said(done)
    assert done.diff.decode().splitlines() == true


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_first_guess_is_the_best(tree: Tree, damage: str) -> None:
    """Where nothing can prove a candidate, nothing can tell a better one either."""
    (file,) = rebuilt(tree, DAMAGES[damage](diff(POND, changed(), index=False))).files
    assert file.blob == blob_digest(changed().encode())
    assert (file.result, file.tried) == (Result.REBUILT, 0)


def test_it_applies_as_git_has_it(tree: Tree, tmp_path: Path) -> None:
    done = rebuilt(tree, COLLAPSED(diff(POND, changed())))
    path = tmp_path / "fix.patch"
    path.write_bytes(done.diff)
    applied = apply(tree, [load_patch(path)])
    assert applied.overlay.files[NAME].content == changed().encode()  # type: ignore[union-attr]


def test_each_guess_names_its_line(tree: Tree) -> None:
    lines = DAMAGES["one space, blank lines, HTML"](diff(POND, changed()))
    done = rebuilt(tree, lines)
    at = next(at for at, line in enumerate(lines) if "pond_wake" in line) + 5
    assert f"line {at}: indented by 4 tabs, as the lines around it imply" in said(done)
    assert f"line {at}: a blank line was added below it" in said(done)


def test_nothing_is_guessed_of_what_is_whole(tree: Tree) -> None:
    done = rebuilt(tree, diff(POND, changed()))
    assert (said(done), done.files[0].tried) == ("", 1)


def test_an_odd_style_is_searched_for(tree: Tree) -> None:
    odd = ("\tpond->depth = POND_DEPTH;\n", "\tpond_dig(pond,\n\t\tPOND_DEPTH);\n")
    done = rebuilt(tree, COLLAPSED(diff(POND, changed(POND, odd))))
    assert done.result is Result.PROVED
    assert done.files[0].tried > 1
    assert "indented by 2 tabs" in said(done)


def test_an_added_address_stays_blotted_out(tree: Tree) -> None:
    more = (" */\n#include", " * Author: B. Teal <teal@example.org>\n */\n#include")
    done = rebuilt(tree, DAMAGES["addresses"](diff(POND, changed(POND, more))), seconds=0.2)
    assert done.result is Result.REBUILT
    assert "+ * Author: B. Teal <teal@xxxxxx>\n" in done.diff.decode()
    assert " * Author: A. Drake <drake@example.org>\n" in done.diff.decode()
    assert "the address is blotted out, and stays so" in said(done)


def test_another_file_proves_nothing(make_tree: MakeTree) -> None:
    moved = "/* Water. */\n" + POND
    tree = make_tree({NAME: moved})
    (file,) = rebuilt(tree, COLLAPSED(diff(POND, changed()))).files
    assert file.result is Result.REBUILT
    assert file.blob == blob_digest(changed(moved).encode())
    before = blob_digest(POND.encode())[:12]
    has = blob_digest(moved.encode())[:12]
    assert file.why == f"the patch was made from blob {before}, and the tree has {has}"
    assert "the hunk is at line 9, not 8" in "\n".join(map(str, file.guesses))
    # An index line would speak of another file.
    assert b"\nindex " not in file.diff


def test_no_index_line_proves_nothing(tree: Tree) -> None:
    (file,) = rebuilt(tree, COLLAPSED(diff(POND, changed(), index=False))).files
    assert file.result is Result.REBUILT
    assert file.blob == blob_digest(changed().encode())
    assert "no index line" in file.why


def test_a_line_that_was_altered_is_never_proved(tree: Tree) -> None:
    lines = diff(POND, changed())
    at = next(at for at, line in enumerate(lines) if "pond_wake" in line)
    lines[at] = lines[at].replace("pond_wake", "pond_woke")
    (file,) = rebuilt(tree, COLLAPSED(lines), seconds=0.3).files
    assert file.result is Result.REBUILT
    assert re.fullmatch(r"none of \d+ candidates is blob [0-9a-f]{12}", file.why)


def test_few_digits_allow_few_candidates(tree: Tree) -> None:
    """Four digits would soon be right by chance."""
    lines = diff(POND, changed(), digits=4)
    at = next(at for at, line in enumerate(lines) if "pond_wake" in line)
    lines[at] = lines[at].replace("pond_wake", "pond_woke")
    (file,) = rebuilt(tree, COLLAPSED(lines)).files
    assert (file.result, file.tried) == (Result.REBUILT, 65)


def test_two_places_that_are_as_good_are_told(make_tree: MakeTree) -> None:
    before = "int a;\nint b;\nint c;\n"
    after = before.replace("int b;", "long b;")
    tree = make_tree({NAME: before + "\n\n" + before})
    done = rebuilt(tree, COLLAPSED(diff(before, after)))
    assert "the hunk could as well be at line 6" in said(done)


def test_a_line_that_is_not_there_is_named(tree: Tree) -> None:
    lines = COLLAPSED(diff(POND, changed()))
    at = next(at for at, line in enumerate(lines) if line.startswith("- if"))
    lines[at] = "- if (goose->kind != kind)"
    with pytest.raises(CannotRebuild) as caught:
        rebuilt(tree, lines)
    assert "has no place at line 20 of drivers/pond.c" in caught.value.what
    assert "goose" in caught.value.what
    assert str(caught.value.where).endswith(f"mail.txt:{at + 5}")


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["Only words."], "no diff"),
        (["diff --git a/x.c b/x.c", "new file mode 100644", "@@ -0,0 +1 @@", "+x"], "is changed"),
        (["--- a/x.c", "+++ b/x.c", "@@ -1 +1 @@", "-x", "+y"], "the tree has no x.c"),
        (["--- a/../x.c", "+++ b/../x.c", "@@ -1 +1 @@", "-x", "+y"], "not a path inside"),
        ([f"--- a/{NAME}", f"+++ b/{NAME}"], "there are no hunks"),
        ([f"--- a/{NAME}", f"+++ b/{NAME}", "@@ -0,0 +1 @@", "+x"], "where it belongs"),
        ([f"--- a/{NAME}", f"+++ b/{NAME}", "@@ -1,9999 +1 @@", "+x"], "more than 1000 lines"),
        ([f"--- a/{NAME}", f"+++ b/{NAME}", "@@ -1 +1 @@", "+" + "x" * 1001], "1000 characters"),
        ([f"--- a/{NAME}", f"+++ b/{NAME}", *["@@ -1 +1 @@", "+x"] * 201], "200 hunks"),
        ([f"--- a/{NAME}", f"+++ b/{NAME}", "@@ -1 +1 @@", "+x"] * 2, "twice"),
        (["x" * (1 << 20)], "1 MiB"),
        ([f"diff --git a/{NAME} b/{NAME}", "old mode 100644", "new mode 100755"], "is changed"),
        (
            [f"--- a/{NAME}", f"+++ b/{NAME}", "@@ -1,2 +1,40 @@", "-/*", "+ x"],
            "too many to guess",
        ),
    ],
)
def test_what_cannot_be_is_refused(tree: Tree, lines: list[str], what: str) -> None:
    with pytest.raises(UserError, match=what):
        rebuilt(tree, lines)


@pytest.mark.parametrize("before", ["  ", "> ", "> > ", "| "])
def test_a_part_of_the_diff_is_never_taken_for_a_footer(tree: Tree, before: str) -> None:
    """It would be dropped, and what is left of the patch be proved."""
    true = COLLAPSED(diff(POND, changed()))
    for more in (["diff --git a/x b/x", "new file mode 100644"], ["--- a/x", "+++ b/x"]):
        with pytest.raises(
            CannotRebuild, match="a part of the diff is quoted or indented"
        ) as caught:
            rebuilt(tree, [*true, *(before + line for line in more)])
        assert caught.value.where == Location(tree.path.parent / "mail.txt", 5 + len(true))


def test_a_file_without_an_end(make_tree: MakeTree) -> None:
    before = POND.rstrip("\n")
    after = before.replace("\treturn ret;\n}", "\tpond_still(pond);\n\treturn ret;\n}")
    done = rebuilt(make_tree({NAME: before}), COLLAPSED(diff(before, after)))
    assert done.result is Result.PROVED
    assert done.diff.decode().endswith(" }\n\\ No newline at end of file\n")


def test_a_hunk_that_may_be_anything_is_refused(make_tree: MakeTree) -> None:
    tree = make_tree({NAME: "x\n" * 2000})
    lines = [f"--- a/{NAME}", f"+++ b/{NAME}", "@@ -1,900 +1,900 @@", *["x"] * 400]
    with pytest.raises(CannotRebuild, match="too many lines of the hunk"):
        rebuilt(tree, lines)
