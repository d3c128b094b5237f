# SPDX-License-Identifier: GPL-2.0-only
"""One running machine: open, run, fetch, close."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType

from lab.errors import InfrastructureError
from lab.guest.boot_watch import Booting
from lab.guest.command import CommandResult, GuestLost
from lab.guest.console import Console
from lab.guest.qemu.command_line import (
    SSH_PORTS,
    Files,
    Hardware,
    Memory,
    Sockets,
    command_line,
    kernel_arguments,
)
from lab.guest.qemu.port import NoPort
from lab.guest.qemu.process import GuestDied, Timeline, Vm
from lab.guest.qemu.saved_state import (
    SavedState,
    discard,
    find_state,
    name_state,
    rest_order,
    wake_order,
    write_state,
)
from lab.image import GuestKeys, KeyPair, guest_archive, write_initrd
from lab.process.cpu_waits import Times
from lab.process.lock import locked

#: A kernel that panics is gone in less, when the host is not busy.
_DYING_S = 1.0
#: A guest is idle after it: its connection's end, and RCU's callbacks, are done with.
_SETTLING_S = 0.3
#: Into the log alone (printk's first number): the console takes a second for it.
_SHOW_TASKS = "echo 1 >/proc/sys/kernel/printk; echo t >/proc/sysrq-trigger; dmesg"


@dataclass(frozen=True)
class GuestSpec:
    """All that a guest is made from; picklable.

    Attributes:
        programs: Guest programs by name; they are in ``/lab`` there.
        folder: Where the console log stays; made when missing.
        boot_s, ssh_s, command_s, shutdown_s: Deadlines in seconds.
        prepare: A shell command that runs first in each guest; see Guest.prepared.
        stall_s: What a boot that stalls gets to go on, in seconds.
        states: Where saved states are kept; None boots each guest.
    """

    kernel: Path
    image: Path
    programs: Mapping[str, Path]
    hardware: Hardware
    folder: Path
    boot_s: float
    ssh_s: float
    command_s: float
    shutdown_s: float
    append: str = ""
    prepare: str = "true"
    states: Path | None = None
    stall_s: float = 10.0


class Hang(StrEnum):
    """Who does not go on."""

    PROGRAM = "program"
    GUEST = "guest"
    QEMU = "qemu"


class Guest:
    """A guest in a ``with`` block; no QEMU is left when the block ends.

    Attributes:
        prepared: How ``spec.prepare`` ended, in this guest or in the one it was saved from.
        state: The key of the saved state it started from; "" when it was booted.
        answers: Whether it can be asked anything more, as far as is known.

    Raises (on entry):
        GuestDied: QEMU or the kernel ended during the boot.
        BootTimeout: ``lab: ready`` did not come in time, or the boot stalled for good.
        CommandTimeout: ``spec.prepare`` still ran at its deadline.
        InfrastructureError: SSH never answered.
    """

    prepared: CommandResult
    state: str = ""
    answers: bool = True

    def __init__(self, spec: GuestSpec, *, savable: bool = False) -> None:
        self.spec = spec
        self._savable = savable
        spec.folder.mkdir(parents=True, exist_ok=True)
        self.console = Console(spec.folder / "console.log")
        self._notes: list[str] = []
        self._stack = ExitStack()
        self._opened = False
        self._examined: tuple[Hang, str] | None = None

    def open(self) -> None:
        """Start it, as entering its block does, which then finds it open; for a thread to do.

        Raises what entering raises.
        """
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        self._opened = True

    def close(self) -> None:
        """End QEMU; for a guest whose block is not going to be entered."""
        self._stack.close()

    def __enter__(self) -> Guest:
        if not self._opened:
            self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            with suppress(Exception):
                self._power_off()
        self._stack.close()

    @property
    def timeline(self) -> Timeline:
        """What was reached when; why no saved state was used, too."""
        timeline = self._vm.timeline
        notes = [(note, 0.0) for note in self._notes]
        return Timeline(timeline.started, [*notes, *timeline.marks])

    @property
    def command(self) -> list[str]:
        """QEMU's command line."""
        return self._vm.command

    def run(self, command: str, deadline_s: float | None = None) -> CommandResult:
        """Run a shell command in the guest.

        Raises:
            GuestDied: The guest went down during it; says its last words.
            CommandTimeout: It still ran at the deadline; the guest lives.
            CommandFlood: It printed more than 32 MiB; the guest lives.
        """
        try:
            return self._ssh.run(command, deadline_s or self.spec.command_s)
        except GuestLost as error:
            raise self._lost(error) from error

    def stop(self) -> None:
        """End the command that runs as its deadline would, now; for another thread."""
        self._ssh.stop()

    def said(self) -> str:
        """What the last command has printed, so far; for any thread."""
        return self._ssh.said()

    def heard(self) -> int:
        """How many pieces of that came; for any thread."""
        return len(self._ssh.heard())

    def times(self) -> Mapping[int, Times]:
        """What CPU time QEMU's threads had of the host, by their ids."""
        return self._vm.times()

    def fetch(self, path: str) -> bytes:
        """A regular file of the guest, of 256 MiB at most.

        Raises:
            InfrastructureError: It is none, is larger, or cannot be read.
            CommandTimeout: It did not come within ``spec.command_s``.
            GuestDied: The guest went down meanwhile.
        """
        try:
            return self._ssh.fetch(path, self.spec.command_s)
        except GuestLost as error:
            raise self._lost(error) from error

    def put(self, content: bytes, path: str) -> None:
        """Write a file in the guest."""
        self._ssh.put(content, path)

    def interact(self, command: str | None = None) -> int:
        """A shell or a command on this terminal; returns its exit status.

        Raises:
            GuestDied: The guest went down during it.
        """
        try:
            return self._ssh.interact(command)
        except GuestLost as error:
            raise self._lost(error) from error

    def state_key(self) -> str:
        """What names the state such a guest starts from."""
        spec = self.spec
        memory = Memory(nvdimm="nvdimm", ram="ram")
        command = command_line(
            spec.hardware,
            Files(
                spec.kernel,
                None,
                kernel_arguments(spec.hardware, spec.append),
                memory,
                Path("console"),
            ),
            Sockets(0, 0, (0,) * SSH_PORTS),
        )
        programs = [spec.programs[name] for name in sorted(spec.programs)]
        files = [spec.kernel, spec.image, *programs]
        return name_state(command, files, spec.prepare)

    def examine_hang(self) -> tuple[Hang, str]:
        """Who hangs, when a command did not end, and what of that was kept in the folder.

        Takes a few times ``shutdown_s`` seconds at most.
        """
        try:
            self._keep("tasks.log", self.run(_SHOW_TASKS, self.spec.shutdown_s).stdout)
        except InfrastructureError:
            return self._examine_registers()
        return Hang.PROGRAM, "the guest still answers: what its tasks do is in tasks.log"

    def _examine_registers(self) -> tuple[Hang, str]:
        from lab.guest.qemu.monitor import MonitorLost

        self.answers = False

        try:
            self._keep("registers.txt", self._vm.monitor.registers())
        except (MonitorLost, GuestDied) as error:
            return Hang.QEMU, f"QEMU does not answer: {error.what}"
        return Hang.GUEST, "the guest does not answer: its CPUs' registers are in registers.txt"

    def alive(self) -> bool:
        """Whether QEMU still runs."""
        return self._vm.status is None

    def _serves(self) -> bool:
        """Whether somebody may answer over SSH, now or later."""
        return self.alive() and not self._vm.server_ended()

    def gone(self) -> bool:
        """Whether it ended by itself: QEMU's end, but no failure of QEMU's."""
        return self._vm.status == 0

    def save(self, key: str) -> SavedState:
        """Keep the guest as ``key`` in ``spec.states``; it stands still from then on.

        Raises:
            InfrastructureError: QEMU could not.
            OSError: No space, most likely.
        """
        assert self.spec.states is not None
        if not self._vm.has_ports:
            raise NoPort("a guest without an SSH port left is of no use")
        # A connection does not survive: the new QEMU knows nothing of it.
        self._ssh.close()
        self._vm.tell(rest_order())
        self._vm.wait_for("resting", self.spec.ssh_s, "ssh")
        # What the guest still has to do for that, each guest of the state would do again.
        time.sleep(_SETTLING_S)
        nvdimm, ram = self._vm.files.memory.descriptors
        with _memfd("devices") as devices:
            # QEMU writes through a shell, to which it leaves none of its descriptors.
            target = Path(f"/proc/{os.getpid()}/fd/{devices}")
            self._vm.monitor.save(target, self.spec.command_s)
            return write_state(
                self.spec.states,
                key,
                parts={"ram": ram, "nvdimm": nvdimm, "devices": devices},
                kernel=self.spec.kernel,
                console=self.console.path,
                keys=self._keys,
                used_ports=self._vm.used_ports,
                prepared=self.prepared,
            )

    def _lost(self, error: GuestLost) -> GuestDied:
        """What a connection that ended means: the guest's end, or only its own."""
        self.answers = not self._vm.ends_within(_DYING_S) and self._answers_again()
        if not (self.answers or (self.alive() and self._vm.cut_off)):
            died = self._vm.died(at_once=True)
            if self.alive() and self._examine_registers()[0] is Hang.QEMU:
                died.kernel = False
        else:
            what = "the SSH connection was cut, and the guest goes on"
            died = GuestDied(what, where=self.console.path, detail=self.console.tail())
            died.kernel = False
        died.stdout = error.stdout
        return died

    def _answers_again(self) -> bool:
        """Whether a new connection can be had; it is used from then on."""
        from lab.guest.ssh import Ssh

        if self._vm.server_ended():
            return False
        try:
            again = Ssh(self._vm.connect, self._keys, self.spec.shutdown_s).open(self._serves)
            self._stack.callback(again.close)
            self._ssh = again
            return again.run("true", self.spec.shutdown_s).status == 0
        except InfrastructureError:
            return False

    def _keep(self, name: str, text: str) -> None:
        (self.spec.folder / name).write_text(text, encoding="utf-8", errors="replace")

    def _open(self) -> None:
        state = self._saved_state() if self.spec.states and not self._savable else None
        if state is None or not self._restored(state):
            self._boot()

    def _boot(self) -> None:
        self._keys = GuestKeys.make()
        self.console.path.unlink(missing_ok=True)
        with _memfd("initrd") as initrd:
            archive = guest_archive(self._keys, self.spec.programs)
            write_initrd(Path(f"/dev/fd/{initrd}"), self.spec.image, archive)
            memory = self._stack.enter_context(_own_memory(self.spec.hardware, self._savable))
            self._start(initrd, memory)
        self._make_ready()
        booting = Booting(self.console.path, self.spec.stall_s, self._vm.times)
        self._vm.wait_for("ready", self.spec.boot_s, "boot", booting.hung)
        self._log_in()
        self.prepared = self.run(self.spec.prepare)
        self._vm.timeline.mark("prepared")

    def _restored(self, state: SavedState) -> bool:
        """Start from a saved state; returns whether that went well."""
        try:
            self._restore(state)
        except InfrastructureError as error:
            # What QEMU cannot load, or does not wake, must not cost a result.
            self._stack.close()
            discard(state.folder)
            self._notes.append(f"saved state {state.key} was of no use: {error.what}")
            return False
        return True

    def _restore(self, state: SavedState) -> None:
        self._keys = GuestKeys(state.login, KeyPair(b"", state.host_key))
        shutil.copyfile(state.console, self.console.path)
        memory = Memory(nvdimm=str(state.nvdimm), ram=str(state.ram), private=True)
        # Beside QEMU, which has to wake up: nothing is asked of the guest before.
        with ThreadPoolExecutor(1) as pool:
            damage = pool.submit(state.damage)
            self._start(None, memory, state)
            self._vm.monitor.restore(self._vm.incoming, self.spec.ssh_s)
            self._vm.timeline.mark("restored")
            self._vm.tell(wake_order())
            self._make_ready()
            self._vm.wait_for("awake", self.spec.ssh_s, "ssh")
            self._log_in()
            if why := damage.result():
                raise InfrastructureError(why)
        self.prepared, self.state = state.prepared, state.key

    def _saved_state(self) -> SavedState | None:
        """The state this guest starts from, made now if there is none; None if none can be."""
        states = self.spec.states
        assert states is not None
        key = self.state_key()
        with locked(states / f".{key}.lock"):
            found = find_state(states, key)
            if found is not None:
                return found
            with Guest(self.spec, savable=True) as guest:
                if guest.prepared.status != 0:
                    return None
                try:
                    return guest.save(key)
                except (InfrastructureError, OSError) as error:
                    self._notes.append(f"no state could be saved: {error}")
                    return None

    def _start(self, initrd: int | None, memory: Memory, state: SavedState | None = None) -> None:
        spec = self.spec
        append = kernel_arguments(spec.hardware, spec.append)
        kernel = spec.kernel if state is None else state.kernel
        files = Files(kernel, initrd, append, memory, self.console.path)
        vm = Vm(
            spec.hardware,
            files,
            spec.folder,
            answer_s=spec.shutdown_s,
            devices=None if state is None else state.devices,
            used_ports=0 if state is None else state.used_ports,
        )
        self._vm = self._stack.enter_context(vm)

    def _make_ready(self) -> None:
        """Whatever a connection needs that the guest's start can hide: half a second of imports."""
        from lab.guest.ssh import Ssh

        _ = self._vm.monitor
        self._ssh = Ssh(self._vm.connect, self._keys, self.spec.ssh_s)
        self._stack.callback(self._ssh.close)

    def _log_in(self) -> None:
        try:
            self._ssh.open(self._serves)
        except GuestLost as error:
            raise self._vm.died(at_once=True) from error
        except InfrastructureError as error:
            error.where, error.detail = self.console.path, self.console.tail()
            raise
        self._vm.timeline.mark("ssh")

    def _power_off(self) -> None:
        # Nothing of this guest is used again: its disk is thrown away.
        self._vm.monitor.quit()
        self._vm.wait(self.spec.shutdown_s)


@contextmanager
def _own_memory(hardware: Hardware, savable: bool) -> Iterator[Memory]:
    """The memory of a guest that boots: the NVDIMM's backing is in memory, and as big as it says.

    On a disk, each first write to a page of it costs a block allocation (0.3 s for
    a mkfs), a full disk kills QEMU, and a kill -9 leaves it there.
    """
    with _memfd("nvdimm") as nvdimm, _memfd("ram") as ram:
        os.ftruncate(nvdimm, hardware.nvdimm)
        os.ftruncate(ram, hardware.ram)
        yield Memory(
            nvdimm=f"/dev/fd/{nvdimm}",
            ram=f"/dev/fd/{ram}" if savable else None,
            descriptors=(nvdimm, ram),
        )


@contextmanager
def _memfd(name: str) -> Iterator[int]:
    """A file in memory, gone with its last user."""
    descriptor = os.memfd_create(name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
