# SPDX-License-Identifier: GPL-2.0-only
"""Reading one patch file."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.errors import Location, UserError
from lab.patches import load_patch
from lab.patches.intake.transport import after_scissors
from tests.patches.conftest import MakePatch, change

MAIL = """\
From 0123456789abcdef Mon Sep 17 00:00:00 2001
From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>
Date: Tue, 16 Jun 2015 18:29:02 -0400
Subject: [PATCH v2 1/3] mm: populate
 the whole range

Why it matters.

@@ this is not a hunk
Signed-off-by: A <a@example.org>
---
 mm/gup.c | 2 +-

"""


def refusal(make_patch: MakePatch, text: str | bytes) -> UserError:
    with pytest.raises(UserError) as caught:
        make_patch(text)
    return caught.value


def line(error: UserError) -> int | None:
    assert isinstance(error.where, Location)
    return error.where.line


def test_mail_headers(make_patch: MakePatch) -> None:
    patch = make_patch(MAIL + change(10) + "-- \n2.4.3\n")
    assert patch.subject == "mm: populate the whole range"
    assert patch.author == "Jürgen <j@example.org>"
    assert patch.date is not None
    assert patch.date.astimezone(UTC) == datetime(2015, 6, 16, 22, 29, 2, tzinfo=UTC)
    assert patch.message.startswith("Why it matters.\n")
    assert patch.message.endswith("Signed-off-by: A <a@example.org>")
    assert patch.digest == hashlib.sha256(patch.path.read_bytes()).hexdigest()


def test_headers_in_the_body_name_the_author(make_patch: MakePatch) -> None:
    head = (
        "From: Sender <s@example.org>\nSubject: x\n\nFrom: Author <a@example.org>\n\nText.\n---\n"
    )
    patch = make_patch(head + change(10))
    assert (patch.author, patch.message) == ("Author <a@example.org>", "Text.")


def test_without_headers_all_is_message(make_patch: MakePatch) -> None:
    patch = make_patch("Quilt writes no headers.\n\n" + change(10))
    assert (patch.subject, patch.author, patch.date) == (None, None, None)
    assert patch.message == "Quilt writes no headers."


def test_line_numbers_are_those_of_the_file(make_patch: MakePatch) -> None:
    patch = make_patch(MAIL + change(10))
    text = patch.content.decode().split("\n")
    added = next(each for each in patch.diff[0][0] if each.is_added)
    assert added.diff_line_no is not None
    assert text[added.diff_line_no - 1] == "+A13"


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_patch(tmp_path / "absent.patch")


def test_empty(make_patch: MakePatch) -> None:
    assert "empty" in refusal(make_patch, "").what
    assert "empty" in refusal(make_patch, "\n\n").what


def test_no_diff(make_patch: MakePatch) -> None:
    assert "no diff" in refusal(make_patch, MAIL).what


@pytest.mark.parametrize("kept", [6, 9, 11])
def test_truncated(make_patch: MakePatch, kept: int) -> None:
    whole = (MAIL + change(10)).splitlines(keepends=True)
    head = MAIL.count("\n")
    error = refusal(make_patch, "".join(whole[: head + kept]))
    assert "does not have the lines" in error.what
    assert line(error) == head + 4


def test_next_file_inside_of_a_hunk(make_patch: MakePatch) -> None:
    error = refusal(make_patch, change(10).replace(" a16\n", "") + change(20, name="mm/b.c"))
    assert "does not have the lines" in error.what
    assert line(error) == 4


@pytest.mark.parametrize("extra", ["+one more\n", " a17\n", "-a17\n"])
def test_more_lines_than_counted(make_patch: MakePatch, extra: str) -> None:
    error = refusal(make_patch, change(10) + extra)
    assert "more lines than its header counts" in error.what
    assert line(error) == 4


def test_hunk_header_that_git_would_skip(make_patch: MakePatch) -> None:
    broken = "@@ -30,1 +30,1\n a30\n"
    error = refusal(make_patch, change(10) + broken)
    assert "hunk header" in error.what
    assert line(error) == 13


def test_hunk_without_file(make_patch: MakePatch) -> None:
    hunk = "@@ -1 +1 @@\n-a\n+b\n"
    error = refusal(make_patch, change(10) + "-- \n2.4.3\n" + hunk)
    assert "not a diff" in error.what
    assert line(error) == 15


@pytest.mark.parametrize(
    ("between", "at"),
    [
        ("\nis what it does.\n---\n mm/b.c | 2 +-\n\n", 3),
        ("\n-- >8 --\n\n", 2),
        ("-- \n2.39.5\n\nAlso:\n", 1),
    ],
)
@pytest.mark.parametrize("head", [MAIL, ""])
def test_a_diff_in_the_message(make_patch: MakePatch, between: str, at: int, head: str) -> None:
    """git am takes both, whatever the author's commit was."""
    first = head + change(10)
    error = refusal(make_patch, first + between + change(20, name="mm/b.c"))
    assert "there is a diff above this line, and one below it" in error.what
    assert line(error) == first.count("\n") + at
    assert str(error.detail).endswith(": --- a/mm/b.c")


