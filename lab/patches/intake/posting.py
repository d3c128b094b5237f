# SPDX-License-Identifier: GPL-2.0-only
"""Mails that were sent together, and which of those are revisions of one series."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import groupby
from typing import TypeVar

from lab.patches.intake.letter import Letter
from lab.patches.intake.subject import Revision, spelled

T = TypeVar("T")
#: git send-email and b4 number the Message-Ids of a series: 20200601.1234-2-dev@example.org.
_STEM = re.compile(r"(.+)-\d+-([^-@]*@.+)")
_CHANGE = re.compile(r"^change-id: ([\x21-\x7e]{1,200})$", re.MULTILINE)


@dataclass(frozen=True)
class Posting:
    """The patches that were sent at once, by their numbers, and their cover letter."""

    patches: tuple[Letter, ...]
    cover: Letter | None

    @property
    def letters(self) -> tuple[Letter, ...]:
        """The patches, and the cover letter before them."""
        return (self.cover, *self.patches) if self.cover else self.patches

    @property
    def revision(self) -> Revision:
        """That of its patches: they were put together by it."""
        return self.patches[0].subject.revision

    @property
    def rfc(self) -> bool:
        """Whether it is a request for comments."""
        return self.patches[0].subject.rfc

    @property
    def resend(self) -> bool:
        """Whether it says that it was sent before."""
        return self.patches[0].subject.resend

    @property
    def kernels(self) -> tuple[str, ...]:
        """The versions that it says it is for."""
        return self.patches[0].subject.kernels

    @property
    def unnumbered(self) -> bool:
        """Whether nothing says how many there are of it."""
        return all(letter.subject.total is None for letter in self.patches)

    @property
    def total(self) -> int:
        """How many patches it is to have."""
        return self.patches[0].subject.total or len(self.patches)

    @property
    def identity(self) -> str:
        """The Message-Id it can be asked for by."""
        return self.letters[0].identity

    @property
    def content(self) -> str:
        """A digest of its diffs."""
        digest = hashlib.sha256()
        for letter in self.patches:
            digest.update(letter.diff.split(b"\n-- \n")[0] + b"\0")
        return digest.hexdigest()

    def has(self, identity: str) -> bool:
        """Whether a mail of it has this Message-Id."""
        return any(letter.identity == identity for letter in self.letters if identity)

    def is_called(self, pick: str) -> bool:
        """Whether this is a part of one of its titles, or a Message-Id of it."""
        titles = (letter.subject.title.casefold() for letter in self.letters)
        return self.has(pick.strip("<>")) or any(pick.casefold() in title for title in titles)

    @property
    def label(self) -> str:
        """``v3``, ``RFC v1``, ``v2 for 5.10``."""
        kernels = f" for {', '.join(self.kernels)}" if self.kernels else ""
        return f"{'RFC ' if self.rfc else ''}{spelled(self.revision)}{kernels}"

    def __str__(self) -> str:
        count = f"{self.total} patch{'es' if self.total > 1 else ''}"
        identity = f" <{self.identity}>" if self.identity else ""
        return f"{self.letters[0].title} ({self.label}, {count}){identity}"


def change_id(letter: Letter) -> str:
    """What all revisions of a series are called by b4; "" where it is not said."""
    match = _CHANGE.search(letter.whole)
    return match[1] if match else ""


def postings(letters: Sequence[Letter]) -> list[Posting]:
    """What was sent at once, of mails that are no replies; a patch without N/M is alone."""
    letters = [each for each in letters if each.diff or each.subject.patch]
    if _is_format_patch(letters):
        # The files of a v2 lie beside those before it.
        return [Posting(tuple(each), None) for each in _by(letters, _kind)]
    found = []
    for group in _grouped(letters):
        patches = [each for each in group if each.subject.number != 0]
        covers = [each for each in group if each.subject.number == 0]
        if patches:
            patches.sort(key=lambda each: each.subject.number or 1)
            found.append(Posting(tuple(patches), covers[0] if covers else None))
    return found


def _is_format_patch(letters: Sequence[Letter]) -> bool:
    """Commits that git wrote one after the other, as git am takes them."""
    return len(letters) > 1 and all(
        each.from_git and each.subject.total is None and not each.identity for each in letters
    )


def _grouped(letters: Sequence[Letter]) -> list[list[Letter]]:
    groups: list[list[Letter]] = []
    for letter in (each for each in letters if each.subject.total is None):
        groups.append([letter])
    numbered = [each for each in letters if each.subject.total is not None]
    for batch in _by(numbered, _batch):
        if batch[0].identity:
            groups.extend(_threads(batch))
        else:
            groups.extend([batch] if batch[0].carrier else _runs(batch))
    order = {id(letter): index for index, letter in enumerate(letters)}
    return sorted(groups, key=lambda group: order[id(group[0])])


def _batch(letter: Letter) -> Hashable:
    subject = letter.subject
    # Files of git format-patch name the author; mails name who sent them all.
    sender = letter.sender if letter.identity else ""
    # Each of several mails may have its patch attached; a mail has several without their own.
    carrier = "" if letter.identity else letter.carrier
    return sender, _kind(letter), subject.total, bool(letter.identity), carrier


def _kind(letter: Letter) -> Hashable:
    subject = letter.subject
    return subject.revision, subject.rfc, subject.resend, subject.kernels


def _by(letters: Iterable[Letter], key: Callable[[Letter], Hashable]) -> list[list[Letter]]:
    found: dict[Hashable, list[Letter]] = {}
    for letter in letters:
        found.setdefault(key(letter), []).append(letter)
    return list(found.values())


def _runs(letters: list[Letter]) -> list[list[Letter]]:
    """Without any Message-Id the next series begins where the numbers do."""
    begun = 0
    numbered = []
    for index, letter in enumerate(letters):
        before = letters[index - 1].subject.number or 0
        begun += index > 0 and (letter.subject.number or 0) <= before
        numbered.append((begun, letter))
    return [[letter for _, letter in run] for _, run in groupby(numbered, key=lambda pair: pair[0])]


def _threads(letters: list[Letter]) -> list[list[Letter]]:
    """Mails of a batch that hang together by what they answer, or by their Message-Ids."""
    found = joined(letters, _ties)
    loose = not any(each.references or _STEM.fullmatch(each.identity) for each in letters)
    numbers = [letter.subject.number for letter in letters]
    if loose and len(set(numbers)) == len(numbers) and _is_of_a_day(letters):
        # Nothing in it is a thread: a web archive, or a client, that drops what they answer.
        return [letters]
    return found


def _is_of_a_day(letters: Iterable[Letter]) -> bool:
    dates = [date for letter in letters if (date := date_of(letter)) is not None]
    return not dates or max(dates) - min(dates) <= timedelta(days=1)


def date_of(letter: Letter) -> datetime | None:
    """When it was sent; None where that cannot be known."""
    try:
        date = parsedate_to_datetime(letter.date)
        return date.astimezone() if date.tzinfo else None
    except (ValueError, OverflowError, LookupError, TypeError, OSError):
        return None


def _ties(letter: Letter) -> Iterable[Hashable]:
    yield letter.identity
    yield from letter.references[-1:]
    if match := _STEM.fullmatch(letter.identity):
        yield match.groups()


def topics(found: list[Posting]) -> list[list[Posting]]:
    """Postings that are revisions of one series."""
    return joined(found, _marks)


def _marks(posting: Posting) -> Iterable[Hashable]:
    for letter in posting.letters:
        if letter.subject.title:
            yield letter.subject.title.casefold()
        if change := change_id(letter):
            yield "change", change
        yield from (("mail", name) for name in (letter.identity, *letter.references) if name)


def joined(items: Sequence[T], ties: Callable[[T], Iterable[Hashable]]) -> list[list[T]]:
    """The items in groups: those that share a tie, directly or by others."""
    group = list(range(len(items)))

    def root(index: int) -> int:
        while group[index] != index:
            group[index] = index = group[group[index]]
        return index

    first: dict[Hashable, int] = {}
    for index, item in enumerate(items):
        for tie in ties(item):
            group[root(index)] = root(first.setdefault(tie, index))
    found: dict[int, list[T]] = {}
    for index, item in enumerate(items):
        found.setdefault(root(index), []).append(item)
    return list(found.values())
