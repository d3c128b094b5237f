# SPDX-License-Identifier: GPL-2.0-only
"""A mail as b4 gives it to a check: its body is decoded, and its headers say that it is not.

b4 0.16 writes all headers and the decoded text (LoreMessage.get_msg_as_bytes), whatever
Content-Type and Content-Transfer-Encoding there are.
"""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import Message

_KEPT = ("From", "Date", "Message-ID", "Subject", "References", "In-Reply-To")
_DIFF = re.compile(rb"^(?:diff --git |--- a/)", re.MULTILINE)
_QUOTED = re.compile(rb"=3D|=\r?\n")


def undecoded_headers_dropped(raw: bytes) -> bytes:
    """The mail with headers that are true of its body; one that is still encoded stays."""
    mail = message_from_bytes(raw)
    head, gap, body = raw.partition(b"\n\n")
    if not gap or "Subject" not in mail or _is_encoded(mail, body):
        return raw
    kept = [_header(line) for line in re.split(rb"\n(?![ \t])", head)]
    headers = b"".join(line + b"\n" for line in kept if line)
    return headers + b"Content-Type: text/plain; charset=utf-8\n\n" + body


def _header(line: bytes) -> bytes:
    name = line.partition(b":")[0].decode(errors="replace").lower()
    return line if name in {each.lower() for each in _KEPT} else b""


def _is_encoded(mail: Message, body: bytes) -> bool:
    boundary = mail.get_boundary()
    if boundary is not None:
        return b"--" + boundary.encode(errors="replace") in body
    encoding = str(mail.get("Content-Transfer-Encoding", "")).strip().lower()
    if encoding == "base64":
        return _DIFF.search(body) is None
    return encoding == "quoted-printable" and _QUOTED.search(body) is not None
