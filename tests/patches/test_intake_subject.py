# SPDX-License-Identifier: GPL-2.0-only
"""Subjects of patches, as they are written."""

from __future__ import annotations

import pytest

from lab.patches.intake.subject import parse_subject


@pytest.mark.parametrize(
    ("text", "revision", "number", "total", "title"),
    [
        ("[PATCH] mm: x", (1,), None, None, "mm: x"),
        ("[RFC PATCH v3 2/5] mm: x", (3,), 2, 5, "mm: x"),
        ("[PATCHv2 1/2] mm: x", (2,), 1, 2, "mm: x"),
        ("[PATCH net-next v3 02/15] mm: x", (3,), 2, 15, "mm: x"),
        ("[PATCH 1/2 v3] mm: x", (3,), 1, 2, "mm: x"),
        ("[PATCH v10 00/12] mm: x", (10,), 0, 12, "mm: x"),
        ("[v3,2/5] mm: x", (3,), 2, 5, "mm: x"),
        ("[PATCH][v2] mm: x", (2,), None, None, "mm: x"),
        ("[patch V2 01/10] mm: x", (2,), 1, 10, "mm: x"),
        ("[RFC][PATCH 2/5] mm: x", (1,), 2, 5, "mm: x"),
        ("[RFC v2 2/5] mm: x", (2,), 2, 5, "mm: x"),
        ("[linux-foo] [PATCH 6.1 001/200] mm: x", (1,), 1, 200, "mm: x"),
        ("[PATCH v3.1 2/5] mm: x", (3, 1), 2, 5, "mm: x"),
        ("[PATCH] [media] v4l: x", (1,), None, None, "[media] v4l: x"),
        ("[PATCH 2/5] fs/dax: 1/2 of v9", (1,), 2, 5, "fs/dax: 1/2 of v9"),
        ("[PATCH  v3\n 2/5]  mm:\tx", (3,), 2, 5, "mm: x"),
        ("[PATCH -v2 2/5] mm: x", (2,), 2, 5, "mm: x"),
        ("[PATCH (v2)] mm: x", (2,), None, None, "mm: x"),
        ("[PATCH 2 of 5 V2] mm: x", (2,), 2, 5, "mm: x"),
        ("[PATCH] 2/5 mm: x", (1,), 2, 5, "mm: x"),
        ("[PATCH] (2/5): mm: x", (1,), 2, 5, "mm: x"),
        ("[PATCH] 2/5: bit: x", (1,), 2, 5, "bit: x"),
        ("[PATCH] 2/5 bitops: x", (1,), 2, 5, "bitops: x"),
        ("[PATCH] 32/64 bit: fix x", (1,), None, None, "32/64 bit: fix x"),
        ("[PATCH v2] 32/64-bit x", (2,), None, None, "32/64-bit x"),
        ("[PATCH] fw: ask twice", (1,), None, None, "fw: ask twice"),
        ("[PATCH 5.10 v2 03/12] mm: x", (2,), 3, 12, "mm: x"),
    ],
)
def test_tags(
    text: str, revision: tuple[int, ...], number: int | None, total: int | None, title: str
) -> None:
    found = parse_subject(text)
    assert (found.patch, found.reply) == (True, False)
    assert (found.revision, found.number, found.total) == (revision, number, total)
    assert found.title == title


@pytest.mark.parametrize(
    "text",
    ["Re: [PATCH v2] x", "RE: Re: [PATCH v2] x", "AW: [list] Re: [PATCH v2] x",
     "Fwd: [PATCH v2] x", "Re[2]: [PATCH v2] x", "[list] Re: [PATCH v2] x",
     "[PATCH v2] Re: x", "[PATCH] Fwd: [PATCH v2] x"],
)  # fmt: skip
def test_replies(text: str) -> None:
    found = parse_subject(text)
    assert found.reply
    assert (found.title, found.revision) == ("x", (2,))


@pytest.mark.parametrize(
    ("text", "kernels"),
    [
        ("[PATCH 5.10 v2 03/12] x", ("5.10",)),
        ("[PATCH 5.15.y 5.10.y 1/2] x", ("5.10", "5.15")),
        ("[PATCH for-6.1] [PATCH stable 4.19.3] x", ("4.19.3", "6.1")),
        ("[PATCH v3.1 -stable 1/2] x of 6.1", ()),
    ],
)
def test_which_kernels(text: str, kernels: tuple[str, ...]) -> None:
    assert parse_subject(text).kernels == kernels


@pytest.mark.parametrize("text", ["mm: x", "[media] mm: x", "resend: mm: x", "", "[", "]["])
def test_no_patch(text: str) -> None:
    found = parse_subject(text)
    assert (found.patch, found.reply, found.title) == (False, False, text)


@pytest.mark.parametrize(
    ("text", "rfc", "resend"),
    [
        ("[RFC PATCH] x", True, False),
        ("[PATCH RESEND v2] x", False, True),
        ("[PATCH] rfc: x", False, False),
    ],
)
def test_kinds(text: str, rfc: bool, resend: bool) -> None:
    assert (parse_subject(text).rfc, parse_subject(text).resend) == (rfc, resend)
