# SPDX-License-Identifier: GPL-2.0-only
"""Mails that look like a series, or like its newest revision, and are neither."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from lab.errors import UserError
from lab.patches.intake import Intake, read_intake
from tests.patches.test_intake import diff

HER, HIS = "Ada <ada@example.org>", "Bob <bob@example.org>"


def mail(
    subject: str,
    name: str,
    body: str = f"Why.\n\n{diff().decode()}",
    *,
    sender: str = HER,
    answers: str = "",
    day: int = 1,
    head: str = "",
) -> str:
    """A mail of an mbox; ``name`` is its Message-Id, ``answers`` that of another."""
    above = f"In-Reply-To: <{answers}@x.org>\n" if answers else ""
    return (
        "From mboxrd@z Thu Jan  1 00:00:00 1970\n"
        f"From: {sender}\nDate: Mon, {day} Jun 2020 10:00:00 +0000\nSubject: {subject}\n"
        f"Message-Id: <{name}@x.org>\n{above}{head}\n{body}\n"
    )


def read(tmp_path: Path, *mails: str, **asked: Any) -> Intake:
    path = tmp_path / "thread.mbox"
    path.write_text("".join(mails))
    return read_intake(str(path), tmp_path / "patches", **asked)


OLD, NEW = mail("[PATCH] mm: x", "1", diff(14).decode()), diff().decode()
REFUSED = {
    "a later revision that somebody else sent in reply": (
        (OLD, mail("[PATCH v2] mm: x", "2", sender=HIS, answers="1")),
        "a reply has a later revision of it than v1",
    ),
    "a later revision in a reply": (
        (OLD, mail("Re: [PATCH v2] mm: x", "2", answers="1")),
        "a reply has a later revision of it than v1",
    ),
    "somebody else's patch of that title": (
        (OLD, mail("[PATCH v2] mm: x", "2", sender=HIS)),
        "these have one title, and are not of one sender",
    ),
    "copies for two kernels": (
        (mail("[PATCH 5.15] mm: x", "1", diff(14).decode()), mail("[PATCH 5.10 v2] mm: x", "2")),
        "nothing says for which kernel it is to be taken",
    ),
    "halves for two kernels": (
        (mail("[PATCH 5.15.y 1/2] mm: x", "1"), mail("[PATCH 5.10.y 2/2] mm: y", "2")),
        "there are 2 series in it",
    ),
    "a half that was sent again": (
        (mail("[PATCH 1/2] mm: x", "1"), mail("[PATCH RESEND 2/2] mm: y", "2")),
        "there are 2 series in it",
    ),
    "halves of two weeks": (
        (mail("[PATCH 1/2] mm: x", "a"), mail("[PATCH 2/2] fs: y", "b", day=8)),
        "there are 2 series in it",
    ),
    "one of Mercurial's": (
        (mail("[PATCH 2 of 3] mm: x", "1"),),
        "is not whole; missing: 1/3, 3/3",
    ),
    "a number behind the tag": (
        (mail("[PATCH] 2/3 mm: x", "1"),),
        "is not whole; missing: 1/3, 3/3",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_nothing_decides_is_refused(tmp_path: Path, name: str) -> None:
    mails, said = REFUSED[name]
    with pytest.raises(UserError) as caught:
        read(tmp_path, *mails)
    assert said in caught.value.what
    assert not (tmp_path / "patches").exists()


@pytest.mark.parametrize("asked", [{"revision": "1"}, {"revision": "2"}, {"pick": "2@x.org"}])
def test_what_is_asked_for_is_taken(tmp_path: Path, asked: dict[str, str]) -> None:
    intake = read(tmp_path, OLD, mail("[PATCH v2] mm: x", "2", sender=HIS), **asked)
    (patch,) = intake.choice.patches
    assert patch.identity == ("1@x.org" if asked.get("revision") == "1" else "2@x.org")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"sender": "Ada <ada@work.org>", "body": f"From: {HER}\n\n{NEW}"}, {"sender": HER}),
        ({"sender": HER}, {"sender": "Ada <ADA@example.org>"}),
        (
            {"body": f"Why.\n\nchange-id: 20200601-x-1\n---\n{NEW}"},
            {"body": f"Why.\n\nchange-id: 20200601-x-1\n---\n{NEW}", "sender": HIS},
        ),
    ],
)
def test_one_hand(tmp_path: Path, first: dict[str, str], second: dict[str, str]) -> None:
    one = mail("[PATCH] mm: x", "1", **first)  # type: ignore[arg-type]
    intake = read(tmp_path, one, mail("[PATCH v2] mm: x", "2", **second))  # type: ignore[arg-type]
    assert intake.choice.revision == (2,)


def test_a_revision_that_only_a_reply_speaks_of_is_told(tmp_path: Path) -> None:
    reply = mail("Re: [PATCH v2] mm: x", "3", "Fine.\n", sender=HIS, answers="2")
    assert read(tmp_path, OLD, reply).choice.notes == ("v2, which a reply speaks of, is not here",)


def test_files_of_two_revisions_beside_each_other(tmp_path: Path) -> None:
    for name, tag, at in (("0001-x", "PATCH", 14), ("v2-0001-x", "PATCH v2", 4)):
        (tmp_path / f"{name}.patch").write_text(
            f"From {'a' * 40} Mon Sep 17 00:00:00 2001\nFrom: {HER}\n"
            f"Subject: [{tag}] mm: x\n\nWhy.\n---\n{diff(at).decode()}"
        )
    intake = read_intake(str(tmp_path), tmp_path / "patches")
    (patch,) = intake.choice.patches
    assert (patch.subject.revision, patch.diff) == ((2,), diff())
    (tmp_path / "0002-y.diff").write_bytes(diff(24))
    with pytest.raises(UserError, match="there are 2 series in it"):
        read_intake(str(tmp_path), tmp_path / "patches")


def attached(number: int) -> str:
    """A mail whose patch is a file of git format-patch beside it."""
    inner = (
        f"From {'a' * 40} Mon Sep 17 00:00:00 2001\nFrom: {HER}\n"
        f"Subject: [PATCH {number}/2] mm: x{number}\n\nWhy.\n---\n{diff(10 * number).decode()}"
    )
    kind = f'text/x-patch; name="{number}.patch"\nContent-Disposition: attachment'
    encoded = base64.encodebytes(inner.encode()).decode()
    body = (
        f"--zz\nContent-Type: text/plain\n\nSee below.\n--zz\nContent-Type: {kind}\n"
        f"Content-Transfer-Encoding: base64\n\n{encoded}--zz--\n"
    )
    head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=zz\n"
    answers = "" if number == 1 else "1"
    return mail(f"[PATCH {number}/2] mm: x{number}", str(number), body, head=head, answers=answers)


def test_each_patch_attached_to_a_mail_of_its_own(tmp_path: Path) -> None:
    intake = read(tmp_path, attached(1), attached(2))
    assert [each.diff for each in intake.choice.patches] == [diff(10), diff(20)]
