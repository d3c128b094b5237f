# SPDX-License-Identifier: GPL-2.0-only
"""A series in the folder of series: its patches, the ``series`` file, and where it is from."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import InfrastructureError, Location, UserError
from lab.patches.common_mistakes import without_prefix
from lab.patches.diff import file_names
from lab.patches.intake.choose import Choice, LeftOut
from lab.patches.intake.letter import Letter
from lab.patches.intake.subject import spelled
from lab.patches.mail import begins_mail
from lab.patches.origin import ORIGIN, Origin, kept_folders, parse_origin, read_origin
from lab.patches.scratch_tree import patch_id
from lab.patches.series import Series, load_series
from lab.process.removal import remove_tree
from lab.process.temporary import owned_folder, temporary_folder, without_owner
from lab.text import plain

#: Of a name: of a folder, and of a patch as git format-patch cuts it.
_LONGEST, _LONGEST_FILE = 60, 52
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
#: Of the folder that a series is written to before it has its name.
_BESIDE = ".intake-"
_IDENTITY = re.compile(r"message-id:", re.IGNORECASE)
_BASE = re.compile(r"^base-commit: ([0-9a-f]{7,64})\s*$", re.MULTILINE)
_BEFORE = re.compile(r"^(prerequisite-[a-z-]{1,20}: [\x21-\x7e]{1,400})\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Intake:
    """A series that can be kept in ``folder``; ``known``: it is there, with the same bytes.

    ``files`` are its patches and the ``series`` file, by name; ``origin`` is where it is from.
    """

    name: str
    folder: Path
    known: bool
    choice: Choice
    files: Mapping[str, bytes]
    origin: str

    def write(self) -> None:
        """Keep it, whole or not at all; where it is known, only what it goes onto is.

        That is where something was missing then, and is here now.

        Raises:
            InfrastructureError: The folder cannot be written.
            UserError: Another series has that name since.
        """
        try:
            if not (self.known or _is_same(self.folder, self.files)):
                self._write()
            elif self._found_more():
                self._write_origin()
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise _taken(self.folder) from None
            what = f"the series cannot be kept: {(error.strerror or str(error)).lower()}"
            hint = "-C with a lab.toml of your own"
            raise InfrastructureError(what, where=self.folder.parent, hint=hint) from None

    @property
    def kept_origin(self) -> Origin | None:
        """Where it is from, as its folder says, or will once it is written.

        Raises:
            UserError: What the folder has cannot be read.
        """
        if self.known and not self._found_more():
            return read_origin(self.folder)
        return parse_origin(self.origin)

    def _found_more(self) -> bool:
        """Whether the same mails were kept before what they go onto was."""
        kept, own = read_origin(self.folder), parse_origin(self.origin)
        same = kept is not None and kept.identity == own.identity
        return same and kept is not None and set(own.missing) < set(kept.missing)

    def _write_origin(self) -> None:
        beside = self.folder / f".{ORIGIN}.new"
        beside.write_text(self.origin)
        beside.replace(self.folder / ORIGIN)

    def _write(self) -> None:
        above = self.folder.parent
        above.mkdir(parents=True, exist_ok=True)
        for left in without_owner(sorted(above.glob(f"{_BESIDE}*"))):
            remove_tree(left)
        beside, descriptor = owned_folder(lambda: Path(tempfile.mkdtemp(prefix=_BESIDE, dir=above)))
        try:
            for name, content in {ORIGIN: self.origin.encode(), **self.files}.items():
                (beside / name).write_bytes(content)
            beside.chmod(0o755)
            # One that is there and not empty stays: rename(2).
            beside.rename(self.folder)
        except BaseException:
            remove_tree(beside)
            raise
        finally:
            os.close(descriptor)


def intake_of(choice: Choice, source: str, patches: Path, name: str | None = None) -> Intake:
    """What would be kept of a choice, below the folder ``patches``, once all of it was read.

    Raises:
        UserError: A patch cannot be read; the name cannot be one, or is another's.
    """
    stem = _stem(source)
    letters = dict(zip(_file_names(choice, stem), choice.patches, strict=True))
    files = {file: _content(letter) for file, letter in letters.items()}
    strips = {
        file: " -p0" if without_prefix(_lines(each.diff)) else "" for file, each in letters.items()
    }
    files["series"] = "".join(f"{file}{strip}\n" for file, strip in strips.items()).encode()
    _refuse_unreadable(files, letters, source)
    own = _own_name(choice, stem) if name is None else name
    folder, known = _place(patches, own, files, given=name is not None)
    origin = "".join(_origin(choice, source, letters))
    return Intake(folder.name, folder, known, choice, files, origin)


def _lines(diff: bytes) -> list[str]:
    return diff.decode(errors="replace").split("\n")


def _place(
    patches: Path, name: str, files: Mapping[str, bytes], *, given: bool
) -> tuple[Path, bool]:
    """The folder, and whether these very patches are there."""
    if not _NAME.fullmatch(name):
        what = f"{name!r} cannot be a series' name"
        raise UserError(what, where="--name", hint="letters, digits, . _ and -: fix-populate")
    digest = hashlib.sha256(b"".join(files.values())).hexdigest()[:8]
    own = [patches / name] if given else [patches / name, patches / f"{name}-{digest}"]
    kept = [] if given else kept_folders(patches)
    for folder in (*own, *kept):
        if _is_same(folder, files):
            return folder, True
    free = next((folder for folder in own if not folder.exists()), None)
    if free is None:
        raise _taken(own[0])
    return free, False


def _taken(folder: Path) -> UserError:
    return UserError(
        f"there is another series {folder.name!r}",
        where=folder,
        hint="--name with another, or take that folder away",
    )


def _is_same(folder: Path, files: Mapping[str, bytes]) -> bool:
    try:
        return all((folder / name).read_bytes() == content for name, content in files.items())
    except OSError:
        return False


def _stem(source: str) -> str:
    name = Path(source).name.split(".")[0]
    return "" if source == "standard input" else re.sub(r"^\d+-", "", name)


def _own_name(choice: Choice, stem: str) -> str:
    name = slug(choice.title or stem, _LONGEST).lower() or "patch"
    later = choice.revision > (1,)
    return f"{name}-{spelled(choice.revision)}" if later else name


def slug(title: str, longest: int) -> str:
    """A title as a name of a file, as git format-patch makes it; "" where nothing is left."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", title)[: longest + 1].strip("-._")[:longest]


