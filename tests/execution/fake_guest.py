# SPDX-License-Identifier: GPL-2.0-only
"""A guest without a QEMU: its programs are lists of tests, and what each does to it."""

from __future__ import annotations

import fnmatch
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from lab.guest import CommandTimeout
from lab.guest.command import CommandResult
from lab.guest.qemu.guest import Hang
from lab.guest.qemu.process import GuestDied
from lab.process.cpu_waits import Times

MOUNTED = "dax_option=yes\nstatx_known=yes\nstatx_dax=yes\npfn_in_pmem=yes\nmount=m\n"
PANIC = "Kernel panic - not syncing: {}\nKernel Offset: disabled\n"
STALL = (
    "rcu: INFO: rcu_sched self-detected stall on CPU\n"
    "rcu: \t0-....: (2099 ticks this GP) idle=9 softirq=7/7 fqs=525\n"
    "CPU: 0 PID: 81 Comm: populate Not tainted 6.1.0 #1\n"
    "Call Trace:\n <TASK>\n {}+0x1/0x20\n {}+0x3/0x40\n </TASK>\n"
)


@dataclass
class Script:
    """A program: its tests in order, and what those that do not pass do to the guest.

    ``panic``, ``stall``, ``hang``, ``oops``, ``stumble`` (a stall that ends), ``slow``,
    ``interrupt``, ``fail``, ``bail``.
    """

    tests: tuple[str, ...]
    does: Mapping[str, str] = field(default_factory=dict)
    marks: bool = True
    lists: bool = True
    ran: list[str] = field(default_factory=list)

    def selected(self, arguments: list[str]) -> list[str]:
        if "-k" not in arguments:
            return list(self.tests)
        glob = arguments[arguments.index("-k") + 1]
        return [name for name in self.tests if fnmatch.fnmatchcase(name, glob)]


class FakeGuest:
    """Behaves as ``lab.guest.Guest`` does for a job; ``made`` are all there were."""

    scripts: ClassVar[dict[str, Script]]
    made: ClassVar[list[FakeGuest]]
    times_of: ClassVar[Callable[[], Mapping[int, Times]]] = staticmethod(dict)
    prepared = CommandResult(0, "fsdax\n", "", 0.0)
    command: ClassVar[list[str]] = ["qemu"]
    state = ""
    answers = True

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.console_path: Path = spec.folder / "console.log"
        spec.folder.mkdir(parents=True, exist_ok=True)
        self.console_path.write_text("Linux version 6.1.192\n")
        self.printed: list[str] = []
        self.stopped = threading.Event()
        self.dead = False
        self.made.append(self)

    @property
    def timeline(self) -> Any:
        return type("Timeline", (), {"marks": []})()

    def __enter__(self) -> FakeGuest:
        return self

    def __exit__(self, *_: object) -> None:
        self.dead = True

    def alive(self) -> bool:
        return not self.dead

    def gone(self) -> bool:
        return self.dead

    def stop(self) -> None:
        self.stopped.set()

    def said(self) -> str:
        return "".join(self.printed)

    def heard(self) -> int:
        return len(self.printed)

    def times(self) -> Mapping[int, Times]:
        return type(self).times_of()

    def examine_hang(self) -> tuple[Hang, str]:
        return Hang.PROGRAM, "the guest still answers"

    def says(self, text: str) -> None:
        with self.console_path.open("a") as stream:
            stream.write(text)

    def run(self, command: str, deadline_s: float = 60.0) -> CommandResult:
        if "dax-proof" in command:
            return CommandResult(0, MOUNTED, "", 0.0)
        if "/lab/" not in command:
            return CommandResult(0, "", "", 0.0)
        words = shlex.split(command.replace(";", " ; "))
        place = next(number for number, word in enumerate(words) if word.startswith("/lab/"))
        name, arguments = words[place].removeprefix("/lab/"), words[place + 1 :]
        script = self.scripts[name]
        self.printed = []
        if "-l" in arguments and script.lists:
            return CommandResult(0, "".join(f"{t}\n" for t in script.selected(arguments)), "", 0.0)
        self.says(f"lab: run fs s/{name}\n")
        for line in self._lines(script, script.selected(arguments), deadline_s):
            self.printed.append(line)
        self.says(f"lab: ran fs s/{name}\n")
        return CommandResult(0, self.said(), "", 0.0)

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
            if does:
                self._do(does, deadline_s)
            yield f"{'not ' if does == 'fail' else ''}ok {number} {name}\n"

    def _do(self, what: str, deadline_s: float) -> None:
        if what.startswith("interrupt"):
            self.says(STALL.format("inner", "caller") if what == "interrupt-stall" else "")
            raise KeyboardInterrupt
        if what == "panic":
            self.says(PANIC.format("boom"))
            self.dead = True
            died = GuestDied("the guest died: Kernel panic - not syncing: boom")
            died.stdout = self.said()
            raise died
        if what == "oops":
            self.says("BUG: kernel NULL pointer dereference, address: 0\n</TASK>\n")
        elif what == "stumble":
            self.says(STALL.format("slow", "caller"))
            self.stopped.wait(0.6)
        elif what == "slow" and self.stopped.wait(2.0):
            raise CommandTimeout("still ran")
        elif what.startswith("stall"):
            self.says(STALL.format(f"{what}_inner", f"{what}_caller"))
        if what == "hang" or what.startswith("stall"):
            self.stopped.wait(deadline_s)
            timeout = CommandTimeout("still ran")
            timeout.stdout = self.said()
            raise timeout
