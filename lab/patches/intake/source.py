# SPDX-License-Identifier: GPL-2.0-only
"""What somebody has in hand - a file, an mbox, a maildir, standard input - as raw mails."""

from __future__ import annotations

import gzip
import re
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.errors import UserError
from lab.patches.mail import begins_mail

#: Bytes, unpacked; the 200 patches of a stable release come to 1.5 MB.
_MOST_BYTES = 64 << 20
_MOST_MAILS = 5000
_GZIP = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
#: mboxrd quotes a "From " in a message, and what is quoted so already (git-mailsplit(1)).
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_MAILDIR = ("cur", "new")
_FILES = ("*.patch", "*.diff", "*.mbox", "*.eml")


@dataclass(frozen=True)
class Source:
    """``name`` as it was given; ``mails`` in the order they lie there."""

    name: str
    mails: tuple[bytes, ...]


def read_source(given: str | Path, name: str = "") -> Source:
    """The mails of a file, mbox, maildir or folder of patch files; ``-`` is standard input.

    Args:
        name: What it is called instead.

    Raises:
        UserError: There is no such thing, it is empty, or it is larger than any series.
    """
    name = name or ("standard input" if given == "-" else str(given))
    if given == "-":
        mails = _split(_bounded(sys.stdin.buffer, given))
    else:
        path = Path(given).expanduser()
        mails = [mail for file in _files(path) for mail in _split(_read(file))]
    mails = [mail for mail in mails if mail.strip()]
    if not mails:
        raise UserError("there is nothing in it", where=name, hint="a patch, or an mbox of them")
    if len(mails) > _MOST_MAILS:
        what = f"it holds {len(mails)} mails: the lab looks through {_MOST_MAILS} at most"
        raise UserError(what, where=name, hint="the thread of the series alone")
    return Source(name, tuple(mails))


def is_source(given: str) -> bool:
    """Whether this can be read as a source: there is such a file, or folder of mails."""
    try:
        path = Path(given).expanduser()
        return given == "-" or path.is_file() or _is_folder_of_mails(path) or path.is_fifo()
    except (OSError, RuntimeError, ValueError):
        return False


def _is_folder_of_mails(path: Path) -> bool:
    return path.is_dir() and any(True for _ in _in_folder(path))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = list(_in_folder(path))
    if not found:
        what = "this folder is no maildir (cur, new), and holds no *.patch, *.diff, *.mbox or *.eml"
        raise UserError(what, where=path, hint="a patch file, an mbox, or a maildir")
    return found


def _in_folder(path: Path) -> Iterator[Path]:
    boxes = [path / name for name in _MAILDIR if (path / name).is_dir()]
    if boxes:
        found = [file for box in boxes for file in box.iterdir()]
    else:
        found = [file for pattern in _FILES for file in path.glob(pattern)]
    yield from sorted((f for f in found if f.is_file()), key=lambda file: file.name)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return _bounded(file, str(path))
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        hint = "the path of a patch file, an mbox or a maildir, or - for standard input"
        raise UserError(f"the patch cannot be read: {reason}", where=path, hint=hint) from None


def _bounded(file: IO[bytes], where: str) -> bytes:
    content = file.read(_MOST_BYTES + 1)
    if content.startswith(_GZIP):
        content = _unpacked(content, where)
    if content.startswith(_UTF_16):
        what = "it is UTF-16, as PowerShell's > writes it, which changes the bytes of a patch"
        raise UserError(what, where=where, hint="git diff --output=FILE, git format-patch")
    if len(content) > _MOST_BYTES:
        what = f"it has more than {_MOST_BYTES >> 20} MiB: no series has"
        raise UserError(what, where=where, hint="the thread of the series alone")
    return content


def _unpacked(content: bytes, where: str) -> bytes:
    """What a web archive's ``t.mbox.gz`` holds."""
    from io import BytesIO

    try:
        with gzip.GzipFile(fileobj=BytesIO(content)) as file:
            return file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"it cannot be unpacked: {error}", where=where, hint="get it again"
        ) from None


def _split(content: bytes) -> list[bytes]:
    """The mails of an mbox; what does not begin as one is a single mail or diff."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    if not begins_mail(content[:200].decode(errors="replace")):
        return [content]
    mails: list[list[bytes]] = []
    for line in _lines(content):
        if line.startswith(b"From ") and begins_mail(line[:200].decode(errors="replace")):
            mails.append([])
        mails[-1].append(line)
    return [_QUOTED.sub(rb"\1", b"".join(mail)) for mail in mails]


def _lines(content: bytes) -> list[bytes]:
    return re.findall(rb"[^\n]*\n|[^\n]+", content)
