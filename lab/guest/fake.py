# SPDX-License-Identifier: GPL-2.0-only
"""A guest that is only played: its programs are lists of tests, and what each does to it.

All that a job does about deadlines, deaths and hangs can be tried on it without a kernel.
It keeps to what Guest promises: a deadline that passes is a CommandTimeout, a guest that is
dead answers nothing, what its kernel says is on the console and in the kernel log.
"""

from __future__ import annotations

import fnmatch
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.arch import ARCH
from lab.errors import InfrastructureError
from lab.guest.command import CommandFlood, CommandResult, CommandTimeout
from lab.guest.console import Console
from lab.guest.guest import Description, GuestDied, Hang
from lab.guest.settings import KEEP
from lab.guest.timeline import Timeline
from lab.model.recipe import Boot
from lab.process.cpu_waits import Times

#: What the proof of a mount says where all is well.
MOUNTED = "dax_option=yes\nstatx_known=yes\nstatx_dax=yes\npfn_in_pmem=yes\nmount=m\n"
PANIC = "Kernel panic - not syncing: {}\nKernel Offset: disabled\n"
OOPS = "BUG: kernel NULL pointer dereference, address: 0\n</TASK>\n"
STALL = (
    "rcu: INFO: rcu_sched self-detected stall on CPU\n"
    "rcu: \t0-....: (2099 ticks this GP) idle=9 softirq=7/7 fqs=525\n"
    "CPU: 0 PID: 81 Comm: populate Not tainted 6.1.0 #1\n"
    "Call Trace:\n <TASK>\n {}+0x1/0x20\n {}+0x3/0x40\n </TASK>\n"
)
#: What looks at a guest is none of its programs.
_LOOKER = "/lab/init"
_PREPARED = CommandResult(0, "fsdax\n", "", 0.0)
#: What is said of who hangs.
EXAMINED = {
    Hang.PROGRAM: "the guest still answers",
    Hang.GUEST: "the guest does not answer",
    Hang.QEMU: "QEMU does not answer",
}


@dataclass
class Script:
    """A program: its tests in order, and what those that do not pass do; see DEEDS.

    Attributes:
        does: Besides DEEDS, ``fail`` and ``bail``.
        marks: Whether it says on the console which test begins.
        lists: Whether it knows ``-l``; one that does not runs instead.
        ran: The tests that ran so far.
    """

    tests: tuple[str, ...]
    does: Mapping[str, str] = field(default_factory=dict)
    marks: bool = True
    lists: bool = True
    ran: list[str] = field(default_factory=list)

    def selected(self, arguments: Sequence[str]) -> list[str]:
        """The tests that a command line asks for."""
        if "-k" not in arguments:
            return list(self.tests)
        glob = arguments[arguments.index("-k") + 1]
        return [name for name in self.tests if fnmatch.fnmatchcase(name, glob)]


def _no_times() -> Mapping[int, Times]:
    return {}


def _opens(_: FakeGuest) -> None:
    pass


