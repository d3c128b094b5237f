# SPDX-License-Identifier: GPL-2.0-only
"""A diff as a web page or a mailer left it: its lines, but not their white space."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import Location, UserError
from lab.patches.check import IndexLine
from lab.patches.diff import stripped

#: Bytes of a text: the largest patch of a stable series has 400 KiB.
_LARGEST = 1 << 20
_MOST_HUNKS = 200
#: Lines of a hunk.
_LONGEST_HUNK = 1000
#: Of a line: RFC 5322 has 998 characters for it.
_LONGEST_LINE = 1000
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,5}|#[xX][0-9a-fA-F]{1,4});")
_HEADER = re.compile(r"\s?@@ -(\d{1,8})(?:,(\d{1,8}))? \+(\d{1,8})(?:,(\d{1,8}))? @@(.*)")
_INDEX = re.compile(r"\s*index ([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})( [0-7]{6})?\s*")
#: What has no lines around it, or another name: there is nothing to go by.
_NOT_CHANGES = (
    *("new file", "deleted file", "rename ", "copy ", "GIT binary", "Binary files"),
    *("old mode", "new mode"),
    *("--- /dev/null", "+++ /dev/null"),
)
#: Where another file begins that was quoted or indented: it would be dropped as a footer is.
_HIDDEN = re.compile(
    r"[\s>|]*(?:diff --git |diff -\w+ |@@ -\d+(?:,\d+)? \+\d|--- (?:a/|/dev/null)"
    r"|\+\+\+ (?:b/|/dev/null)|(?:new file|deleted file|old|new) mode \d{6}"
    r"|GIT binary patch|Binary files .* differ)"
)
#: A mail's signature, or the rule above a list's footer.
_ENDS = re.compile(r"--\s*|_{20,}\s*")


@dataclass(frozen=True)
class DamagedLine:
    """A line of a hunk: its sign (space where there is none), and the text behind it.

    ``number`` counts from 1 in the text; ``decoded`` says that HTML was taken out of it.
    """

    number: int
    sign: str
    text: str
    decoded: bool = False


@dataclass(frozen=True)
class DamagedHunk:
    """``@@ -start,before +…,after @@ section``, and the lines that are left of it."""

    number: int
    start: int
    before: int
    after: int
    section: str
    lines: tuple[DamagedLine, ...]


@dataclass(frozen=True)
class DamagedFile:
    """A file of the diff; ``mode`` is what ends the index line (`` 100644``), or empty."""

    number: int
    name: str
    index: IndexLine | None
    mode: str
    hunks: tuple[DamagedHunk, ...]


class CannotRebuild(UserError):
    """Nothing that could be this patch; ``where`` names the line of the text."""


def read_damaged(path: Path, content: bytes | None = None) -> tuple[DamagedFile, ...]:
    """The files of the diff in a text.

    Args:
        content: The text, where it is not what the file ``path`` holds.

    Raises:
        CannotRebuild: It cannot be read, is too large, holds no diff with hunks, or
            one that makes, moves or deletes files.
    """
    lines = _lines(path, content)
    starts = [at for at in range(len(lines)) if _begins_file(lines, at)]
    if not starts:
        raise CannotRebuild("there is no diff in this text", where=Location(path))
    ends = [*starts[1:], len(lines)]
    files = tuple(_file(path, lines, at, end) for at, end in zip(starts, ends, strict=True))
    _refuse_many(path, files)
    return files


def _lines(path: Path, content: bytes | None) -> list[str]:
    content = _read(path) if content is None else content
    if len(content) > _LARGEST:
        raise CannotRebuild("the text has more than 1 MiB", where=Location(path))
    return content.decode(errors="surrogateescape").split("\n")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST + 1)
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise CannotRebuild(f"the text cannot be read: {reason}", where=Location(path)) from None


def _refuse_many(path: Path, files: Sequence[DamagedFile]) -> None:
    hunks = [hunk for file in files for hunk in file.hunks]
    if len(hunks) > _MOST_HUNKS:
        raise CannotRebuild(f"there are more than {_MOST_HUNKS} hunks", where=Location(path))
    names: set[str] = set()
    for file in files:
        if file.name in names:
            where = Location(path, file.number)
            raise CannotRebuild(f"{file.name} is in the diff twice", where=where)
        names.add(file.name)


def _begins_file(lines: Sequence[str], at: int) -> bool:
    if lines[at].startswith("diff --git "):
        return True
    if not _is_pair(lines, at):
        return False
    # The same file, if no hunk has come since its first line.
    for above in range(at - 1, max(at - 8, -1), -1):
        if lines[above].startswith("diff --git "):
            return False
        if _HEADER.match(lines[above]):
            return True
    return True


def _is_pair(lines: Sequence[str], at: int) -> bool:
    return lines[at].startswith("--- ") and any(
        line.startswith("+++ ") for line in lines[at + 1 : at + 2]
    )


def _file(path: Path, lines: Sequence[str], start: int, end: int) -> DamagedFile:
    headers = [at for at in range(start, end) if _HEADER.match(lines[at])]
    where = Location(path, start + 1)
    head = lines[start : headers[0] if headers else end]
    _refuse_head(where, head)
    if not headers:
        raise CannotRebuild("there are no hunks below this line", where=where)
    index = next((found for line in head if (found := _INDEX.fullmatch(line))), None)
    ends = [*headers[1:], end]
    return DamagedFile(
        number=start + 1,
        name=_name(where, head),
        index=IndexLine(index[1], index[2]) if index else None,
        mode=(index[3] or "") if index else "",
        hunks=tuple(_hunk(path, lines, at, to) for at, to in zip(headers, ends, strict=True)),
    )


def _refuse_head(where: Location, head: Sequence[str]) -> None:
    for line in head:
        if line.startswith(_NOT_CHANGES):
            raise CannotRebuild(
                f"only a file that is changed can be rebuilt, and here is `{line.strip()[:80]}`",
                where=where,
                hint="get the patch as it was sent, from an archive that has raw mails",
            )


def _name(where: Location, head: Sequence[str]) -> str:
    names = [line.split()[1] for line in head if line.startswith("--- ") and line.split()[1:]]
    words = head[0].split()
    if not names and len(words) == 4:
        names = [words[2]]
    if not names:
        raise CannotRebuild("nothing says which file this changes", where=where)
    return stripped(names[0], 1, where)


def _hunk(path: Path, lines: Sequence[str], at: int, end: int) -> DamagedHunk:
    header = _HEADER.match(lines[at])
    assert header is not None
    hunk = DamagedHunk(
        number=at + 1,
        start=int(header[1]),
        before=int(header[2] or "1"),
        after=int(header[4] or "1"),
        section=_decoded(header[5])[0].strip(),
        lines=tuple(_given(lines, at + 1, end)),
    )
    if max(len(hunk.lines), hunk.before, hunk.after) > _LONGEST_HUNK:
        where = Location(path, at + 1)
        raise CannotRebuild(f"the hunk has more than {_LONGEST_HUNK} lines", where=where)
    for given in hunk.lines:
        if len(given.text) > _LONGEST_LINE:
            where = Location(path, given.number)
            said = f"the line has more than {_LONGEST_LINE} characters"
            raise CannotRebuild(said, where=where)
        if given.sign == " " and _HIDDEN.match(given.text):
            said = f"a part of the diff is quoted or indented: {given.text.strip()[:80]}"
            hint = "take that off its lines"
            raise CannotRebuild(said, where=Location(path, given.number), hint=hint)
    return hunk


def _given(lines: Sequence[str], start: int, end: int) -> Iterator[DamagedLine]:
    for at in range(start, end):
        line, decoded = _decoded(lines[at])
        if _ENDS.fullmatch(line):
            return
        if line.startswith("\\ No newline"):
            continue
        line = line.rstrip("\r")
        if line[:1] in ("+", "-"):
            yield DamagedLine(at + 1, line[0], line[1:], decoded)
        else:
            yield DamagedLine(at + 1, " ", line.removeprefix(" "), decoded)


def _decoded(line: str) -> tuple[str, bool]:
    text = _ENTITY.sub(lambda found: html.unescape(found[0]), line).replace("\xa0", " ")
    return text, text != line
