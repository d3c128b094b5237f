# SPDX-License-Identifier: GPL-2.0-only
"""What stands above the diff in a patch file: mail headers and a message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email import message_from_string
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime

_HEADER = re.compile(r"(From |[A-Za-z][A-Za-z0-9-]*:(\s|$))")
_PREFIX = re.compile(r"^(\[[^\]]*PATCH[^\]]*\]\s*)+", re.IGNORECASE)
#: git mailinfo lets a message begin with headers for who sends somebody else's patch.
_IN_BODY = re.compile(r"(From|Date|Subject): *(.*)\n")


@dataclass(frozen=True)
class Mail:
    """A patch's headers (None where there are none) and message.

    ``subject`` is without ``[PATCH …]``; ``transfer_encoding`` is in lower case.
    """

    subject: str | None
    author: str | None
    date: datetime | None
    message: str
    transfer_encoding: str


def parse_mail(head: str) -> Mail:
    """The headers and the message in what stands above the diff.

    Without headers, as quilt writes it, all of it is message.
    """
    if not _HEADER.match(head):
        return Mail(None, None, None, _message(head), "")
    mail = message_from_string(head)
    body = str(mail.get_payload()).lstrip("\n")
    inner, body = _in_body_headers(body)
    subject = inner.get("Subject") or _header(mail, "Subject", "Description")
    return Mail(
        subject=_PREFIX.sub("", subject) if subject else None,
        # Author and Description are Debian's names for them (DEP 3).
        author=inner.get("From") or _header(mail, "From", "Author"),
        date=_date(inner.get("Date") or _header(mail, "Date")),
        message=_message(body),
        transfer_encoding=(_header(mail, "Content-Transfer-Encoding") or "").lower(),
    )


def _header(mail: Message, *names: str) -> str | None:
    for name in names:
        value = mail.get(name)
        if value is not None:
            return _decoded(" ".join(str(value).split()))
    return None


def _decoded(value: str) -> str:
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError):
        return value


def _date(value: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(value) if value else None
    except ValueError:
        return None


def _in_body_headers(body: str) -> tuple[dict[str, str], str]:
    found = {}
    while match := _IN_BODY.match(body):
        found[match[1]] = match[2]
        body = body[match.end() :]
    return found, body


def _message(body: str) -> str:
    # A diffstat and remarks that are not for the log follow a line of three dashes.
    return re.split(r"^---\s*$", body, maxsplit=1, flags=re.MULTILINE)[0].strip()
