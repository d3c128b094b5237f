# SPDX-License-Identifier: GPL-2.0-only
"""Which of many mails are the series: one of it, whole, and the newest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lab.errors import UserError
from lab.patches.intake.letter import Letter
from lab.patches.intake.posting import Posting, change_id, date_of, postings, topics
from lab.patches.intake.subject import Revision, spelled
from lab.patches.origin import Layer

#: Patches of one series: git format-patch numbers with four digits.
_MOST_PATCHES = 999
_SHOWN = 12


@dataclass(frozen=True)
class LeftOut:
    """A mail that was not taken, and why."""

    letter: Letter
    why: str


@dataclass(frozen=True)
class Choice:
    """The patches of a series in order, its cover letter, and the mails that are not in it.

    ``origin`` is what else is to be kept of where it is from.  ``beneath`` are the series
    that it goes onto, ``missing`` what else it does, by patch-id or Message-Id.
    ``compared`` is git range-diff from the revision before it.
    """

    revision: Revision
    patches: tuple[Letter, ...]
    cover: Letter | None
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict)
    beneath: tuple[Layer, ...] = ()
    missing: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The cover letter's title, or that of the first patch."""
        return (self.cover or self.patches[0]).subject.title

    @property
    def change_id(self) -> str:
        """What all revisions of it are called by b4, or nothing."""
        letters = [*([self.cover] if self.cover else []), *self.patches]
        return next(filter(None, map(change_id, letters)), "")


def choose(
    letters: Sequence[Letter], where: str, revision: Revision | None = None, pick: str | None = None
) -> Choice:
    """The series in these mails.

    Args:
        where: The source, for errors.
        revision: Instead of the newest.
        pick: A Message-Id, or a part of a title, where there are several.

    Raises:
        UserError: There is none, or more than one, or a part of it is missing.
    """
    unique, again = _once(letters, where)
    asked = _asked_alone(unique, pick)
    if asked is not None:
        rest = tuple(LeftOut(each, "another was picked") for each in unique if each is not asked)
        return _whole(Posting((asked,), None), where, rest + again)
    replies = _replies(unique)
    own = [each for each in unique if id(each) not in replies]
    found = postings(own)
    if not found:
        raise _nothing(unique, where)
    topic = _one_topic(_picked(found, pick, where), where)
    taken, notes = _newest(topic, where, revision)
    if revision is None and not pick:
        answers = [each for each in unique if id(each) in replies]
        notes = (*notes, *_refuse_later(taken, answers, where))
    out = tuple(_left_out(unique, taken, topic, replies))
    choice = _whole(taken, where, out + again)
    return Choice(choice.revision, choice.patches, choice.cover, choice.left_out, notes)


def _once(letters: Sequence[Letter], where: str) -> tuple[list[Letter], tuple[LeftOut, ...]]:
    """Mails that came twice, once by the list, count once."""
    seen: dict[str, Letter] = {}
    unique, again = [], []
    for letter in letters:
        known = seen.setdefault(letter.identity, letter) if letter.identity else letter
        if known is letter:
            unique.append(letter)
        elif _without_footer(known) == _without_footer(letter):
            again.append(LeftOut(letter, "the same mail again"))
        else:
            raise UserError(
                f"two mails have the Message-Id <{letter.identity}>, and their patches differ",
                where=where,
                detail=f"{known.place}\n{letter.place}",
                hint="take one of them out",
            )
    return unique, tuple(again)


def _without_footer(letter: Letter) -> bytes:
    # Lists put their own lines below.
    return letter.diff.split(b"\n-- \n")[0].strip()


def _asked_alone(letters: Sequence[Letter], pick: str | None) -> Letter | None:
    """A reply whose Message-Id was given is what is wanted, and nothing else is."""
    replies = _replies(letters)
    for letter in letters:
        if pick and letter.identity == pick.strip("<>") and letter.diff and id(letter) in replies:
            return letter
    return None


def _replies(letters: Sequence[Letter]) -> dict[int, str]:
    """Mails that answer others; a patch in one is somebody's suggestion (by id())."""
    known = {letter.identity: letter for letter in letters if letter.identity}
    found = {}
    for letter in letters:
        above = [known[name] for name in letter.references if name in known]
        if letter.subject.reply or (above and not letter.subject.patch):
            found[id(letter)] = "a reply"
        elif above and all(each.sender != letter.sender for each in above):
            found[id(letter)] = "a patch that somebody else sent in reply"
    return found