def _file_names(choice: Choice, stem: str) -> list[str]:
    titles = [letter.subject.title or stem for letter in choice.patches]
    return [
        f"{number:04}-{slug(title, _LONGEST_FILE) or 'patch'}.patch"
        for number, title in enumerate(titles, 1)
    ]


def _content(letter: Letter) -> bytes:
    """The patch file: headers in UTF-8 as git am takes them, the message, the diff as it was.

    The diff is not recoded, as git mailinfo does not either (git-mailinfo(1)).
    """
    headers = {
        "From": letter.author,
        "Date": letter.date,
        "Subject": letter.headline,
        "Message-Id": f"<{letter.identity}>" if letter.identity else "",
    }
    head = "".join(f"{name}: {' '.join(text.split())}\n" for name, text in headers.items() if text)
    message = "".join(_quoted(line) for line in letter.message.splitlines(keepends=True))
    return f"{head}\n{message}".encode(errors="replace") + letter.diff if head else _bare(letter)


def _bare(letter: Letter) -> bytes:
    return letter.message.encode(errors="replace") + letter.diff


def _quoted(line: str) -> str:
    # As an mbox has it: what looks like another mail's beginning would be taken for one.
    return f">{line}" if begins_mail(line) or _IDENTITY.match(line) else line


def _refuse_unreadable(
    files: Mapping[str, bytes], letters: Mapping[str, Letter], source: str
) -> None:
    """Raise UserError, in the terms of the source, for what the lab would not read later."""
    with temporary_folder("intake") as folder:
        (folder / "series").mkdir()
        for name, content in files.items():
            (folder / "series" / name).write_bytes(content)
        try:
            _refuse_names(load_series(folder, "series"))
        except UserError as error:
            where = error.where
            letter = letters.get(where.path.name) if isinstance(where, Location) else None
            place = f"{source}: {letter.place}" if letter and letter.place else source
            title = f"{letter.title}: " if letter and letter.subject.title else ""
            line = _offending(files, where)
            detail = "\n".join(filter(None, (error.detail, line)))
            raise UserError(
                f"{title}{error.what}", where=place, hint=error.hint, detail=detail or None
            ) from None


