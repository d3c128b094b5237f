# SPDX-License-Identifier: GPL-2.0-only
"""The lab's end of a process of pytest, which plays one test after the other on guests."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

from lab.errors import InfrastructureError, LabError, UserError
from lab.guest.command import CommandFlood, CommandTimeout
from lab.guest.guest import Guest, GuestDied
from lab.guest.wire import Message, Wire, WireEnded, packed, unpacked
from lab.model.glob import is_picked
from lab.process import Child, spawn
from lab.process.deadline import Deadline
from lab.process.interrupt import Terminated
from lab.process.seal import file_digest
from lab.suites.on_host import HostEnd, Place
from lab.suites.pytest_programs import BROKEN

PLUGIN = "lab.pytest_plugin"
_KNOWN: dict[tuple[object, ...], Sequence[Row]] = {}
#: What pytest and the imports of a file may take, to the names of its tests.
_COLLECTING_S = 120.0
#: What a test gets to end, once what it waited for is over.
_ENDING_S = 5.0
_MOST_SAID = 8000
_LOOK_S = 0.2
#: Colours and the like.
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Row:
    """A test as pytest collected it: ``variants``, ``filesystems``: empty is all."""

    program: str
    test: str
    variants: tuple[str, ...] = ()
    filesystems: tuple[str, ...] = ()

    def is_for(self, variant: str, filesystem: str) -> bool:
        """Whether its marker names them, or names none."""
        return (not self.variants or variant in self.variants) and (
            not self.filesystems or filesystem in self.filesystems
        )


class Player:
    """One process of pytest: what it collected, and tests played.

    Args:
        alive: Whether it runs.
        essential: Without it there is nothing to do: its end is a signal to this process.

    Attributes:
        lost: Why it plays no more; "" while it does.
    """

    def __init__(
        self,
        wire: Wire,
        rows: Sequence[Row],
        alive: Callable[[], bool] = lambda: True,
        *,
        essential: bool = False,
    ) -> None:
        self.rows = rows
        self._alive = alive
        self._essential = essential
        self._wire = wire
        self.lost = ""

    def play(
        self, program: str, test: str, guest: Guest, place: Place, deadline_s: float
    ) -> HostEnd:
        """See Players.play()."""
        if self.lost:
            # What it says next is of the test that it is at still.
            what = f"pytest plays no more tests: an earlier one {self.lost}"
            return HostEnd("", BROKEN, UserError(what, where=program))
        deadline = Deadline("program", deadline_s)
        asked = _Asked(guest, deadline)
        try:
            self._wire.send(do="play", program=program, test=test, place=_as_json(place))
            while True:
                message = heard(self._wire, asked.left_s, self._alive)
                if "stop" in message:
                    raise WireEnded
                if "played" in message:
                    return _ended(message["played"], asked.trouble)
                self._wire.send(**asked.answer(message))
        except TimeoutError:
            self.lost = "still ran at its deadline"
            what = f"the test itself did not end: deadlines.program is {deadline.seconds:g} s"
            return HostEnd("", BROKEN, asked.trouble or UserError(what, where=program))
        except WireEnded:
            self.lost = "ended"
            if self._essential:
                raise Terminated(signal.SIGTERM) from None
            what = f"pytest ended while {test} ran"
            return HostEnd("", BROKEN, asked.trouble or UserError(what, where=program))


def heard(wire: Wire, seconds: float, alive: Callable[[], bool]) -> Message:
    """The next message of a process, as Wire.receive(): its keeper may hold the wire after it.

    Raises:
        TimeoutError: None came in ``seconds``.
        WireEnded: It has ended.
    """
    deadline = Deadline("wire", seconds)
    while True:
        ended = not alive()
        try:
            return wire.receive(0.0 if ended else max(0.0, min(deadline.left_s, _LOOK_S)))
        except TimeoutError:
            if ended:
                raise WireEnded("the process ended") from None
            if deadline.passed:
                raise


class _Asked:
    """What a test asks of its guest, and what came of that."""

    def __init__(self, guest: Guest, deadline: Deadline) -> None:
        self._guest = guest
        self._deadline = deadline
        self.trouble: LabError | None = None

    @property
    def left_s(self) -> float:
        """Until the test has to end; one whose guest is of no use any more has little to do."""
        return _ENDING_S if self.trouble is not None else self._deadline.left_s + _ENDING_S

    def answer(self, message: Message) -> dict[str, object]:
        """What the guest says, or what stands in the way of that."""
        # A dead guest's console is there still.
        if self.trouble is not None and message.get("ask") != "console":
            return _refusal(self.trouble)
        try:
            return self._done(message)
        except LabError as error:
            own = isinstance(error, CommandTimeout) and not self._deadline.passed
            if not (own and message.get("deadline") is not None):
                self.trouble = error if _decides(error) else None
            return _refusal(error)
        except (OSError, KeyError, ValueError, TypeError) as error:
            return {"raise": "refused", "what": str(error) or type(error).__name__}

    def _done(self, message: Message) -> dict[str, object]:
        match message["ask"]:
            case "run":
                return self._ran(str(message["command"]), message.get("deadline"))
            case "put":
                self._guest.put(unpacked(message["content"]), str(message["path"]))
                return {}
            case "get":
                return {"content": packed(self._guest.fetch(str(message["path"])))}
            case "console":
                return {"text": self._guest.console.tail(int(message["lines"]))}
        raise ValueError(f"nobody knows how to {message['ask']!r}")

    def _ran(self, command: str, asked: object) -> dict[str, object]:
        left = self._deadline.left_s
        if left <= 0:
            raise CommandTimeout(f"the test's deadline of {self._deadline.seconds:g} s passed")
        own = float(asked) if isinstance(asked, int | float) else left
        done = self._guest.run(command, min(own, left))
        return asdict(done)


def _decides(error: LabError) -> bool:
    """Whether nothing the test makes of it counts: a death, a deadline, the lab's own trouble.

    What a command prints, or that a file is not there, is for the test to make something of.
    """
    own = isinstance(error, CommandFlood | UserError) or type(error) is InfrastructureError
    return not own


def _refusal(error: LabError) -> dict[str, object]:
    kind = next((name for base, name in _KINDS if isinstance(error, base)), "refused")
    return {"raise": kind, "what": error.what, "stdout": getattr(error, "stdout", "")}


_KINDS: tuple[tuple[type[LabError], str], ...] = (
    (GuestDied, "died"),
    (CommandTimeout, "timeout"),
    (CommandFlood, "flood"),
)


def _ended(played: Mapping[str, Any], trouble: LabError | None) -> HostEnd:
    status = played.get("status")
    output = str(played.get("output", ""))
    return HostEnd(output, status if isinstance(status, int) else None, trouble)


def _as_json(place: Place) -> dict[str, object]:
    return {**asdict(place), "proofs": {name: dict(said) for name, said in place.proofs}}


class PytestPlayers:
    """Processes of pytest as they are needed, in a ``with`` block.

    Attributes:
        external: The one that started this process, where that is so: it plays all.
    """

    external: ClassVar[Player | None] = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._playing: dict[str, Player] = {}

    @classmethod
    @contextmanager
    def for_folder(cls, folder: Path) -> Iterator[PytestPlayers]:
        """Those for the files of a folder."""
        players = cls(folder)
        with players._stack:
            yield players

    def tests(self, program: str, variant: str, filesystem: str, pattern: str) -> Sequence[str]:
        """See Players."""
        rows = [row for row in self._rows(program) if row.program == program]
        if not rows:
            raise UserError(
                "no test here takes a guest",
                where=self._folder / program,
                hint="one with the fixture guest, or filesystem",
            )
        return tuple(
            row.test
            for row in rows
            if row.is_for(variant, filesystem) and (not pattern or is_picked(row.test, pattern))
        )

    def play(
        self, program: str, test: str, guest: Guest, place: Place, deadline_s: float
    ) -> HostEnd:
        """See Players."""
        try:
            player = self._player(program)
        except LabError as error:
            return HostEnd("", BROKEN, error)
        return player.play(program, test, guest, place, deadline_s)

    def _rows(self, program: str) -> Sequence[Row]:
        """What a file holds; it is asked once a process, as long as it stays as it is."""
        if self.external is not None:
            return self.external.rows
        files = [self._folder / program, self._folder / "conftest.py"]
        key = (self._folder, program, *(file_digest(file) for file in files if file.is_file()))
        if key not in _KNOWN:
            _KNOWN[key] = self._player(program).rows
        return _KNOWN[key]

    def _player(self, program: str) -> Player:
        if self.external is not None:
            return self.external
        known = self._playing.get(program)
        if known is None or known.lost:
            known = self._playing[program] = self._stack.enter_context(
                _started(self._folder, program)
            )
        return known


@contextmanager
def _started(folder: Path, program: str) -> Iterator[Player]:
    """A process of pytest that has collected a file.

    Raises:
        UserError: The file is at fault, in pytest's words.
    """
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryFile() as said:
        with theirs:
            child = spawn(
                [sys.executable, "-m", "pytest", *_options(theirs.fileno()), program],
                cwd=folder,
                # Found where this lab was, whatever the folder holds.
                env={"PYTHONPATH": _path(), "PYTEST_ADDOPTS": ""},
                stdout=said,
                stderr=said,
                pass_fds=(theirs.fileno(),),
            )
        with child:
            wire = Wire(ours)
            rows = _rows(wire, child, said, folder / program)
            yield Player(wire, rows, lambda: child.poll() is None)


def _options(descriptor: int) -> list[str]:
    # What a project has its own runs do, -n or --cov, is not for this one.
    quiet = ["-q", "--no-header", "--color=no", "-o", "addopts=", "-p", "no:cacheprovider"]
    return ["-p", PLUGIN, f"--lab-wire={descriptor}", *quiet]


def _path() -> str:
    return os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), *sys.path[1:])))


def _rows(wire: Wire, child: Child, said: IO[bytes], file: Path) -> list[Row]:
    try:
        message = heard(wire, _COLLECTING_S, lambda: child.poll() is None)
        return [rows_of(row) for row in message["rows"]]
    except (TimeoutError, WireEnded, KeyError) as error:
        child.kill()
        said.seek(0)
        text = _ESCAPE.sub("", said.read(_MOST_SAID).decode(errors="replace")).strip()
        what = "pytest could not collect it"
        if isinstance(error, TimeoutError):
            what = f"pytest did not collect it within {_COLLECTING_S:g} s"
        raise UserError(what, where=file, detail=text) from error


def rows_of(row: Mapping[str, Any]) -> Row:
    """A row, as the other end has it."""
    return Row(
        str(row["program"]),
        str(row["test"]),
        tuple(map(str, row["variants"])),
        tuple(map(str, row["filesystems"])),
    )