def test_a_long_line_of_dashes_is_read_once(make_patch: MakePatch) -> None:
    """For each of them all were looked at once more: it took hours."""
    dashes = "-" * 1_000_000
    patch = make_patch(f"{change(10)}\n{dashes}x\n{change(20, name='mm/b.c')}")
    assert [file.path for file in patch.diff] == ["mm/gup.c", "mm/b.c"]
    assert after_scissors(f"{dashes}x\n") == f"{dashes}x\n"


def test_files_of_one_diff_with_lines_that_look_so(make_patch: MakePatch) -> None:
    looks = change(10).replace("-a13", "---").replace("+A13", "--- >8 ---\n+--")
    looks = looks.replace("-10,7 +10,7", "-10,8 +10,7")
    patch = make_patch(MAIL + looks + change(20, name="mm/b.c") + "-- \n2.39.5\n\n---\nfooter\n")
    assert [file.path for file in patch.diff] == ["mm/gup.c", "mm/b.c"]


def test_a_merge_against_all_of_its_parents(make_patch: MakePatch) -> None:
    head = "diff --cc mm/gup.c\nindex 1234567,2345678..3456789\n--- a/mm/gup.c\n+++ b/mm/gup.c\n"
    error = refusal(make_patch, head + "@@@ -1,1 -1,1 +1,2 @@@\n  a\n++b\n")
    assert "the diff of a merge" in error.what
    assert line(error) == 5


def test_another_file_than_its_header_names(make_patch: MakePatch) -> None:
    error = refusal(make_patch, change(10).replace("+++ b/mm/gup.c", "+++ b/mm/b.c"))
    assert error.what == "this is another file than the line `diff --git` above it names"


def test_no_context(make_patch: MakePatch) -> None:
    error = refusal(make_patch, "--- a/f\n+++ b/f\n@@ -3,0 +4 @@\n+x\n")
    assert "no context" in error.what
    assert line(error) == 3


def test_crlf(make_patch: MakePatch) -> None:
    error = refusal(make_patch, change(10).replace("\n", "\r\n"))
    assert "CRLF" in error.what
    assert "dos2unix fix.patch" in str(error.hint)


def test_encoded_for_mail(make_patch: MakePatch) -> None:
    head = "From: A <a@example.org>\nContent-Transfer-Encoding: quoted-printable\n\n"
    assert "quoted-printable" in refusal(make_patch, head + change(10)).what


SIGNED = """\
From dev@example.org Mon Jun  1 00:00:00 2020
From: A Developer <dev@example.org>
Subject: [PATCH] mm: populate the whole range
Message-ID: <1@example.org>
Content-Type: multipart/signed; micalg=pgp-sha512;
\tprotocol="application/pgp-signature"; boundary="ou3nz"

--ou3nz
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: {encoding}

Populate stops at the first page.
---
{body}
--ou3nz
Content-Type: application/pgp-signature; name="signature.asc"

-----BEGIN PGP SIGNATURE-----
-----END PGP SIGNATURE-----
--ou3nz--
"""


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("quoted-printable", change(10).replace("=", "=3D")),
        ("Base64", b64encode(change(10).encode()).decode()),
    ],
)
def test_encoded_inside_multipart(make_patch: MakePatch, encoding: str, body: str) -> None:
    error = refusal(make_patch, SIGNED.format(encoding=encoding, body=body))
    assert f"still encoded for mail ({encoding.lower()})" in error.what


def test_signed_and_not_encoded(make_patch: MakePatch) -> None:
    patch = make_patch(SIGNED.format(encoding="8bit", body=change(10)))
    assert patch.message == "Populate stops at the first page."
    assert len(patch.diff) == 1


@pytest.mark.parametrize(
    "begins", ["From rev@example.org Mon Jun  1 01:00:00 2020\n", "Message-Id: <2@example.org>\n"]
)
def test_a_thread_is_no_patch(make_patch: MakePatch, begins: str) -> None:
    head = "From: A <a@example.org>\nSubject: [PATCH] x\nMessage-ID: <1@example.org>\n\nWhy.\n---\n"
    answer = f"\n{begins}From: R <r@example.org>\nSubject: Re: x\n\nSimpler?\n\n" + change(20)
    error = refusal(make_patch, head + change(10) + answer)
    assert "two mails" in error.what
    assert line(error) == len((head + change(10)).splitlines()) + 2
    # A sentence may begin so.
    assert make_patch(head.replace("Why.", "From here on it is fine.") + change(10)).diff


def test_submodule(make_patch: MakePatch) -> None:
    text = "diff --git a/s b/s\nnew file mode 160000\n--- /dev/null\n+++ b/s\n@@ -0,0 +1 @@\n+x\n"
    assert "submodule" in refusal(make_patch, text).what
