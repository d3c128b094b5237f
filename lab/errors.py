# SPDX-License-Identifier: GPL-2.0-only
"""The two families of errors, and the exit status of each.

An error says *what* is wrong, *where* (a file and line when there is one) and
*what to do next*.  Nobody meets a traceback for either family.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from lab.text import plain


class ExitStatus(IntEnum):
    """Exit status of every ``lab`` command."""

    EXPECTED = 0
    UNEXPECTED = 1
    USER = 2
    INFRASTRUCTURE = 3
    #: 128 + SIGINT, as a shell reports it.
    INTERRUPTED = 130


@dataclass(frozen=True)
class Location:
    """Where in a user's file something is wrong; ``line`` counts from 1."""

    path: Path
    line: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        text = str(self.path)
        if self.line is not None:
            text += f":{self.line}"
        if self.key is not None:
            text += f": {self.key}"
        return text


class LabError(Exception):
    """Base of every error the lab reports by itself.

    Args:
        what: One sentence saying what is wrong.
        where: The file, line or key it comes from.
        hint: What to do next: a command, or the right spelling.
        detail: Lines of evidence (a log's tail, a hunk), shown below.
    """

    status = ExitStatus.INFRASTRUCTURE

    def __init__(
        self,
        what: str,
        *,
        where: Location | Path | str | None = None,
        hint: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        said = plain(f"{self.where}: {self.what}" if self.where else self.what)
        # What follows is indented: nothing in what somebody said is a message of its own.
        lines = [said.replace("\n", "\n    ")]
        if self.detail:
            detail = plain(self.detail).rstrip("\n")
            lines.extend("    " + line for line in detail.splitlines())
        if self.hint:
            lines.append(f"  try: {plain(self.hint)}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # Jobs run in other processes: keyword-only arguments need help to be pickled.
        return (_rebuild, (type(self), self.what, self.where, self.hint, self.detail))


def _rebuild(
    kind: type[LabError],
    what: str,
    where: Location | Path | str | None,
    hint: str | None,
    detail: str | None,
) -> LabError:
    return kind(what, where=where, hint=hint, detail=detail)


class UserError(LabError):
    """The user can mend it: a bad key, a patch that does not apply."""

    status = ExitStatus.USER


class InfrastructureError(LabError):
    """The machine or the lab failed: no space, QEMU died, a deadline of ours."""

    status = ExitStatus.INFRASTRUCTURE
