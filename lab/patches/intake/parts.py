# SPDX-License-Identifier: GPL-2.0-only
"""The parts of a mail that can be read, at any depth, with their transfer encoding undone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import CloseBoundaryNotFoundDefect
from email.message import Message

from lab.errors import UserError
from lab.patches.diff import diff_start, split_lines
from lab.patches.mail import ENCODED, looks_like_headers

_MOST_PARTS = 500
_DEEPEST = 30
_PATCH_TYPES = ("application/x-patch", "application/x-diff", "application/mbox")
_PATCH_NAME = re.compile(r"\.(?:patch|diff|eml|mbox)$", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """A readable part, decoded; ``mail`` instead where it is a mail (message/rfc822).

    ``trouble`` says what is wrong with its encoding.
    """

    content: bytes = b""
    charset: str = "utf-8"
    attached: bool = False
    flowed: bool = False
    delete_space: bool = False
    html: bool = False
    trouble: str = ""
    mail: Message | None = None

    @property
    def has_diff(self) -> bool:
        """Whether a diff begins in it."""
        return not self.html and diff_start(split_lines(self.content)) is not None

    @property
    def is_mail(self) -> bool:
        """Whether it is a file of git format-patch, with headers of its own."""
        return self.attached and looks_like_headers(self.content[:200].decode(errors="replace"))

    @property
    def text(self) -> str:
        """Its text; what its charset does not have is replaced."""
        return decoded(self.content, self.charset)


def decoded(content: bytes, charset: str) -> str:
    """The text of bytes; UTF-8 where nobody knows the charset."""
    try:
        return content.decode(charset, errors="replace")
    except (LookupError, ValueError, TypeError):
        return content.decode(errors="replace")


def parts_of(mail: Message, place: str) -> list[Part]:
    """The mail's parts in order.

    Raises:
        UserError: There are more than any mail has, or they lie too deep.
    """
    found: list[Part] = []
    for part in _walk(mail, place, 0):
        found.append(part)
        if len(found) > _MOST_PARTS:
            raise _too_much(place)
    return found


def _walk(mail: Message, place: str, depth: int) -> Iterator[Part]:
    if depth > _DEEPEST:
        raise _too_much(place)
    if mail.get_content_type() == "message/rfc822":
        inner = mail.get_payload()
        mails = inner if isinstance(inner, list) else []
        yield from (Part(mail=each) for each in mails if isinstance(each, Message))
    elif mail.is_multipart():
        if any(isinstance(defect, CloseBoundaryNotFoundDefect) for defect in mail.defects):
            yield Part(trouble="it was cut off: its last part has no end")
        for each in mail.get_payload():
            if isinstance(each, Message):
                yield from _walk(each, place, depth + 1)
    else:
        yield from _leaf(mail)


def _leaf(part: Message) -> Iterator[Part]:
    attached = part.get_filename() is not None or part.get_content_disposition() == "attachment"
    kind, name = part.get_content_type(), str(part.get_filename() or "")
    readable = part.get_content_maintype() == "text" or kind in _PATCH_TYPES
    if not readable and not _PATCH_NAME.search(name):
        return
    encoding = _encoding(part)
    if encoding:
        # Python undoes "base64", and not "base64 (as ever)", which git does.
        part.replace_header("Content-Transfer-Encoding", encoding)
    content = part.get_payload(decode=True)
    yield Part(
        content=content if isinstance(content, bytes) else b"",
        charset=part.get_content_charset() or "utf-8",
        attached=attached,
        flowed=str(part.get_param("format", "")).lower() == "flowed",
        delete_space=str(part.get_param("delsp", "")).lower() == "yes",
        html=kind == "text/html",
        trouble="its base64 is damaged" if part.defects and encoding == "base64" else "",
    )


def _encoding(part: Message) -> str:
    said = str(part.get("Content-Transfer-Encoding", "")).lower()
    return next((name for name in ENCODED if name in said), "")


def _too_much(place: str) -> UserError:
    hint = "the patch alone"
    return UserError("the mail has more parts than the lab looks through", where=place, hint=hint)
