# SPDX-License-Identifier: GPL-2.0-only
"""The file that a bisection goes on from: lines of JSON, each written when it is known.

It is only ever added to, and each line is on the disk before anything is done for which it is
the reason.  A line that a kill cut short was never said: it is dropped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from lab.bisect.point import Point
from lab.bisect.told import Side, Trial
from lab.errors import InfrastructureError, UserError
from lab.process.scratch import write_whole

FORMAT = 1
_WHERE = "a bisection's is the file `log` of its folder"


@dataclass(frozen=True)
class Begun:
    """The first line: what is asked, of what, between which ends.

    Args:
        question, subject: Their names.
        words: What the sides are called: good and bad, or old and new.
        command: What was typed.
        given: What the ends are made from, as a digest; "" where nobody knows, or another lab did.
        noun: What one of those between the ends is; older labs did not say.
        tested: What all is tested with, as a digest; "" where nobody knows, or nothing runs.
    """

    question: str
    subject: str
    words: tuple[str, str]
    old: tuple[Point, ...]
    new: Point
    confidence: float
    time: str
    command: tuple[str, ...] = ()
    format: int = FORMAT
    line: Literal["begun"] = "begun"
    given: str = ""
    noun: str = "change"
    tested: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """What is asked, of what, between which ends."""
        ends = tuple(sorted(point.key for point in self.old))
        return self.question, self.subject, self.words, ends, self.new.key

    def is_as(self, other: Begun) -> bool:
        """Whether another bisection is the same one: a name may mean another patch since, or
        another test."""
        pairs = ((self.given, other.given), (self.tested, other.tested))
        known = (pair for pair in pairs if "" not in pair)
        return self.key == other.key and all(mine == theirs for mine, theirs in known)


@dataclass(frozen=True)
class _OfStep:
    """What a line of a step begins with."""

    step: int
    phase: str
    point: Point


@dataclass(frozen=True)
class Tried(_OfStep):
    """One trial of a step; ``times`` is how often the step wanted its point to be tried."""

    times: int
    trial: Trial
    time: str
    line: Literal["tried"] = "tried"


@dataclass(frozen=True)
class Closed(_OfStep):
    """What a step came to."""

    side: Side
    why: str
    time: str
    line: Literal["told"] = "told"


@dataclass(frozen=True)
class Undone:
    """A step, and all since, is as if it had not been."""

    step: int
    time: str
    line: Literal["undone"] = "undone"


@dataclass(frozen=True)
class Ended:
    """What it came to; with ``refused`` the ends were none."""

    result: dict[str, Any]
    time: str
    refused: str = ""
    line: Literal["ended"] = "ended"


Line = Begun | Tried | Closed | Undone | Ended
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="line")])


@dataclass
class Log:
    """A bisection's file, and what is in it."""

    path: Path
    begun: Begun
    lines: list[Tried | Closed | Ended] = field(default_factory=list)

    @staticmethod
    def begin(path: Path, begun: Begun, lines: Sequence[Tried | Closed] = ()) -> Log:
        """A new one, with what others have tried already.

        Raises:
            InfrastructureError: It cannot be written.
        """
        try:
            write_whole(path, "".join(map(_text, (begun, *lines))).encode())
        except OSError as error:
            raise _unwritten(path, error) from error
        return Log(path, begun, list(lines))

    @staticmethod
    def begun_of(path: Path) -> Begun:
        """The first line of one.

        Raises:
            UserError: There is none, or it is no such file.
        """
        return _begun(path, _lines(path)[:1])

    @staticmethod
    def read(path: Path) -> Log:
        """One that is there; the part of a line at its end is dropped.

        Raises:
            UserError: There is none, or it is no such file, or damaged.
        """
        lines = _lines(path)
        log = Log(path, _begun(path, lines[:1]))
        if log.begun.format > FORMAT:
            raise UserError("a newer lab wrote it", where=path, hint="that lab")
        for line in _parsed(path, lines[1:], first=2):
            log._take(line)
        return log

    def add(self, line: Tried | Closed | Undone | Ended) -> None:
        """Write a line; it is on the disk when this returns.

        Raises:
            InfrastructureError: It could not be written.
        """
        try:
            with self.path.open("r+b") as file:
                file.truncate(_whole_bytes(file.read()))
                file.seek(0, os.SEEK_END)
                file.write(_text(line).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unwritten(self.path, error) from error
        self._take(line)

    @property
    def ended(self) -> Ended | None:
        """What it came to, if it did."""
        last = self.lines[-1] if self.lines else None
        return last if isinstance(last, Ended) else None

    @property
    def steps(self) -> int:
        """How many steps it has, the one that is under way included."""
        return max((one.step for one in self.lines if not isinstance(one, Ended)), default=0)

    def _take(self, line: Line) -> None:
        if isinstance(line, Undone):
            kept = [one for one in self.lines if not isinstance(one, Ended)]
            self.lines = [one for one in kept if one.step < line.step]
        elif not isinstance(line, Begun):
            self.lines.append(line)


def _lines(path: Path) -> list[bytes]:
    try:
        content = path.read_bytes()
    except OSError as error:
        said = error.strerror or str(error)
        raise UserError(
            f"no log of a bisection: {said}",
            where=path,
            hint=_WHERE,
        ) from error
    return content[: _whole_bytes(content)].splitlines()


def _begun(path: Path, lines: Sequence[bytes]) -> Begun:
    with suppress(UserError):
        for line in _parsed(path, lines):
            if isinstance(line, Begun):
                return line
    raise UserError(
        "it is no bisection's log: its first line does not say what is bisected",
        where=f"{path}:1",
        hint=_WHERE,
    )


def _parsed(path: Path, lines: Sequence[bytes], first: int = 1) -> Iterator[Line]:
    for number, line in enumerate(lines, start=first):
        try:
            yield _LINE.validate_json(line)
        except ValidationError as error:
            said = error.errors(include_url=False, include_input=False)[0]["msg"]
            raise UserError(
                f"no line of a bisection's log: {said}",
                where=f"{path}:{number}",
                hint="without the lines from there on it goes on from before them",
            ) from error


def _whole_bytes(content: bytes) -> int:
    return content.rfind(b"\n") + 1


def _text(line: Line) -> str:
    return _LINE.dump_json(line).decode() + "\n"


def _unwritten(path: Path, error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"the bisection's log cannot be written: {error.strerror or error}",
        where=path,
        hint="make room, and give the same command: it goes on",
    )
