# SPDX-License-Identifier: GPL-2.0-only
"""One running machine: open, run, fetch, close."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import TracebackType

from lab.errors import InfrastructureError
from lab.guest.command import CommandResult, GuestLost
from lab.guest.console import Console
from lab.guest.qemu import Files, Hardware, command_line, kernel_arguments
from lab.image import GuestKeys, guest_archive, write_initrd
from lab.process import Child, spawn

_READY = b"lab: ready"


class GuestDied(InfrastructureError):
    """The guest ended by itself: a panic, a reboot, or QEMU died.

    Attributes:
        stdout: What the command that ran then had printed, as far as it is known.
        kernel: Whether the kernel did it, as far as can be seen; False when QEMU failed.
    """

    stdout: str = ""
    kernel: bool = True


class BootTimeout(InfrastructureError):
    """The guest did not come up before the boot deadline."""


@dataclass(frozen=True)
class GuestSpec:
    """All that a guest is made from; picklable.

    Attributes:
        programs: Guest programs by name; they are in ``/lab`` there.
        folder: Where the console log stays; made when missing.
        boot_s, ssh_s, command_s, shutdown_s: Deadlines in seconds.
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


@dataclass
class Timeline:
    """Seconds since QEMU's start, by the name of what was reached."""

    started: float = field(default_factory=time.monotonic)
    marks: list[tuple[str, float]] = field(default_factory=list)

    def mark(self, name: str) -> None:
        """Note that ``name`` was reached now."""
        self.marks.append((name, round(time.monotonic() - self.started, 3)))


class Guest:
    """A guest in a ``with`` block; no QEMU is left when the block ends.

    Raises (on entry):
        GuestDied: QEMU or the kernel ended during the boot.
        BootTimeout: ``lab: ready`` did not come in time.
        InfrastructureError: SSH never answered.
    """

    def __init__(self, spec: GuestSpec) -> None:
        self.spec = spec
        self.keys = GuestKeys.make()
        spec.folder.mkdir(parents=True, exist_ok=True)
        self.console = Console(spec.folder / "console.log")
        self.timeline = Timeline()
        self.command: list[str] = []
        self._stack = ExitStack()

    def __enter__(self) -> Guest:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
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

    def run(self, command: str, deadline_s: float | None = None) -> CommandResult:
        """Run a shell command in the guest.

        Raises:
            GuestDied: The guest went down during it; says its last words.
            CommandTimeout: It still ran at the deadline; the guest lives.
        """
        try:
            return self._ssh.run(command, deadline_s or self.spec.command_s)
        except GuestLost as error:
            died = self._died()
            died.stdout = error.stdout
            raise died from error

    def fetch(self, path: str) -> bytes:
        """A file of the guest."""
        return self._ssh.fetch(path)

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
            raise self._died() from error

    def alive(self) -> bool:
        """Whether QEMU still runs."""
        return self._qemu.poll() is None

    def _open(self) -> None:
        files = self._files()
        ours, marks = socket.socketpair()
        our_monitor, monitor = socket.socketpair()
        for end in (ours, marks, our_monitor, monitor):
            self._stack.callback(end.close)
        self._start(files, marks, monitor)
        # QEMU holds its own ends now; closing these makes its death an end-of-file.
        marks.close()
        monitor.close()
        # Fabric and the QMP library take half a second to import: the boot hides it.
        for module in ("lab.guest.monitor", "lab.guest.ssh"):
            import_module(module)
        self._wait_ready(ours)
        # Unpacked by now; a kill -9 from here on leaves none.
        files.initrd.unlink()
        self.timeline.mark("ready")
        self._connect(our_monitor)
        self.timeline.mark("ssh")

    def _files(self) -> Files:
        initrd = self.spec.folder / "initrd"
        self._stack.callback(initrd.unlink, missing_ok=True)
        write_initrd(initrd, self.spec.image, guest_archive(self.keys, self.spec.programs))
        self.console.path.unlink(missing_ok=True)
        return Files(self.spec.kernel, initrd, self._nvdimm(), self.console.path)

    def _nvdimm(self) -> int:
        """The NVDIMM's backing file: in memory, as big as it says, gone with its last user.

        On a disk, each first write to a page of it costs a block allocation (0.3 s
        for a mkfs), a full disk kills QEMU, and a kill -9 leaves it there.
        """
        backing = os.memfd_create("nvdimm")
        self._stack.callback(os.close, backing)
        os.ftruncate(backing, self.spec.hardware.nvdimm)
        return backing

    def _start(self, files: Files, marks: socket.socket, monitor: socket.socket) -> None:
        self.command = command_line(
            self.spec.hardware,
            files,
            marks_fd=marks.fileno(),
            monitor_fd=monitor.fileno(),
            append=kernel_arguments(self.spec.append),
        )
        stderr = self._stack.enter_context((self.spec.folder / "qemu.log").open("wb"))
        self.timeline = Timeline()
        self._qemu: Child = self._stack.enter_context(
            spawn(
                self.command,
                stdout=stderr,
                stderr=stderr,
                pass_fds=(marks.fileno(), monitor.fileno(), files.nvdimm_fd),
            )
        )

    def _wait_ready(self, marks: socket.socket) -> None:
        deadline = time.monotonic() + self.spec.boot_s
        said = b""
        while _READY not in said:
            left = deadline - time.monotonic()
            if left <= 0:
                raise BootTimeout(
                    f"the boot deadline of {self.spec.boot_s:g} s passed before the guest was "
                    f"ready; its console ends with: {self.console.tail(1)}",
                    where=self.console.path,
                    detail=self.console.tail(),
                    hint="raise deadlines.boot in lab.toml if the guest was only slow",
                )
            ready, _, _ = select.select([marks], [], [], left)
            if ready:
                chunk = marks.recv(4096)
                if not chunk:
                    raise self._died()
                said += chunk

    def _connect(self, our_monitor: socket.socket) -> None:
        from qemu.qmp import QMPError

        from lab.guest.monitor import Monitor
        from lab.guest.ssh import Ssh

        try:
            self._monitor = Monitor(our_monitor, self.spec.ssh_s)
            self._stack.callback(self._monitor.close)
            port = self._monitor.ssh_port()
        except (EOFError, OSError, QMPError) as error:
            raise self._died() from error
        self._ssh = Ssh(port, self.keys, self.spec.ssh_s)
        self._stack.callback(self._ssh.close)

    def _died(self) -> GuestDied:
        """The error for a guest that went away: QEMU gone, or only the connection."""
        with suppress(Exception):
            self._qemu.wait(self.spec.shutdown_s)
        status = self._qemu.poll()
        qemu_said = (self.spec.folder / "qemu.log").read_text(errors="replace").strip()
        words = self.console.last_words()
        if words:
            what = f"the guest died: {words}"
        elif status is None:
            what = "the guest no longer answers over SSH"
        elif status == 0:
            what = "the guest rebooted or powered off by itself"
        else:
            what = f"QEMU ended with status {status}: {qemu_said[-300:] or 'it said nothing'}"
        died = GuestDied(
            what,
            where=self.console.path,
            detail="\n".join(filter(None, (qemu_said, self.console.tail()))),
        )
        died.kernel = bool(words) or not status
        return died

    def _power_off(self) -> None:
        # Nothing of this guest is used again: its disk is thrown away.
        self._monitor.quit()
        self._qemu.wait(self.spec.shutdown_s)
