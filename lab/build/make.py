# SPDX-License-Identifier: GPL-2.0-only
"""Running ``make``: its output kept whole, counted for progress, its first error found."""

from __future__ import annotations

import os
import re
import select
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from lab.build.key import KBUILD_ENVIRONMENT
from lab.build.sandbox import Sandbox, tool_folders
from lab.build.toolchain import KEPT
from lab.errors import InfrastructureError, LabError, Location, UserError
from lab.host import Host
from lab.process import Child, ProcessFlood, ProcessTimeout, run, spawn
from lab.process.deadline import Deadline
from lab.process.tool_failure import trouble

_STEP = re.compile(rb"^\s+([A-Z][A-Z0-9_.-]+)(?: \[M\])?\s{1,}(\S+)$")
#: The same in what make would run: ``echo '  CC      mm/gup.o'``.
_PLANNED = re.compile(r"""\becho ["']  [A-Z][A-Z0-9_.-]+ """)
_COMPILER_ERROR = re.compile(
    r"^(?:In file included from )?([^\s:]+):(\d+)(?::\d+)?: (?:fatal )?error: (.*)"
)
_OTHER_ERROR = re.compile(
    r"undefined reference to|multiple definition of|"
    # Old objects lack .note.GNU-stack, which binutils 2.39 and later warn of.
    r"^\S*ld(?:\.bfd)?: (?!warning: |NOTE: )|"
    r": (?:fatal )?error: |^Error: |"
    r"\*\*\* .*(?:Stop|Error \d+)"
)
#: Python writes what it compiled beside its modules, those of the source too.
_QUIET = {"PYTHONDONTWRITEBYTECODE": "1"}
_WROTE = re.compile(r"Read-only file system")
#: What to do about a build that writes elsewhere than to its objects.
OUT_OF_SOURCE = "a Makefile or script that a patch brings does it: make O= builds in $(objtree)"
_BEFORE, _AFTER = 4, 8
_COUNTING_S = 60.0
#: How often a make that says nothing is looked after.
_LOOKING_S = 0.2


@dataclass(frozen=True)
class Step:
    """One line of make's own output: ``CC mm/gup.o`` is tool and target.

    ``number`` counts the steps of the build from 1; ``total`` is how many there are
    going to be, None when nobody knows.
    """

    tool: str
    target: str
    number: int = 0
    total: int | None = None

    def __str__(self) -> str:
        known = f" of {self.total}" if self.total else ""
        return f"{self.tool} {self.target}, step {self.number}{known}"


