# SPDX-License-Identifier: GPL-2.0-only
"""What a subject says of a patch: ``Re: [RFC PATCH net-next v3 2/5] title``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_REPLY = re.compile(r"(?:(?:re|aw|sv|vs|antw|fw|fwd|wg|tr)\s*(?:\[\d+\])?\s*[:\uff1a]\s*)+", re.I)
#: What follows a tag is of the title, where no other tag follows: "[PATCH] fw: ask twice".
_ANSWERS = re.compile(r"(?:re|aw|antw)\b", re.I)
_BRACKETS = re.compile(r"\[([^\][]{0,200})\]\s*")
#: What makes brackets a tag: [PATCH ...], [RFC v2], and patchwork's [v3,2/5].
_WORDS = re.compile(r"patch|\brfc|\bresend\b|\brepost\b", re.I)
_REVISION = re.compile(
    r"(?:(?:^|[\s,(/:])-?|patch[-_]?|rfc[-_]?)v(\d{1,4}(?:\.\d{1,4})?)(?![\w.])", re.I
)
#: Mercurial's says "2 of 5" (hg help email).
_NUMBER = re.compile(r"(?<![\w./])(\d{1,5})(?:\s*/\s*|\s+of\s+)(\d{1,5})(?![\w./])", re.I)
#: Behind a tag that has no number: "[PATCH] 2/5 mm: x"; "[PATCH] 32/64 bit: x" is a title.
_NUMBER_BEHIND = re.compile(
    r"\(?(\d{1,5})/(\d{1,5})\)?(?:[:,]\s*|\s(?!bits?\b)\s*|-\s+)(?=\S)", re.I
)
#: The kernels that a copy for a stable series is for: "[PATCH 5.10.y]", "[PATCH for-6.1 v2]".
_KERNEL = re.compile(r"(?<![\w.])(\d{1,2}\.\d{1,3}(?:\.\d{1,4})?)(?!\d)")
#: Of a subject; RFC 5322 has 998 for a line.
_LONGEST = 2000

Revision = tuple[int, ...]


@dataclass(frozen=True)
class Subject:
    """``number`` is 0 for a cover letter; without N/M ``number`` and ``total`` are None.

    ``revision`` is ``(3,)`` for v3, ``(3, 1)`` for v3.1, ``(1,)`` where nothing is said.
    ``kernels`` are the versions that its tags name.
    """

    title: str
    reply: bool = False
    patch: bool = False
    rfc: bool = False
    resend: bool = False
    revision: Revision = (1,)
    number: int | None = None
    total: int | None = None
    kernels: tuple[str, ...] = ()


def parse_subject(text: str) -> Subject:
    """Read a subject: decoded, on one line."""
    text = " ".join(text[:_LONGEST].split())
    tags, begin, reply, answers, at = "", 0, False, False, 0
    while match := _REPLY.match(text, at) or _BRACKETS.match(text, at):
        at = match.end()
        if match.re is _REPLY:
            answers = True
            if tags and not _ANSWERS.match(match[0]):
                continue
            reply = True
        elif not _is_tag(match[1]):
            # The list's name stands before a tag; [media] after it is of the title.
            continue
        else:
            tags, reply = f"{tags} {match[1]}", answers
        begin = at
    return _subject(text[begin:].strip(), reply, tags)


def _is_tag(inside: str) -> bool:
    return bool(_WORDS.search(inside) or _NUMBER.search(inside) or _REVISION.fullmatch(inside))


def _subject(title: str, reply: bool, tags: str) -> Subject:
    number, revision = _NUMBER.search(tags), _REVISION.search(tags)
    if number is None and tags and (number := _NUMBER_BEHIND.match(title)):
        title = title[number.end() :]
    return Subject(
        title=title,
        reply=reply,
        patch=bool(tags),
        rfc=bool(re.search(r"\brfc", tags, re.I)),
        resend=bool(re.search(r"\bresend\b|\brepost\b", tags, re.I)),
        revision=tuple(map(int, revision[1].split("."))) if revision else (1,),
        number=int(number[1]) if number else None,
        total=int(number[2]) if number else None,
        kernels=tuple(sorted(set(_KERNEL.findall(tags)))),
    )


def spelled(revision: Revision) -> str:
    """``v3``, ``v3.1``."""
    return "v" + ".".join(map(str, revision))
