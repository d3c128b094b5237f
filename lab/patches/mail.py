# SPDX-License-Identifier: GPL-2.0-only
"""What stands above the diff in a patch file: mail headers and a message."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
#: What would apply undecoded, or holds no diff that can be seen.
ENCODED = ("quoted-printable", "base64")
#: How mails begin in an mbox; an unquoted "From " in a message has no date behind it.
_BEGINS = re.compile(
    r"From \S+(?: at \S+)? +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d [\d:]{5,8} "
)
_IDENTITY = re.compile(r"Message-ID: *<", re.IGNORECASE)
#: Of a header; RFC 5322 has 998 for a line.
_LONGEST = 10_000
_IN_BODY = re.compile(r"(From|Date|Subject): *(.*)\n")


@dataclass(frozen=True)
class Mail:
    """A patch's headers (None where there are none) and message.

    ``subject`` is without ``[PATCH …]``; ``transfer_encoding`` is in lower case, that of
    a part above the diff if one is encoded.
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
    try:
        return _parsed(message_from_string(head))
    except RecursionError:
        # Parts in parts in parts: none of them is the diff, which is below them all.
        return Mail(None, None, None, _message(head), "")


def _parsed(mail: Message) -> Mail:
    body = _body(mail).lstrip("\n")
    inner, body = in_body_headers(body)
    subject = inner.get("Subject") or header(mail, "Subject", "Description")
    return Mail(
        subject=_PREFIX.sub("", subject) if subject else None,
        # Author and Description are Debian's names for them (DEP 3).
        author=inner.get("From") or header(mail, "From", "Author"),
        date=_date(inner.get("Date") or header(mail, "Date")),
        message=_message(body),
        transfer_encoding=_encoding(mail),
    )


def second_mail(lines: Sequence[str]) -> int | None:
    """The index of the line that another mail begins with; None in a file with one.

    In a hunk no line can begin so: each has a sign of its own before it.
    """
    identities = [index for index, line in enumerate(lines) if _IDENTITY.match(line)]
    begun = [index for index, line in enumerate(lines) if index and _BEGINS.match(line)]
    return next(iter([*begun, *identities[1:]]), None)


def looks_like_headers(text: str) -> bool:
    """Whether a text begins as a mail's headers do, or with the line of an mbox."""
    return _HEADER.match(text) is not None


def begins_mail(line: str) -> bool:
    """Whether a mail of an mbox begins with this line."""
    return _BEGINS.match(line) is not None


def _body(mail: Message) -> str:
    """The text of the first part that has any."""
    parts = (part for part in mail.walk() if not part.is_multipart())
    return str(next(parts, mail).get_payload())


def _encoding(mail: Message) -> str:
    """How the mail, or the first encoded part of it, is encoded.

    Signed mail (multipart/signed) has the encoding in its parts (getpatchwork/patchwork#221).
    """
    found = [
        (header(part, "Content-Transfer-Encoding") or "").lower()
        for part in mail.walk()
        if not part.is_multipart() or part is mail
    ]
    return next((name for name in found if name in ENCODED), found[0] if found else "")


def header(mail: Message, *names: str) -> str | None:
    """The first of these headers that is there, decoded, on one line."""
    for name in names:
        value = mail.get(name)
        if value is not None:
            return decoded_words(" ".join(_in_utf_8(mail, name, value).split())[:_LONGEST])
    return None


def _in_utf_8(mail: Message, name: str, value: object) -> str:
    """A header as it stands; bytes that no encoded word holds are UTF-8, as git takes them."""
    if isinstance(value, str):
        return value
    raw = next(text for key, text in mail.raw_items() if key.lower() == name.lower())
    return str(raw).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def decoded_words(value: str) -> str:
    """A header's text, its encoded words (RFC 2047) decoded."""
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError):
        return value


def _date(value: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(value) if value else None
    except (ValueError, OverflowError, LookupError, TypeError):
        # A year, or a zone, that datetime has no room for.
        return None


def in_body_headers(body: str) -> tuple[dict[str, str], str]:
    """The headers that a message begins with, for somebody else's patch, and the rest."""
    found = {}
    while match := _IN_BODY.match(body):
        found[match[1]] = match[2]
        body = body[match.end() :]
    return found, body


def _message(body: str) -> str:
    # A diffstat and remarks that are not for the log follow a line of three dashes.
    return re.split(r"^---\s*$", body, maxsplit=1, flags=re.MULTILINE)[0].strip()
