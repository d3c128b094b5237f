# SPDX-License-Identifier: GPL-2.0-only
"""One patch file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import Location, UserError
from lab.model.version import VersionRange
from lab.patches.common_mistakes import refuse_slips, without_a_diff
from lab.patches.diff import diff_start, file_names, parse_diff, split_lines
from lab.patches.mail import ENCODED, Mail, parse_mail, second_mail

if TYPE_CHECKING:
    from unidiff.patch import PatchSet


@dataclass(frozen=True)
class Patch:
    """A patch, as read: what happens to the file afterwards changes nothing.

    ``name`` is its name in the series, ``strip`` the N of ``-pN``, ``versions``
    the kernels it is for.  ``subject``, ``author`` and ``date`` are None when the
    file has no mail headers.
    """

    path: Path
    name: str
    strip: int
    versions: VersionRange
    subject: str | None
    author: str | None
    date: datetime | None
    message: str
    content: bytes = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def diff(self) -> PatchSet:
        """Its files and hunks; line numbers are those of the patch file.

        Raises:
            UserError: The diff is cut off, or git would skip a part of it.
        """
        lines = split_lines(self.content)
        return parse_diff(self.path, lines, _start(self.path, lines))

    @property
    def touched(self) -> tuple[str, ...]:
        """The files that it touches, from the top of the tree.

        Raises:
            UserError: As of ``diff``, or a name has no more than ``strip`` folders.
        """
        names = (file_names(self.path, file, self.strip) for file in self.diff)
        return tuple(dict.fromkeys(name for pair in names for name in pair if name))

    @property
    def for_git(self) -> bytes:
        """The file without its message, in which git apply would find hunks too."""
        start = _start(self.path, split_lines(self.content))
        return b"\n" * start + b"\n".join(self.content.split(b"\n")[start:])


def load_patch(
    path: Path, *, strip: int = 1, versions: VersionRange | None = None, name: str | None = None
) -> Patch:
    """Read a patch file, in mail format or a bare diff.

    Raises:
        UserError: It is missing or empty, holds no diff or a damaged one, has
            CRLF line ends, or is still encoded for mail.
    """
    content = _read(path)
    if not content.strip():
        raise UserError("the patch file is empty", where=Location(path))
    lines = split_lines(content)
    mail = parse_mail("".join(lines[: diff_start(lines)]).replace("\r\n", "\n"))
    _refuse_encoded(path, mail)
    _refuse_thread(path, lines)
    start = _start(path, lines)
    _refuse_crlf(path, lines, start)
    refuse_slips(path, lines, start, strip=strip, name=name or path.name)
    patch = Patch(
        path=path,
        name=name or path.name,
        strip=strip,
        versions=versions or VersionRange.parse(""),
        subject=mail.subject,
        author=mail.author,
        date=mail.date,
        message=mail.message,
        content=content,
    )
    # A damaged patch is told of before a tree is fetched for it.
    _ = patch.diff
    return patch


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise UserError(f"the patch cannot be read: {reason}", where=Location(path)) from None


def _start(path: Path, lines: list[str]) -> int:
    start = diff_start(lines)
    if start is None:
        raise without_a_diff(path, lines)
    return start


def _refuse_encoded(path: Path, mail: Mail) -> None:
    if mail.transfer_encoding in ENCODED:
        raise UserError(
            f"the patch is still encoded for mail ({mail.transfer_encoding})",
            where=Location(path),
            hint=f"git mailinfo message.txt diff.patch < {path.name}",
        )


def _refuse_thread(path: Path, lines: list[str]) -> None:
    # A reviewer's sketch in an answer would be applied with the patch (dlespiau/patchwork#39).
    if (second := second_mail(lines)) is not None:
        raise UserError(
            "there are two mails in this patch file",
            where=Location(path, second + 1),
            hint=f"a file for each: git mailsplit -o. {path.name}, and keep the patches",
        )


def _refuse_crlf(path: Path, lines: list[str], start: int) -> None:
    # The first line of a diff is never content: a CR there means that the whole file
    # was converted on its way, and nobody can tell which CRs belong to the kernel.
    if lines[start].endswith("\r\n"):
        raise UserError(
            "the patch has CRLF line ends",
            where=Location(path, start + 1),
            hint=f"get it again as it was sent, or convert it: dos2unix {path.name}",
        )
