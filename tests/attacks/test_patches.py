# SPDX-License-Identifier: GPL-2.0-only
"""Mails, patches and series that nobody wrote in good faith: an error of the lab's, and soon."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest

from lab.errors import LabError, UserError
from lab.patches import apply, fit_series, load_patch, load_series
from lab.patches.hunk_position import closest, occurrences
from lab.trees import Tree
from tests.patches.conftest import MakePatch, MakeTree, change, make_patch, make_tree

__all__ = ["make_patch", "make_tree"]

DIFF = change(20)
HEADS = {
    "year": "Date: Mon, 1 Jan 99999999999 00:00:00 +0000\n",
    "digits": f"Date: Mon, 1 Jan {'9' * 5000} 00:00:00 +0000\n",
    "zone": f"Date: Mon, 1 Jan 2024 00:00:00 +{'9' * 30}\n",
    "zone digits": f"Date: Mon, 1 Jan 2024 00:00:00 +{'9' * 5000}\n",
    "no date": "Date: ,\n",
    "charset": "Subject: =?no-such?b?aGVsbG8=?=\n",
    "bytes": "Subject: =?utf-8?b?/////w==?= =?utf-8?q?=ff?=\n",
    "base64": "Subject: =?utf-8?b?a?=\n",
    "nul": "Subject: =?utf-8?q?a=00b?=\n",
    "long": "Subject: [" + "PATCH" * 100_000 + "\n",
    "content": "Content-Type: text/plain; charset=\n",
    "content charset": "Content-Type: text/plain; charset*=no-such''%ff\n",
    "parts": "".join(
        f"Content-Type: multipart/mixed; boundary=b{number}\n\n--b{number}\n"
        for number in range(1000)
    ),
}


@pytest.mark.parametrize("head", HEADS)
def test_mails(make_patch: MakePatch, head: str) -> None:
    mail = f"From: a <a@example.org>\n{HEADS[head]}\nbody\n---\n{DIFF}"
    assert len(make_patch(mail).diff) == 1


@pytest.mark.parametrize("digits", [19, 5000])
@pytest.mark.parametrize("place", ["-20,7", "+20,7"])
def test_hunk_headers(make_patch: MakePatch, make_tree: MakeTree, digits: int, place: str) -> None:
    sign, number, count = place[0], "9" * digits, place.rpartition(",")[2]
    for new in (f"{sign}{number},{count}", f"{sign}20,{number}"):
        header = next(line for line in DIFF.splitlines() if line.startswith("@@"))
        old = next(word for word in header.split() if word.startswith(sign))
        tree = make_tree({f"{len(new)}{digits}/mm/gup.c": "x\n"})
        with pytest.raises(UserError):
            apply(tree, [make_patch(DIFF.replace(old, new))])


def test_a_file_that_is_deeper_than_anybody_goes(
    make_patch: MakePatch, make_tree: MakeTree
) -> None:
    name = "d/" * 1500 + "x"
    patch = make_patch(f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n")
    with pytest.raises(UserError, match="the file is 1501 folders deep"):
        apply(make_tree({"mm/gup.c": "x\n"}), [patch])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a\0b", "no file can have this name"),
        ("a" * 5000, "no file can have this name"),
        ("a" * 300, "no file can have this name"),
        (f"fix.patch -p{'1' * 5000}", "is not an option the lab knows"),
        ("fix.patch -p²", "is not an option the lab knows"),
        (f"fix.patch # versions: >={'9' * 5000}.1", ""),
        (f"# upstream: 1027e4436b6a since {'9' * 5000}.1 mm: x", ""),
        ("../" * 1000 + "etc/passwd", "outside"),
    ],
)
def test_series(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s/fix.patch").write_text(DIFF)
    (tmp_path / "s/series").write_text(f"fix.patch\n{line}\n")
    with pytest.raises(UserError) as caught:
        load_series(tmp_path, "s")
    assert f"{tmp_path}/s/series:2" in str(caught.value)
    assert said in str(caught.value)


def test_check_and_build_say_the_same_of_a_line_break(
    make_patch: MakePatch, make_tree: MakeTree, tmp_path: Path
) -> None:
    new = (
        'diff --git "a/mm/a\\nb.c" "b/mm/a\\nb.c"\nnew file mode 100644\n'
        '--- /dev/null\n+++ "b/mm/a\\nb.c"\n@@ -0,0 +1 @@\n+int a;\n'
    )
    tree = make_tree({"mm/gup.c": "x\n"})
    (tmp_path / "s").mkdir()
    (tmp_path / "s/fix.patch").write_text(new)
    (tmp_path / "s/series").write_text("fix.patch\n")
    with pytest.raises(UserError, match="holds a line break"):
        apply(tree, [make_patch(new)])
    with pytest.raises(UserError, match="holds a line break") as caught:
        fit_series(tree, load_series(tmp_path, "s"))
    assert "rename it" in str(caught.value)


def alike(count: int, word: str) -> list[str]:
    return [f'\t{{ .name = "{word}-{number:05d}", .flags = 0x0000 }},' for number in range(count)]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (alike(1000, "one"), alike(1000, "two")),
        (["}"] * 1000 + ["x"], ["}"] * 20_000),
        (alike(15, "one" * 5000), alike(15, "two" * 5000)),
        (["}", "{"] * 500 + ["x"], ["}", "{"] * 10_000),
    ],
)
def test_a_hunk_of_lines_that_are_alike(
    make_patch: MakePatch, make_tree: MakeTree, wanted: list[str], found: list[str]
) -> None:
    """It was hours."""
    tree = make_tree({"mm/gup.c": "".join(f"{line}\n" for line in found)})
    hunk = "".join(f" {line}\n" for line in wanted)
    size = len(wanted)
    with pytest.raises(UserError, match="does not apply") as caught:
        apply(
            tree,
            [
                make_patch(
                    "diff --git a/mm/gup.c b/mm/gup.c\n--- a/mm/gup.c\n+++ b/mm/gup.c\n"
                    f"@@ -1,{size} +1,{size + 1} @@\n{hunk}+new\n"
                )
            ],
        )
    assert len(str(caught.value)) < 20_000


def test_occurrences_the_quick_way_and_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(7)
    for _ in range(200):
        lines = chance.choices("ab", k=chance.randrange(1, 40))
        wanted = chance.choices("ab", k=chance.randrange(1, 6))
        monkeypatch.setattr("lab.patches.hunk_position._MANY", 1_000_000)
        quick = occurrences(lines, wanted)
        monkeypatch.setattr("lab.patches.hunk_position._MANY", -1)
        assert occurrences(lines, wanted) == quick


def test_the_closest_of_many() -> None:
    lines = ["}"] * 3000 + ["one", "two", "three"] + ["}"] * 3000
    assert closest(lines, ["one", "}", "three"], 0) == 3000
    assert closest(lines, ["}"] * 200 + ["one", "twoo", "three"], 2000) in range(2790, 2810)


MAIL = (
    "From 1234567890123456789012345678901234567890 Mon Sep 17 00:00:00 2001\n"
    "From: =?utf-8?q?J=C3=B6rg?= <a@example.org>\nDate: Mon, 1 Jan 2024 00:00:00 +0100\n"
    "Subject: [PATCH v2 1/3] =?utf-8?b?bW06IGhlbGxv?=\nMIME-Version: 1.0\n"
    'Content-Type: text/plain; charset="utf-8"\nContent-Transfer-Encoding: 8bit\n\n'
    "From: somebody <b@example.org>\n\nIt does.\n---\n mm/gup.c | 2 +-\n\n"
)
SERIES = "# upstream: 1027e4436b6a since 4.3 mm: make\nfix.patch -p1 # versions: >=4.1 <4.3\n"


@pytest.mark.parametrize("seed", range(3))
def test_flipped_bytes_end_as_errors_of_the_lab(
    make_tree: MakeTree, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    tree = make_tree({"mm/gup.c": "".join(f"a{number}\n" for number in range(1, 41))})
    (tmp_path / "s").mkdir()
    for _ in range(150):
        (tmp_path / "s/fix.patch").write_bytes(_flipped((MAIL + DIFF).encode(), chance))
        (tmp_path / "s/series").write_bytes(
            _flipped(SERIES.encode(), chance) if chance.random() < 0.3 else SERIES.encode()
        )
        with suppress(LabError):
            load_series(tmp_path, "s")
        _tried(tree, tmp_path / "s/fix.patch", chance.random() < 0.05)


def _tried(tree: Tree, path: Path, whole: bool) -> None:
    with suppress(LabError):
        patch = load_patch(path)
        assert patch.diff is not None
        if whole:  # a process of git's
            apply(tree, [patch])


def _flipped(content: bytes, chance: random.Random) -> bytes:
    found = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(found))
        match chance.randrange(3):
            case 0:
                found[at] = chance.choice(b'\0\n\r @-+,9"\\/=?\xff\x80')
            case 1:
                del found[at : at + chance.randint(1, 30)]
            case _:
                found[at:at] = found[at : at + chance.randint(1, 30)] * chance.randint(1, 3)
        found = found or bytearray(b"x")
    return bytes(found)
