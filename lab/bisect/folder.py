# SPDX-License-Identifier: GPL-2.0-only
"""The bisections of a lab: ``results/bisects/ID``, each with its log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from lab.bisect.log import Begun, Ended, Log
from lab.errors import UserError
from lab.model.records import new_run_id
from lab.process.lock import locked, locked_if_free, take

_HINT = "lab bisect --good GOOD --bad BAD begins one"


@dataclass(frozen=True)
class Bisections:
    """All bisections beside a lab's runs."""

    results: Path

    @property
    def path(self) -> Path:
        """The folder of all."""
        return self.results / "bisects"

    def log(self, name: str) -> Path:
        """The log of one."""
        return self.path / name / "log"

    def names(self) -> list[str]:
        """Their names, the oldest first."""
        return sorted(path.parent.name for path in self.path.glob("*/log"))

    def named(self, name: str | None) -> tuple[str, Log]:
        """One by its name, the newest without one, and its log.

        Raises:
            UserError: There is none, or its log is damaged.
        """
        names = self.names()
        if not names:
            raise UserError("no bisection was begun here", where=self.path, hint=_HINT)
        chosen = name or names[-1]
        if chosen not in names:
            hint = "one of these: " + ", ".join(reversed(names[-5:]))
            raise UserError(f"there is no bisection {chosen}", where=self.path, hint=hint)
        return chosen, Log.read(self.log(chosen))

    def going_on(self, begun: Begun) -> tuple[str, Log]:
        """The one that asked the same before, or a new one.

        One whose ends were none is not gone on with: who asks again has changed something.  One
        that was to be less sure, or surer, lends its trials to the new one.

        Raises:
            UserError: It is damaged.
        """
        with locked(self.path / "lock"):
            alike = list(self._alike(begun))
            for log in alike:
                if log.begun.confidence == begun.confidence:
                    return log.path.parent.name, log
            name, lines = new_run_id(), alike[0].lines if alike else ()
            tried = [line for line in lines if not isinstance(line, Ended)]
            return name, Log.begin(self.log(name), begun, tried)

    def changed_since(self, begun: Begun) -> str | None:
        """The last one that asked the same by its names, where each that did meant by them what
        is something else since."""
        asked = ((name, self._asked(name)) for name in reversed(self.names()))
        same = [(name, one) for name, one in asked if one is not None and one.key == begun.key]
        if not same or any(one.is_as(begun) for _, one in same):
            return None
        return same[0][0]

    def _alike(self, begun: Begun) -> Iterator[Log]:
        """Those that asked the same, the newest first."""
        for name in reversed(self.names()):
            asked = self._asked(name)
            if asked is not None and asked.is_as(begun):
                log = Log.read(self.log(name))
                if not (log.ended and log.ended.refused):
                    yield log

    def _asked(self, name: str) -> Begun | None:
        """What one asked, as far as its file says; what others have in theirs is their matter."""
        with suppress(UserError):
            return Log.begun_of(self.log(name))
        return None

    def take(self, path: Path) -> tuple[str, Log]:
        """A copy of another's log, as a bisection of this lab's.

        Raises:
            UserError: It is no such log.
            InfrastructureError: It cannot be written here.
        """
        log = Log.read(path)
        lines = [line for line in log.lines if not isinstance(line, Ended)]
        # What it was made from there, a compiler in another folder say, is not what it is here.
        begun = replace(log.begun, given="", tested="")
        taken = Log.begin(self.log(new_run_id()), begun, lines)
        if log.ended is not None:
            taken.add(log.ended)
        return taken.path.parent.name, taken

    def is_held(self, name: str) -> bool:
        """Whether a lab is at work on one now."""
        try:
            with (self.path / name / "lock").open() as file:
                return not take(file, self.path, shared=True)
        except FileNotFoundError:
            return False

    @contextmanager
    def held(self, name: str) -> Iterator[Log]:
        """Its log as it is now; nobody else goes on with it meanwhile.

        Raises:
            UserError: Somebody does, or it is damaged.
        """
        with locked_if_free(self.path / name / "lock") as held:
            if not held:
                raise UserError(
                    f"another lab is at work on bisection {name}",
                    where=self.path / name,
                    hint="wait for it, or end it with Ctrl-C: what it tried is kept",
                )
            yield Log.read(self.log(name))