@dataclass(frozen=True)
class Make:
    """``make`` in one source folder and one object folder, with one toolchain.

    ``deadline`` is for all the targets together; ``make`` and all it starts inherit the file
    descriptors ``held``, and have ``environment`` set.  In a ``sandbox`` it reads the
    ``source``, what its ``compilers`` need, and the folders ``tools``.
    """

    source: Path
    objects: Path
    arguments: Sequence[str]
    log: Path
    deadline: Deadline
    held: Sequence[int] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stopped: Callable[[], bool] = lambda: False
    sandbox: Sandbox | None = None
    compilers: Sequence[str] = ()
    tools: Sequence[Path] = ()
    #: As nice(1) has it: how much others go before it.
    nice: int = 0

    def __call__(self, *targets: str, on_step: Callable[[Step], None] | None = None) -> None:
        """Make ``targets``; the output is appended to the log as it comes.

        Raises:
            UserError: The kernel does not build; the first error is shown.
            InfrastructureError: No space, no memory, or the build's deadline.
        """
        self._run(self._command(targets), on_step)

    def shell(self, command: str) -> None:
        """Run a command that ``make`` would, from the folder of the objects.

        Raises what making a target raises.
        """
        moved = f"cd {shlex.quote(str(self.objects))} && {{ {command}\n}}"
        self._run(self._around(["sh", "-c", moved]), None)

    def _run(self, command: Sequence[str], on_step: Callable[[Step], None] | None) -> None:
        with self.log.open("ab") as log:
            start = log.tell()
            with spawn(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=self.held,
            ) as child:
                for line in _lines(self._output(child), log):
                    if on_step and (match := _STEP.match(line)):
                        on_step(Step(match[1].decode(), match[2].decode(errors="replace")))
                status = child.wait(self._left())
        if status != 0:
            raise build_error(self.log, start, self.source, status)

    def count(self, *targets: str) -> int:
        """How many steps ``targets`` would take; 0 when make cannot tell.  Nothing is made."""
        command = self._command(["--dry-run", "--keep-going", *targets])
        try:
            said = run(command, check=False, timeout=min(_COUNTING_S, self._left()))
        except (ProcessTimeout, ProcessFlood):
            return 0
        return len(_PLANNED.findall(said.stdout))

    def _command(self, targets: Sequence[str]) -> list[str]:
        if Host.here().find("make") is None:
            raise InfrastructureError("make is not installed", hint="sudo apt-get install make")
        return self._around(
            ["make", "-C", str(self.source), f"O={self.objects}", *self.arguments, *targets]
        )

    def _around(self, command: Sequence[str]) -> list[str]:
        return [*self._nice, *self._in_its_place(command)]

    @property
    def _nice(self) -> list[str]:
        return ["nice", "-n", str(self.nice)] if self.nice else []

    def _in_its_place(self, command: Sequence[str]) -> list[str]:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        settings = {**kept, **self.environment, **KBUILD_ENVIRONMENT, **_QUIET}
        if self.sandbox is None:
            return _with(settings, command)
        read = (*tool_folders(settings, self.compilers), *self.tools, self.source)
        inside = _with({**settings, **self.sandbox.environment}, command)
        # The first process in there is the sandbox's own: what it was started with, passwords
        # of the lab's among it, a build could read in /proc/1/environ.
        return _with({}, self.sandbox.around(inside, read=read, write=[self.objects]))

    def _output(self, child: Child) -> Iterator[bytes]:
        """What the child says, as it comes; one that says nothing meets the deadline too."""
        stream = child.stdout.fileno()
        ready = select.poll()
        ready.register(stream, select.POLLIN)
        while True:
            if self.stopped():
                raise InfrastructureError("the build was stopped", where=self.log)
            if ready.poll(min(self._left(), _LOOKING_S) * 1000):
                said = os.read(stream, 65536)
                if not said:
                    return
                yield said

    def _left(self) -> float:
        left = self.deadline.left_s
        if left <= 0:
            raise ProcessTimeout(
                f"the {self.deadline}",
                where=self.log,
                hint="raise deadlines.build in lab.toml",
            )
        return left


def _with(settings: Mapping[str, str], command: Sequence[str]) -> list[str]:
    return ["env", "-i", *(f"{name}={value}" for name, value in settings.items()), *command]


def _lines(output: Iterable[bytes], log: IO[bytes]) -> Iterator[bytes]:
    """The output by lines, once it is in the log; the last may lack its end."""
    rest = b""
    for said in output:
        log.write(said)
        log.flush()
        *lines, rest = (rest + said).split(b"\n")
        yield from lines
    yield rest


def build_error(log: Path, start: int, source: Path, status: int) -> LabError:
    """The error for a failed ``make`` from its log: the first one, with context."""
    with log.open("rb") as stream:
        stream.seek(start)
        lines = stream.read().decode(errors="replace").splitlines()
    first = first_error(lines)
    context = "\n".join(lines[max(0, first - _BEFORE) : first + _AFTER])
    said = lines[first] if lines else f"make ended with status {status} and said nothing"
    if ours := trouble("make", status, lines, log.parent):
        return InfrastructureError(
            f"the build stopped: {ours}", where=log, detail=context, hint="lab doctor"
        )
    if wrote := next(filter(_WROTE.search, lines), None):
        return UserError(
            f"the build writes into what it only may read: {wrote.strip()}",
            where=log,
            detail=context,
            hint=OUT_OF_SOURCE,
        )
    where: Location | Path = log
    if match := _COMPILER_ERROR.match(said):
        where, said = _in_source(match, source), match[3]
    return UserError(
        f"the kernel does not build: {said}", where=where, detail=context, hint=f"less {log}"
    )


def first_error(lines: Sequence[str]) -> int:
    """The index of the line that says first what went wrong."""
    for pattern in (_COMPILER_ERROR, _OTHER_ERROR):
        for index, line in enumerate(lines):
            if pattern.search(line):
                return index
    return max(0, len(lines) - 1)


def _in_source(match: re.Match[str], source: Path) -> Location:
    path = Path(match[1])
    if path.is_absolute() and path.is_relative_to(source):
        path = path.relative_to(source)
    return Location(path, int(match[2]))