def _refuse_names(series: Series) -> None:
    for patch in series.patches:
        for file in patch.diff:
            file_names(patch.path, file, patch.strip)


def _offending(files: Mapping[str, bytes], where: object) -> str:
    """The line of the diff that is wrong: its number is of a file that is never kept."""
    if not isinstance(where, Location) or where.line is None:
        return ""
    lines = files.get(where.path.name, b"").split(b"\n")
    return lines[where.line - 1 : where.line][0][:200].decode(errors="replace")


def _origin(choice: Choice, source: str, letters: Mapping[str, Letter]) -> Iterator[str]:
    every = [*([choice.cover] if choice.cover else []), *choice.patches]
    whole = "\n".join(letter.whole for letter in every)
    bases = list(dict.fromkeys(_BASE.findall(whole)))
    yield "# Written by the lab: where this series is from.\n"
    yield from _table(
        {
            "source": source,
            "subject": choice.title,
            "headline": every[0].headline,
            "message-id": every[0].identity,
            "change-id": choice.change_id,
            "revision": spelled(choice.revision).removeprefix("v"),
            "base-commit": bases[0] if len(bases) == 1 else "",
            "prerequisites": list(dict.fromkeys(_BEFORE.findall(whole))),
            "beneath-missing": list(choice.missing),
            "notes": list(choice.notes),
            **choice.origin,
        }
    )
    for layer in choice.beneath:
        yield "\n[[beneath]]\n"
        yield from _table({"series": layer.series, "patch-ids": list(layer.patch_ids)})
    for file, letter in letters.items():
        yield "\n[[patch]]\n"
        yield from _table(_patch(file, letter))
    for left_out in choice.left_out:
        yield "\n[[left-out]]\n"
        yield from _table(left_out_row(left_out))


def _patch(file: str, letter: Letter) -> dict[str, str | list[str]]:
    mending = letter.mending
    return {
        "file": file,
        "subject": letter.subject.title,
        "author": letter.author,
        "date": letter.date,
        "message-id": letter.identity,
        "commit": letter.commit,
        "patch-id": patch_id(letter.diff),
        "sha256": hashlib.sha256(_content(letter)).hexdigest(),
        "notes": list(letter.notes),
        "rebuilt": "" if mending is None else "proved" if mending.proved else "not proved",
        "rebuilt-on": mending.kernel if mending else "",
        "not-proved": mending.why if mending else "",
        "guesses": list(mending.guesses) if mending else [],
    }


def left_out_row(left_out: LeftOut) -> dict[str, str | list[str]]:
    """A mail that was left out, for a table."""
    letter = left_out.letter
    return {
        "subject": letter.headline or letter.place,
        "message-id": letter.identity,
        "why": left_out.why,
    }


def _table(row: Mapping[str, str | list[str]]) -> Iterator[str]:
    """Lines of TOML; what is empty is left out.  Its strings are JSON's, without controls."""
    for key, value in row.items():
        if value:
            clean = plain(value) if isinstance(value, str) else [plain(each) for each in value]
            yield f"{key} = {json.dumps(clean, ensure_ascii=False)}\n"
