# SPDX-License-Identifier: GPL-2.0-only
"""One mail, its encodings undone: who sent what, and the diff in it, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import Message
from itertools import takewhile

from lab.errors import UserError
from lab.patches.diff import diff_start, split_lines
from lab.patches.intake.parts import Part, decoded, parts_of
from lab.patches.intake.subject import Subject, parse_subject
from lab.patches.intake.transport import (
    Damaged,
    after_scissors,
    unflowed,
    unsigned,
    with_line_feeds,
)
from lab.patches.mail import (
    begins_mail,
    decoded_words,
    header,
    in_body_headers,
    looks_like_headers,
)
from lab.text import plain

#: Of a header in a message.
_LONGEST = 10_000
#: Mails in a mail.
_DEEPEST = 20
_IDENTITY = re.compile(r"<([^<>\s]{1,400})>")
_ADDRESS = re.compile(r"<([^<>]+)>")
#: How git format-patch begins a file; the date never changes (git-format-patch(1)).
_FROM_GIT = re.compile(rb"From [0-9a-f]{40,64} Mon Sep 17 00:00:00 2001")
_AS_A_DIFF = re.compile(r"^(?=diff --git |--- )", re.MULTILINE)
#: Without any of these it is a text whose first line has a colon.
_ANY_MAIL = ("Subject", "From", "Message-Id", "Content-Type", "Description", "Author")


@dataclass(frozen=True)
class Mending:
    """A diff that was damaged on its way, and rebuilt from ``kernel``'s files.

    ``why`` is what keeps it from being proved, and empty where it is; ``guesses`` are of
    each line.
    """

    kernel: str
    why: str
    guesses: tuple[str, ...]

    @property
    def proved(self) -> bool:
        """Whether it is what its author sent, by the blobs of its index lines."""
        return not self.why

    def __str__(self) -> str:
        if self.proved:
            return f"rebuilt on {self.kernel}, proved by the blobs of its index lines"
        count = f"{len(self.guesses)} guess{'' if len(self.guesses) == 1 else 'es'}"
        return f"rebuilt on {self.kernel}, not proved: {self.why}; {count}"


@dataclass(frozen=True)
class Letter:
    """A mail, or a bare diff (then ``identity`` and the like are empty).

    ``message`` is the text above the diff; ``diff`` all from its first line on, as it was
    sent; ``whole`` is what can be read in it.  ``carrier`` is the mail that it is attached to.
    ``trouble`` says why its diff cannot be had as it was written: ``diff`` is what came of it.
    ``mending`` is how it was rebuilt.  ``commit`` is what it is in a repository.
    """

    place: str
    subject: Subject
    headline: str = ""
    author: str = ""
    sender: str = ""
    date: str = ""
    identity: str = ""
    references: tuple[str, ...] = ()
    message: str = field(default="", repr=False)
    diff: bytes = field(default=b"", repr=False)
    whole: str = field(default="", repr=False)
    from_git: bool = False
    carrier: str = ""
    notes: tuple[str, ...] = ()
    trouble: str = ""
    mending: Mending | None = None
    commit: str = ""

    @property
    def title(self) -> str:
        """Its subject without tags, or what else it can be called by."""
        return self.subject.title or self.identity or self.place

    @property
    def called(self) -> str:
        """Its subject as it was sent, and its Message-Id."""
        return f"{self.headline or self.place}{f' <{self.identity}>' if self.identity else ''}"


def letters_of(raw: bytes, place: str, depth: int = 0) -> Iterator[Letter]:
    """The mail, or those that it carries; ``place`` says which it is of its source.

    Raises:
        UserError: It has more parts, or mails in mails, than any.
    """
    first, _, rest = raw.partition(b"\n")
    from_git = _FROM_GIT.match(first) is not None
    if begins_mail(first[:200].decode(errors="replace")):
        raw = rest
    if not looks_like_headers(raw[:200].decode(errors="replace")):
        yield _of_page(raw, place)
        return
    if _is_of_the_wire(raw):
        raw = raw.replace(b"\r\n", b"\n")
    try:
        mail = message_from_bytes(raw)
        if not any(name in mail for name in _ANY_MAIL):
            yield _with_diff(Letter(place, Subject("")), Part(raw))
            return
        yield from _of_mail(mail, place, depth, from_git)
    except RecursionError:
        raise _too_deep(place) from None


def _is_of_the_wire(raw: bytes) -> bool:
    """Whether all lines end as RFC 5322 ends them: it was saved as it came.

    An mbox has blank lines of its own below; where others have no CR, those that do are not
    the mail's but the patch's.
    """
    text = raw.rstrip()
    return b"\r\n" in text and text.count(b"\r\n") == text.count(b"\n")


def _of_page(raw: bytes, place: str) -> Letter:
    """A bare diff; or a mail as web archives show it, its subject and a blank line first."""
    first, _, rest = raw.partition(b"\n")
    headline = plain(first[:_LONGEST].decode(errors="replace").strip())
    subject = parse_subject(headline)
    titled = rest.startswith((b"\n", b"\r\n")) and headline.startswith("[") and subject.patch
    if titled:
        return _with_diff(Letter(place, subject, headline=headline), Part(rest))
    return _with_diff(Letter(place, Subject("")), Part(raw))


def _too_deep(place: str) -> UserError:
    return UserError("mails lie in mails in mails", where=place, hint="the mail that is meant")


def _of_mail(mail: Message, place: str, depth: int, from_git: bool) -> Iterator[Letter]:
    if depth > _DEEPEST:
        raise _too_deep(place)
    letter, parts = replace(_headers(mail, place), from_git=from_git), parts_of(mail, place)
    letter = replace(letter, whole="\n".join(part.text for part in parts if not part.mail))
    inner = list(_inner(letter, parts, depth))
    own = [part for part in parts if not part.mail and not (part.is_mail and part.has_diff)]
    if not inner or any(part.has_diff for part in own):
        yield _read(letter, own)
    yield from inner


def _inner(outer: Letter, parts: list[Part], depth: int) -> Iterator[Letter]:
    """The mails that are in it: forwarded ones, and files of git format-patch."""
    for part in parts:
        if part.mail is not None:
            yield from _of_mail(part.mail, f"{outer.place}, forwarded", depth + 1, False)
    attached = [part for part in parts if not part.mail and part.is_mail and part.has_diff]
    for number, part in enumerate(attached, 1):
        place = f"{outer.place}, attachment {number}"
        for letter in letters_of(part.content, place, depth + 1):
            yield _of_outer(letter, outer, alone=len(attached) == 1)


def _of_outer(letter: Letter, outer: Letter, *, alone: bool) -> Letter:
    """A file of git format-patch was sent as the mail was that it is attached to."""
    subject = replace(letter.subject, reply=letter.subject.reply or outer.subject.reply)
    letter = replace(
        letter, subject=subject, references=outer.references, carrier=outer.place or "the mail"
    )
    return replace(letter, identity=outer.identity, sender=outer.sender) if alone else letter


def _headers(mail: Message, place: str) -> Letter:
    headline = plain(header(mail, "Subject", "Description") or "")
    sender = plain(header(mail, "From", "Author") or "")
    identities = _IDENTITY.findall(header(mail, "Message-Id") or "")
    before = f"{header(mail, 'References') or ''} {header(mail, 'In-Reply-To') or ''}"
    return Letter(
        place=place,
        subject=parse_subject(headline),
        headline=headline,
        author=sender,
        sender=_address(sender),
        date=plain(header(mail, "Date") or ""),
        identity=plain(identities[0]) if identities else "",
        references=tuple(dict.fromkeys(_IDENTITY.findall(before))),
    )


def _address(sender: str) -> str:
    match = _ADDRESS.search(sender)
    return (match[1] if match else sender).strip().lower()


def _read(letter: Letter, parts: list[Part]) -> Letter:
    """The mail with the one diff that is in its parts, if any."""
    carrying = {part.content.strip(): part for part in parts if part.has_diff}
    troubles = [part.trouble for part in parts if part.trouble]
    if len(carrying) > 1:
        troubles.append(f"it carries {len(carrying)} diffs, and nothing says which is the patch")
    if troubles:
        return replace(letter, trouble=troubles[0])
    if not carrying:
        html = [part for part in parts if part.html]
        only = html and not any(part.content.strip() for part in parts if not part.html)
        return replace(letter, trouble="it is HTML alone" if only else "")
    (part,) = carrying.values()
    above = [each.text for each in takewhile(lambda each: not each.has_diff, parts)]
    if not part.content.endswith(b"\n"):
        # That of the last line belongs to the boundary below it (RFC 2046, 5.1.1).
        part = replace(part, content=part.content + b"\n")
    return _with_diff(letter, part, "".join(above))


def _with_diff(letter: Letter, part: Part, above: str = "") -> Letter:
    """The mail, its message and diff as they were written; or what is wrong with them."""
    notes: tuple[str, ...] = ()
    try:
        content, notes = _undone(part)
    except Damaged as error:
        letter, content = replace(letter, trouble=str(error)), part.content
    start = diff_start(split_lines(content))
    lines = content.split(b"\n")
    head = b"".join(line + b"\n" for line in lines[:start]) if start is not None else content
    message = after_scissors(above + decoded(head, part.charset))
    said, message = in_body_headers(_without_diff(message).lstrip("\n"))
    inner = {name: plain(decoded_words(text[:_LONGEST])) for name, text in said.items()}
    headline = " ".join(inner.get("Subject", letter.headline).split())
    return replace(
        letter,
        headline=headline,
        subject=_subject(letter.subject, headline) if "Subject" in inner else letter.subject,
        author=inner.get("From", letter.author),
        date=inner.get("Date", letter.date),
        message=message,
        diff=b"\n".join(lines[start:]) if start is not None else b"",
        whole=letter.whole or decoded(content, part.charset),
        notes=notes,
    )


def _without_diff(message: str) -> str:
    """A message whose charset makes a diff of what is none where it was sent: UTF-7 does."""
    lines = message.encode(errors="replace")
    return _AS_A_DIFF.sub(" ", message) if diff_start(split_lines(lines)) is not None else message


def _subject(outer: Subject, inner: str) -> Subject:
    """The title of somebody else's patch, in the place that its mail has."""
    return replace(outer, title=parse_subject(inner).title or outer.title)


def _undone(part: Part) -> tuple[bytes, tuple[str, ...]]:
    content, had_returns = with_line_feeds(part.content)
    content, were_signed = unsigned(content)
    flowed = False
    if part.flowed and diff_start(split_lines(content)) is not None:
        content, flowed = unflowed(content, delete_space=part.delete_space)
    said = (
        (were_signed, "the dashes of its signature were taken off"),
        (had_returns, "its lines ended in CRLF"),
        (flowed, "format=flowed was undone"),
    )
    return content, tuple(text for done, text in said if done)