def _nothing(letters: Sequence[Letter], where: str) -> UserError:
    replies = [letter for letter in letters if letter.diff]
    trouble = next((letter for letter in letters if letter.trouble), None)
    if replies:
        return UserError(
            "the only patches here are in replies, which nobody sent as a series",
            where=where,
            detail=_list(letter.called for letter in replies),
            hint=f"lab patch import --pick '{replies[0].identity}', if that is the one",
        )
    if trouble is not None:
        return UserError(f"no patch can be had of it: {trouble.trouble}", where=_at(where, trouble))
    if any(letter.subject.number == 0 for letter in letters):
        hint = "the mails that follow the cover letter: the thread's mbox (b4 mbox MESSAGE-ID)"
        return UserError("there is a cover letter, and no patch", where=where, hint=hint)
    hint = "a patch of git format-patch or git diff, or a mailbox of them"
    return UserError("there is no patch in it", where=where, hint=hint)


def _picked(found: list[Posting], pick: str | None, where: str) -> list[Posting]:
    if not pick:
        return found
    kept = [posting for posting in found if posting.is_called(pick)]
    if not kept:
        raise UserError(
            f"no series here is called {pick!r}",
            where=where,
            detail=_list(map(str, found)),
            hint="a part of one of these titles, or a Message-Id",
        )
    named = [posting for posting in kept if posting.has(pick.strip("<>"))]
    return named or kept


def _one_topic(found: list[Posting], where: str) -> list[Posting]:
    grouped = topics(found)
    if len(grouped) == 1:
        return grouped[0]
    raise UserError(
        f"there are {len(grouped)} series in it",
        where=where,
        detail=_list(str(posting) for topic in grouped for posting in topic),
        hint="lab patch import --pick, with a part of the title of one or its Message-Id",
    )


def _newest(
    topic: list[Posting], where: str, revision: Revision | None
) -> tuple[Posting, tuple[str, ...]]:
    """The posting that counts, and what is to be told of that."""
    if revision is not None:
        named = ", ".join(sorted({spelled(posting.revision) for posting in topic}))
        topic = [posting for posting in topic if posting.revision == revision]
        if not topic:
            what = f"there is no {spelled(revision)} in it"
            raise UserError(what, where=where, hint=f"one of {named}")
    if len(topic) > 1 and any(len(posting.revision) > 1 for posting in topic):
        # v3.1 may be one patch of v3 again, or a series, or one for a kernel 5.10.
        raise _which("nothing says which of its revisions counts", topic, where)
    _refuse_kernels(topic, where)
    newest = _latest(topic, where)
    _refuse_strangers(newest, topic, where)
    if any(_is_one_patch_of(newest, posting) for posting in topic):
        raise _which("nothing says whether the newest is one patch again, or all", topic, where)
    labels = list(dict.fromkeys(posting.label for posting in topic))
    if len(labels) > 1:
        return newest, (f"{newest.label} was taken of {', '.join(labels)}",)
    return newest, ()


def _refuse_kernels(topic: list[Posting], where: str) -> None:
    if len({posting.kernels for posting in topic}) > 1:
        raise _which("nothing says for which kernel it is to be taken", topic, where)


def _refuse_strangers(newest: Posting, topic: list[Posting], where: str) -> None:
    """One title is not one series: a later revision is by who sent the earlier ones."""
    own, others = _hands(newest), [_hands(each) for each in topic if each is not newest]
    if any(own and each and own.isdisjoint(each) for each in others):
        raise _which("these have one title, and are not of one sender", topic, where)


def _hands(posting: Posting) -> set[str]:
    """By what two revisions are known to be of one hand: who sent or wrote them, or b4's name."""
    letters = posting.letters
    people = (name for each in letters for name in (each.sender, each.author.casefold()))
    return set(filter(None, (*people, *map(change_id, letters))))


def _refuse_later(taken: Posting, replies: list[Letter], where: str) -> Iterator[str]:
    """What is told of replies that speak of a later revision than any that is here.

    Raises:
        UserError: One of them has a patch, which may be that revision.
    """
    titles = {letter.subject.title.casefold() for letter in taken.letters}
    later = [
        each
        for each in replies
        if each.subject.revision > taken.revision and each.subject.title.casefold() in titles
    ]
    patches = [each for each in later if each.diff]
    if patches:
        raise UserError(
            f"a reply has a later revision of it than {taken.label}",
            where=where,
            detail=_list(each.called for each in patches),
            hint=f"lab patch import --pick '{patches[0].identity}', or "
            f"--revision {spelled(taken.revision)} for what is no reply",
        )
    if later:
        yield f"{spelled(later[0].subject.revision)}, which a reply speaks of, is not here"


