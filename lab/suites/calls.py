# SPDX-License-Identifier: GPL-2.0-only
"""Calls of programs that a table names: one program with other arguments is another test.

A call is a shell's command, and becomes a script in the guest, which finds what was made in its
PATH; a pipe has to end well in all its parts.  What a table has run ``before`` each is no part of
the test: where that fails there is none.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from lab.config.model import Suite as Section
from lab.errors import UserError
from lab.model.status import Status
from lab.suites.judge import Judged
from lab.suites.program_file import ProgramFile, kept
from lab.suites.suite import ProgramResult
from lab.text import without_escapes

#: dash has no pipefail, as images may have it.  By $0 its shell says whose command is not there.
_SCRIPT = """\
#!/bin/sh
PATH=/lab:$PATH
said=$(sh -euc {before} 2>&1) || {{ echo "before: $said"; exit 126; }}
pipefail=; sh -o pipefail -c : 2>/dev/null && pipefail='-o pipefail'
exec sh $pipefail -c {call} "$0" "$@"
"""
_SHOWN = 200
_WORD = re.compile(r"[\w.+-]+")


@dataclass(frozen=True)
class Calls:
    """The calls of a table.

    Attributes:
        by_name: (name, a shell's command) pairs.
        before: A shell's commands, run where each call runs.
        prints: What all that one prints must match to have passed; None: whatever it is.
    """

    by_name: tuple[tuple[str, str], ...] = ()
    before: str = ""
    prints: str | None = None

    @staticmethod
    def of(section: Section) -> Calls:
        """What a table says."""
        return Calls(tuple(section.calls.items()), section.before, section.prints)

    def names(self) -> frozenset[str]:
        """What they are called."""
        return frozenset(name for name, _ in self.by_name)

    def script(self, name: str, cache: Path) -> Path:
        """What runs as a program of that name."""
        call = shlex.quote(dict(self.by_name)[name])
        text = _SCRIPT.format(before=shlex.quote(self.before or ":"), call=call)
        return kept(ProgramFile(Path(name), text.encode(), ()), cache)

    def uses(self, name: str, made: Collection[str]) -> list[str]:
        """The programs, of those that were made, that a call or what is before it names.

        Raises:
            UserError: None is, or one has its name.
        """
        where, call = f"calls.{name}", dict(self.by_name)[name]
        if name in made:
            raise UserError("is the name of a program that was made", where=where)
        used = {*_WORD.findall(call), *_WORD.findall(self.before)} & {*made}
        if not used:
            raise UserError(f"calls no program that was made: {call}", where=where)
        return sorted(used)

    def heed(self, result: ProgramResult, output: bytes) -> ProgramResult:
        """A result, where a pass takes that what it printed is what it should have."""
        said = output.decode(errors="replace").strip()
        if self.prints is None or re.fullmatch(self.prints, said, re.DOTALL):
            return result
        shown = without_escapes(said)[-_SHOWN:]
        message = f"ended well, and did not print what it should: {shown!r}"
        return replace(result, judged=tuple(_unearned(one, message) for one in result.judged))


def _unearned(judged: Judged, message: str) -> Judged:
    if judged.status is not Status.PASS:
        return judged
    return replace(judged, status=Status.FAIL, message=message)


#: Of a table that has none.
NONE = Calls()