@dataclass
class Stage:
    """What the guests of a job have in common, and what they were asked.

    Attributes:
        scripts: Their programs, by name.
        answers: What answers instead where a command has that text in it.
        deeds: Beside DEEDS.
        opens: Is called when a guest opens, and may raise.
        prepared: How the command ended that runs first.
        readied: How it ended what ran ahead, for guests that have that; may raise.
        who: Who hangs, when that is asked.
        times: The CPU time of their threads.
        second_s: How long one of their seconds takes.
        made: All there were.
        asked: What they were, and with which deadline.
    """

    scripts: dict[str, Script] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    deeds: dict[str, Deed] = field(default_factory=dict)
    opens: Callable[[FakeGuest], None] = _opens
    prepared: CommandResult = _PREPARED
    readied: Callable[[FakeGuest], CommandResult] | None = None
    who: Hang = Hang.PROGRAM
    times: Callable[[], Mapping[int, Times]] = _no_times
    second_s: float = 0.05
    made: list[FakeGuest] = field(default_factory=list)
    asked: list[tuple[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class FakeSpec:
    """What a played guest is made from."""

    folder: Path
    stage: Stage
    boot_s: float = 30.0
    command_s: float = 30.0
    ready: str = ""

    @property
    def kernel(self) -> Path:
        """Where its kernel would be."""
        return self.folder / "build" / ARCH.image

    def describe(self) -> Description:
        """What such a guest is."""
        return Description(accelerator="none", hardware="none: it is played")

    def version(self) -> str:
        """Of what it runs on, which is nothing."""
        return ""

    def recipe(self) -> Boot | None:
        """Nobody can start one by hand."""
        return None

    def in_folder(self, folder: Path) -> Self:
        """The same with traces elsewhere."""
        return replace(self, folder=folder)

    def ready_with(self, command: str) -> Self:
        """The same for guests in which a command was run ahead."""
        return replace(self, ready=command)

    def stretched(self, factor: float) -> Self:
        """The same with deadlines for a host that is ``factor`` times as busy."""
        return replace(self, boot_s=self.boot_s * factor, command_s=self.command_s * factor)

    def guest(self) -> FakeGuest:
        """A guest of it, not open yet."""
        return FakeGuest(self)


class FakeGuest:
    """Plays what Guest promises.

    Attributes:
        printed: What the last command has printed, in pieces.
        stopped: Set when that is to end.
        dead: It ended by itself.
        failed: What it runs on did.
    """

    def __init__(self, spec: FakeSpec) -> None:
        self.spec = spec
        self.stage = spec.stage
        self.timeline = Timeline()
        self.command = ["qemu"]
        self.state = ""
        self.answers = True
        self.printed: list[str] = []
        self.stopped = threading.Event()
        self.is_open = self.closed = self.dead = self.failed = False
        spec.folder.mkdir(parents=True, exist_ok=True)
        self.console = Console(spec.folder / "console.log")
        self._kernel_log = ""
        self._readied = self.stage.readied
        self.stage.made.append(self)

    @property
    def prepared(self) -> CommandResult:
        """How the command ended that runs first."""
        return self.stage.prepared

    def take_readied(self, command: str) -> CommandResult | None:
        """How it ended if it was run ahead."""
        readied, self._readied = self._readied, None
        return readied(self) if readied is not None and command == self.spec.ready else None

    def open(self) -> None:
        """Start it."""
        self.console.path.write_text("")
        self.says("Linux version 6.1.192\n")
        self.stage.opens(self)
        self.timeline.mark("ready")
        self.is_open = True

    def close(self) -> None:
        """End it."""
        self.closed = True

    def __enter__(self) -> Self:
        if not self.is_open:
            self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def alive(self) -> bool:
        """Whether it runs."""
        return not (self.dead or self.failed or self.closed)

    def gone(self) -> bool:
        """Whether it ended by itself."""
        return self.dead

    def stop(self) -> None:
        """End what runs there."""
        self.stopped.set()

    def forget(self) -> None:
        """Know no more what the last command printed."""
        self.printed = []

    def said(self) -> str:
        """What the last command has printed."""
        return "".join(self.printed)

    def heard(self) -> int:
        """In how many pieces."""
        return len(self.printed)

    def times(self) -> Mapping[int, Times]:
        """As the stage has it."""
        return self.stage.times()

    def examine(self) -> tuple[Hang, str]:
        """Who hangs: the one whom the stage names."""
        self.answers = self.answers and self.stage.who is Hang.PROGRAM
        return self.stage.who, EXAMINED[self.stage.who]

    def put(self, content: bytes, path: str) -> None:
        """Write a file, below its folder."""
        self._file(path).parent.mkdir(parents=True, exist_ok=True)
        self._file(path).write_bytes(content)

    def fetch(self, path: str) -> bytes:
        """Such a file."""
        try:
            return self._file(path).read_bytes()
        except FileNotFoundError as error:
            raise InfrastructureError(f"the guest has no file {path}") from error

    def _file(self, path: str) -> Path:
        return self.spec.folder / "files" / path.lstrip("/")

    def run(
        self, command: str, deadline_s: float | None = None, then: str | None = None
    ) -> CommandResult:
        """Run a program of the stage's, or answer what a job asks beside these."""
        assert self.is_open, "the guest is not open"
        deadline_s = deadline_s or self.spec.command_s
        self.stage.asked.append((command, deadline_s))
        if not self.alive():
            raise GuestDied("the guest is dead")
        self.forget()
        self.stopped.clear()
        for text, answer in self.stage.answers.items():
            if text in command:
                return answer(self, command, deadline_s)
        return self.obey(command, deadline_s)

    def obey(self, command: str, deadline_s: float) -> CommandResult:
        """What run() does where nobody answers instead."""
        if KEEP in command:
            return CommandResult(0, MOUNTED, "", 0.0)
        if "/lab/" in command.replace(_LOOKER, ""):
            return self._run_program(command, deadline_s)
        return CommandResult(0, self._kernel_log if "dmesg" in command else "", "", 0.0)

    def logs(self, text: str) -> None:
        """Have the kernel say something in its log alone: it is below the console's level."""
        self._kernel_log += text

    def interact(self, command: str | None = None) -> int:
        """A command whose output is shown; there is no shell."""
        return self.run(command or "true").status

    def says(self, text: str) -> None:
        """Have the kernel print something."""
        self.logs(text)
        with self.console.path.open("a") as stream:
            stream.write(text)

    def dies(self, what: str, *, kernel: bool = True, gone: bool = True) -> GuestDied:
        """The error for a guest that ends, which it does if ``gone``."""
        self.dead = gone
        died = GuestDied(f"the guest died: {what}" if what else "the guest died")
        died.kernel = kernel
        died.stdout = self.said()
        return died

    def waits(self, seconds: float, deadline_s: float) -> None:
        """Take so many of its seconds; raises CommandTimeout at the deadline, or when stopped."""
        late = seconds >= deadline_s
        if self.stopped.wait(min(seconds, deadline_s) * self.stage.second_s) or late:
            timeout = CommandTimeout("still ran")
            timeout.stdout = self.said()
            raise timeout

    def _run_program(self, command: str, deadline_s: float) -> CommandResult:
        words = shlex.split(command.replace(";", " ; "))
        place = next(number for number, word in enumerate(words) if word.startswith("/lab/"))
        name, arguments = words[place].removeprefix("/lab/"), words[place + 1 :]
        script = self.stage.scripts[name]
        if "-l" in arguments and script.lists:
            names = "".join(f"{test}\n" for test in script.selected(arguments))
            return CommandResult(0, names, "", 0.0)
        began = time.monotonic()
        self.says(f"lab: run fs s/{name}\n")
        for line in self._lines(script, script.selected(arguments), deadline_s):
            self.printed.append(line)
        self.says(f"lab: ran fs s/{name}\n")
        return CommandResult(0, self.said(), "", time.monotonic() - began)

    def _lines(self, script: Script, names: list[str], deadline_s: float) -> Iterator[str]:
        yield f"KTAP version 1\n1..{len(names)}\n"
        for number, name in enumerate(names, 1):
            if script.marks:
                self.says(f"lab: test {name} begins\n")
            script.ran.append(name)
            does = script.does.get(name, "")
            if does == "bail":
                yield "Bail out! no disk\n"
                return
            if does not in {"", "fail"}:
                self._do(does, deadline_s)
            yield f"{'not ' if does == 'fail' else ''}ok {number} {name}\n"

    def _do(self, what: str, deadline_s: float) -> None:
        """``DEED-MORE``: MORE tells it from another of its kind."""
        deed, _, more = what.partition("-")
        deeds = {**DEEDS, **self.stage.deeds}
        deeds[deed](self, more, deadline_s)


#: What answers a command: the guest, the command, its deadline in seconds.
Answer = Callable[[FakeGuest, str, float], CommandResult]
#: What a test does to its guest: the guest, what tells it from others, the deadline.
Deed = Callable[[FakeGuest, str, float], None]


def _panic(guest: FakeGuest, _: str, __: float) -> None:
    guest.says(PANIC.format("boom"))
    raise guest.dies("Kernel panic - not syncing: boom")


def _reboot(guest: FakeGuest, _: str, __: float) -> None:
    guest.says("reboot: Restarting system\n")
    raise guest.dies("it rebooted")


def _vanish(guest: FakeGuest, _: str, __: float) -> None:
    raise guest.dies("")


def _crash_qemu(guest: FakeGuest, _: str, __: float) -> None:
    guest.failed = True
    raise guest.dies("QEMU ended with status 137", kernel=False, gone=False)


def _cut(guest: FakeGuest, _: str, __: float) -> None:
    raise guest.dies("the SSH connection was cut", kernel=False, gone=False)


def _flood(guest: FakeGuest, _: str, __: float) -> None:
    flood = CommandFlood("it printed more than 32 MiB")
    flood.stdout = guest.said()
    raise flood


def _interrupt(guest: FakeGuest, more: str, _: float) -> None:
    guest.says(STALL.format("inner", "caller") if more == "stall" else "")
    raise KeyboardInterrupt


def _oops(guest: FakeGuest, _: str, __: float) -> None:
    guest.says(OOPS)


def _stumble(guest: FakeGuest, _: str, deadline_s: float) -> None:
    guest.says(STALL.format("slow", "caller"))
    guest.waits(1.0, deadline_s)


def _slow(guest: FakeGuest, _: str, deadline_s: float) -> None:
    guest.waits(10.0, deadline_s)


def _hang(guest: FakeGuest, _: str, deadline_s: float) -> None:
    guest.waits(deadline_s, deadline_s)


def _block(guest: FakeGuest, _: str, deadline_s: float) -> None:
    time.sleep(deadline_s)


def _stall(guest: FakeGuest, more: str, deadline_s: float) -> None:
    guest.says(STALL.format(f"stall{more}_inner", f"stall{more}_caller"))
    _hang(guest, more, deadline_s)


#: ``panic``, ``reboot``, ``vanish`` (without a word): the guest ends.  ``qemu``: what it runs
#: on does.  ``cut``: only the connection.  ``flood``: it prints too much.  ``oops``: it goes
#: on, half dead.  ``stall``: it does not go on, and says so; ``hang``: without a word.
#: ``block``: as ``hang``, by the host's clock.  ``stumble``: a stall that ends.  ``slow``: 10 s.
#: ``interrupt``: somebody presses Ctrl-C.
DEEDS: Mapping[str, Deed] = {
    "panic": _panic,
    "reboot": _reboot,
    "vanish": _vanish,
    "qemu": _crash_qemu,
    "cut": _cut,
    "flood": _flood,
    "interrupt": _interrupt,
    "oops": _oops,
    "stumble": _stumble,
    "slow": _slow,
    "hang": _hang,
    "block": _block,
    "stall": _stall,
}