def _is_one_patch_of(newest: Posting, other: Posting) -> bool:
    """Whether it may replace a patch of a series alone, since nothing says how many there are."""
    titles = {letter.subject.title.casefold() for letter in other.patches}
    answered = {name for letter in newest.patches for name in letter.references[-1:]}
    one = newest.unnumbered and len(newest.patches) == 1 < len(other.patches)
    return one and (
        newest.patches[0].subject.title.casefold() in titles
        or any(letter.identity in answered for letter in other.patches)
    )


def _latest(topic: list[Posting], where: str) -> Posting:
    top = max(posting.revision for posting in topic)
    first = [posting for posting in topic if posting.revision == top]
    if len(first) == 1 and len({posting.rfc for posting in topic}) == 1:
        return first[0]
    if len({posting.content for posting in first}) == 1 and len(first) == len(topic):
        return first[-1]
    # An RFC counts its versions by itself, and a RESEND does not count.
    dated = [
        (date, posting) for posting in topic if (date := date_of(posting.patches[0])) is not None
    ]
    dates = {date for date, _ in dated}
    flags = {(posting.rfc, posting.resend, posting.revision) for posting in topic}
    if len(dated) == len(topic) == len(dates) == len(flags):
        return max(dated, key=lambda pair: pair[0])[1]
    raise _which("nothing says which of these is the newest", topic, where)


def _which(what: str, topic: list[Posting], where: str) -> UserError:
    detail = _list(map(str, topic))
    return UserError(
        what,
        where=where,
        detail=detail,
        hint="lab patch import --revision N, or --pick with a Message-Id",
    )


def _whole(posting: Posting, where: str, left_out: tuple[LeftOut, ...]) -> Choice:
    """The choice of a posting that has all of its patches, each with a diff."""
    if len(posting.patches) > _MOST_PATCHES or posting.total > _MOST_PATCHES:
        what = f"the series has {max(posting.total, len(posting.patches))} patches"
        raise UserError(f"{what}: the lab takes {_MOST_PATCHES}", where=where)
    _refuse_numbers(posting, where)
    for letter in posting.patches:
        if not letter.diff:
            trouble = letter.trouble or "there is no diff in this mail"
            hint = "get the mail again, raw; or ask for git send-email"
            raise UserError(f"{letter.title}: {trouble}", where=_at(where, letter), hint=hint)
    return Choice(posting.revision, posting.patches, posting.cover, left_out)


def _refuse_numbers(posting: Posting, where: str) -> None:
    numbers = [letter.subject.number or 1 for letter in posting.patches]
    if posting.unnumbered:
        return
    if twice := next((n for n in numbers if numbers.count(n) > 1), None):
        both = [each for each in posting.patches if (each.subject.number or 1) == twice]
        raise UserError(
            f"there are {len(both)} patches {twice}/{posting.total} of {posting}",
            where=where,
            detail=_list(letter.called for letter in both),
            hint="take the wrong one out",
        )
    wanted = range(1, posting.total + 1)
    missing = [f"{n}/{posting.total}" for n in wanted if n not in numbers]
    beyond = [n for n in numbers if n not in wanted]
    if missing or beyond:
        what = f"missing: {', '.join(missing[:_SHOWN])}" if missing else f"{beyond[0]} is too many"
        first = posting.identity
        hint = f"the whole thread: b4 mbox {first}" if first else "a mailbox with all of it"
        raise UserError(f"{posting} is not whole; {what}", where=where, hint=hint)


def _left_out(
    letters: Sequence[Letter], taken: Posting, topic: list[Posting], replies: dict[int, str]
) -> Iterable[LeftOut]:
    inside = {id(each) for each in (*taken.patches, taken.cover)}
    older = {id(each): posting for posting in topic for each in posting.letters}
    for letter in letters:
        if id(letter) in inside:
            continue
        if (posting := older.get(id(letter))) is not None:
            why = f"{posting.label}, and {taken.label} was taken"
        elif letter.diff:
            why = f"{replies.get(id(letter), 'another series')}: taken with --pick alone"
        else:
            why = "there is no patch in it"
        yield LeftOut(letter, why)


def _at(where: str, letter: Letter) -> str:
    return f"{where}: {letter.place}" if letter.place else where


def _list(names: Iterable[str]) -> str:
    shown = list(names)
    more = [f"and {len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
    return "\n".join([*shown[:_SHOWN], *more])
