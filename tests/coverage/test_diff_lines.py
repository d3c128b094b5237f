# SPDX-License-Identifier: GPL-2.0-only
"""Lines that two files have not alike."""

from __future__ import annotations

from lab.coverage.diff_lines import pairs_of


def test_a_changed_line_has_a_number_on_its_side() -> None:
    base = [*"abcdefgh", "old", *"ijklmnop"]
    patched = [*"abcdefgh", "new", "more", *"ijklmnop"]
    [hunk] = pairs_of(base, patched)
    changed = [pair for pair in hunk if pair.change != " "]
    assert changed == [("-", "old", 9, None), ("+", "new", None, 9), ("+", "more", None, 10)]
    assert hunk[0] == (" ", "f", 6, 6)
    assert hunk[-1] == (" ", "k", 12, 13)


def test_what_is_far_apart_is_two_hunks() -> None:
    base = [str(number) for number in range(100)]
    patched = [*base[:10], "x", *base[10:80], *base[81:]]
    hunks = list(pairs_of(base, patched))
    assert [[pair for pair in hunk if pair.change != " "] for hunk in hunks] == [
        [("+", "x", None, 11)],
        [("-", "80", 81, None)],
    ]


def test_a_new_file_is_all_added() -> None:
    [hunk] = pairs_of([], ["a", "b"])
    assert [pair.change for pair in hunk] == ["+", "+"]
