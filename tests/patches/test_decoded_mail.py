# SPDX-License-Identifier: GPL-2.0-only
"""Mails with a decoded body below headers that call it encoded, as b4 gives them to checks."""

from __future__ import annotations

from email import message_from_bytes
from pathlib import Path

import pytest

from lab.patches.intake import read_intake
from lab.patches.intake.decoded_mail import undecoded_headers_dropped

MAILS = Path(__file__).parent / "mails"


def taken(raw: bytes, folder: Path) -> dict[str, bytes]:
    path = folder / "mail.eml"
    path.write_bytes(undecoded_headers_dropped(raw))
    return dict(read_intake(str(path), folder / "patches").files)


def raw_of(name: str) -> bytes:
    return (MAILS / name).read_bytes().partition(b"\n")[2]


def decoded(raw: bytes) -> bytes:
    """As b4 does it: all headers, and the text."""
    mail = message_from_bytes(raw)
    payload = mail.get_payload(decode=True)
    if not isinstance(payload, bytes):
        payload = next(
            part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()
        )
    assert isinstance(payload, bytes)
    body = payload.replace(b"\r\n", b"\n")
    return raw.partition(b"\n\n")[0] + b"\n\n" + body


@pytest.mark.parametrize("name", ["quoted-printable.mbox", "base64-crlf.mbox", "signed.mbox"])
def test_both_forms_of_a_mail_have_the_same_patch(tmp_path: Path, name: str) -> None:
    plain, encoded = taken(decoded(raw_of(name)), tmp_path), taken(raw_of(name), tmp_path)
    assert [diff(each) for each in plain.values()] == [diff(each) for each in encoded.values()]


def diff(content: bytes) -> bytes:
    return content[content.find(b"diff --git") :].rstrip()


def test_a_decoded_text_with_an_equals_sign_is_not_decoded_again(tmp_path: Path) -> None:
    raw = decoded(raw_of("quoted-printable.mbox"))
    assert b"int a4 = 1;" in raw
    (patch, _) = taken(raw.replace(b"int a4 = 1;", b"int a4 =41;"), tmp_path).values()
    assert b"int a4 =41;\t" in patch


def test_what_is_no_mail_stays() -> None:
    assert undecoded_headers_dropped(b"diff --git a/x b/x\n") == b"diff --git a/x b/x\n"
