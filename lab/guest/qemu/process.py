# SPDX-License-Identifier: GPL-2.0-only
"""A QEMU process with the sockets it shares with the lab, in a ``with`` block."""

from __future__ import annotations

import fcntl
import os
import re
import select
import shlex
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from lab.guest.console import Console
from lab.guest.guest import BootTimeout, GuestDied
from lab.guest.qemu.command_line import SSH_PORTS, Files, Hardware, Sockets, command_line
from lab.guest.qemu.port import NoPort, Port
from lab.guest.timeline import Timeline
from lab.process import Child, ProcessTimeout, spawn
from lab.process.cpu_waits import Times, child_of, thread_times
from lab.process.deadline import Deadline
from lab.process.spent import cpu_of, note_child

if TYPE_CHECKING:
    from lab.guest.qemu.monitor import Monitor


#: What init writes: a name, and the seconds since boot.
_MARK = re.compile(rb"lab: ([a-z ]{1,40}?)(?: [0-9.]+)?\r?$")
_NO_SSH = "no ssh"
#: And of the server on an SSH port.
_ENDED = re.compile(rb"lab: ssh (\d{1,4}) ended\r?$")
#: Seconds until it is seen that another thread has heard what is waited for.
_OTHERS_HEAR_S = 0.5
#: Init says a few; whoever else writes to its port is not heard for ever.
_MOST_MARKS = 64
_LONGEST_MARK = 256
#: What QEMU may write into one file: a console that never stops would fill the disk.
MOST_PRINTED = 512 << 20
#: Of what QEMU says itself.
_MOST_SAID = 64 << 10


class Vm:
    """QEMU; its console and what it says itself are kept in ``folder``.

    Attributes:
        incoming: Where QEMU finds ``devices``, as the monitor names it.

    Args:
        devices: Those of a saved state: start nothing until the monitor names them.
        used_ports: SSH ports that it has used up; it begins with the next.
        answer_s: Seconds the monitor may take to answer.
        tcg: The value of QEMU's ``-accel`` where it is not to be its usual one.
        more: Words for QEMU, after all others.
    """

    def __init__(
        self,
        hardware: Hardware,
        files: Files,
        folder: Path,
        *,
        answer_s: float,
        devices: Path | None,
        used_ports: int = 0,
        tcg: str = "",
        more: tuple[str, ...] = (),
    ) -> None:
        self.used_ports = used_ports
        self.files = files
        self.folder = folder
        self.console = Console(files.console)
        self.timeline = Timeline()
        self.command: list[str] = []
        self.incoming = ""
        self._answer_s = answer_s
        self._rest = b""
        self._cpu_s = 0.0
        self._hearing = threading.Lock()
        self._ended_ports: set[int] = set()
        self._stack = ExitStack()
        try:
            self._start(hardware, files, devices, tcg, more)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Vm:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @cached_property
    def monitor(self) -> Monitor:
        """QEMU's monitor, connected at the first use.

        Raises:
            GuestDied: QEMU is gone.
        """
        # Half of what a guest's first answer takes is imports: this one while QEMU starts.
        from lab.guest.qemu.monitor import Monitor, MonitorLost

        try:
            monitor = Monitor(self._monitor_end, self._answer_s)
        except MonitorLost as error:
            raise self.died() from error
        self._stack.callback(monitor.close)
        return monitor

    @property
    def status(self) -> int | None:
        """QEMU's exit status, or None while it runs."""
        return self._qemu.poll()

    @property
    def runs(self) -> bool:
        """Whether QEMU still runs."""
        return self.status is None

    def times(self) -> dict[int, Times]:
        """What CPU time QEMU's threads had, by their ids."""
        return {} if self._pid is None else thread_times(self._pid)

    def note_cpu(self) -> None:
        """See what CPU time QEMU had: when it has ended, nobody knows."""
        if self._pid is not None:
            self._cpu_s = max(self._cpu_s, cpu_of(self._pid))

    def _account(self) -> None:
        self.note_cpu()
        note_child(self._cpu_s)

    @cached_property
    def _pid(self) -> int | None:
        return child_of(self._qemu.pid)

    def wait_for(
        self, mark: str, deadline_s: float, name: str, hung: Callable[[], str] = lambda: ""
    ) -> None:
        """Wait until the guest says ``lab: MARK`` on its second serial port.

        Args:
            hung: Is asked now and then why to wait no longer.

        Raises:
            GuestDied: QEMU ended first.
            BootTimeout: The deadline ``name`` of ``deadline_s`` seconds passed first, or
                the guest hangs.
        """
        deadline = Deadline(name, deadline_s)
        while not self._has_said(mark):
            left = deadline.left_s
            if left <= 0:
                raise self._late(mark, deadline)
            if why := hung():
                tail = self.console.tail()
                raise BootTimeout(f"the boot hangs: {why}", where=self.console.path, detail=tail)
            if self._has_said(_NO_SSH):
                raise self.died(at_once=True)
            # Another thread may hear it first.
            if not self._listen(min(left, _OTHERS_HEAR_S)):
                raise self.died()

    def ends_within(self, seconds: float) -> bool:
        """Whether QEMU has ended, or does so in the next seconds."""
        with suppress(ProcessTimeout):
            self._qemu.wait(seconds)
        return self.status is not None

    def _has_said(self, mark: str) -> bool:
        return any(name == mark for name, _ in self.timeline.marks)

    def _listen(self, seconds: float) -> bool:
        """Note the marks that come in ``seconds`` at most; returns whether more can come."""
        ready, _, _ = select.select([self._marks], [], [], seconds)
        # A connection's thread hears it, too, and may have been faster.
        with self._hearing:
            try:
                chunk = self._marks.recv(4096, socket.MSG_DONTWAIT) if ready else None
            except BlockingIOError:
                chunk = None
            except ConnectionError:  # QEMU ended before it had read all that it was told
                chunk = b""
            if chunk is None:
                return True
            *lines, rest = (self._rest + chunk).split(b"\n")
            self._rest = rest[-_LONGEST_MARK:]
            for line in lines:
                if match := _MARK.search(line):
                    self._hear(match[1].decode())
                elif match := _ENDED.search(line):
                    self._ended_ports.add(int(match[1]))
            return bool(chunk)

    def _hear(self, mark: str) -> None:
        """Note a mark once: what is waited for has come, or has not."""
        if len(self.timeline.marks) < _MOST_MARKS and not self._has_said(mark):
            self.timeline.mark(mark)

    @property
    def has_ports(self) -> bool:
        """Whether another SSH connection can be made."""
        return self.used_ports < SSH_PORTS

    def connect(self) -> Port:
        """The next SSH port.

        Raises:
            NoPort: All were used.
        """
        if not self.has_ports:
            raise NoPort(f"the guest's {SSH_PORTS} SSH ports are used up")
        self.used_ports += 1
        number = self.used_ports
        port = Port(self._ssh_ends[number - 1], self._marks, lambda: self._server_ended(number))
        self._stack.callback(port.close)
        return port

    @property
    def cut_off(self) -> bool:
        """Whether the guest has said that its last SSH server has ended."""
        return not self.has_ports and self._server_ended(self.used_ports)

    def _server_ended(self, number: int) -> bool:
        """Whether the server of a port has; all have when QEMU has."""
        try:
            lives = self._listen(0)
        except OSError:
            lives = False
        return not lives or number in self._ended_ports

    def tell(self, order: bytes) -> None:
        """Write to the guest's second serial port; init reads it there.

        Raises:
            GuestDied: QEMU is gone.
        """
        try:
            self._marks.sendall(order)
        except OSError as error:
            raise self.died() from error

    def wait(self, seconds: float) -> None:
        """Wait for QEMU's end; raises ProcessTimeout after ``seconds``."""
        self._qemu.wait(seconds)

    def died(self, *, at_once: bool = False) -> GuestDied:
        """The error for a guest that went away: QEMU gone, or only the connection.

        Args:
            at_once: QEMU was given its time to end already.
        """
        if not at_once and not self.server_ended():
            self.ends_within(self._answer_s)
        status = self.status
        qemu_said = _end_of(self.folder / "qemu.log").strip()
        words = self.console.last_words()
        if words:
            what = f"the guest died: {words}"
        elif status is None and self.server_ended():
            what = "the guest's SSH server ended, and the guest goes on"
        elif status is None:
            what = "the guest no longer answers over SSH"
        elif status == 128 + signal.SIGXFSZ:
            what = f"the guest printed more than {MOST_PRINTED >> 20} MiB, and was ended"
        elif status == 0:
            what = "the guest rebooted or powered off by itself"
        else:
            what = f"QEMU ended with status {status}: {qemu_said[-300:] or 'it said nothing'}"
        died = GuestDied(
            what,
            where=self.console.path,
            detail="\n".join(filter(None, (qemu_said, self.console.tail()))),
        )
        died.kernel = bool(words) or not (status or self._has_said(_NO_SSH))
        return died

    def server_ended(self) -> bool:
        """Whether init has said that the SSH server is gone: then the kernel lives."""
        with suppress(OSError):
            self._listen(0)
        return self._has_said(_NO_SSH)

    def _start(
        self,
        hardware: Hardware,
        files: Files,
        devices: Path | None,
        tcg: str,
        more: tuple[str, ...],
    ) -> None:
        self._marks, marks = self._pair()
        self._monitor_end, monitor = self._pair()
        ssh = [self._pair() for _ in range(SSH_PORTS)]
        self._ssh_ends = [end for end, _ in ssh]
        # As they were when it was saved: the guest is told of no change.
        for end in self._ssh_ends[: self.used_ports]:
            end.close()
        theirs = [marks, monitor, *(other for _, other in ssh)]
        numbers = [end.fileno() for end in theirs]
        sockets = Sockets(numbers[0], numbers[1], tuple(numbers[2:]))
        words = command_line(hardware, files, sockets, incoming=devices is not None, tcg=tcg)
        self.command = [*words, *more]
        poured = [] if devices is None else self._pour(devices)
        stderr = self._stack.enter_context((self.folder / "qemu.log").open("wb"))
        self.timeline = Timeline()
        self._qemu: Child = self._stack.enter_context(
            spawn(
                self.command,
                stdout=stderr,
                stderr=stderr,
                pass_fds=(*sockets.descriptors, *files.descriptors, *poured),
                file_size=MOST_PRINTED,
            )
        )
        self._stack.callback(self._account)
        # QEMU holds its own ends now; closing these makes its death an end-of-file.
        for end in theirs:
            end.close()

    def _pour(self, devices: Path) -> list[int]:
        """Let QEMU read the devices; returns the descriptor that it inherits for that, if any."""
        try:
            end = pipe_with(devices.read_bytes())
        except OSError:
            self.incoming = f"exec:cat {shlex.quote(str(devices))}"
            return []
        self._stack.callback(os.close, end)
        self.incoming = f"fd:{end}"
        return [end]

    def _pair(self) -> tuple[socket.socket, socket.socket]:
        ends = socket.socketpair()
        for end in ends:
            self._stack.callback(end.close)
        return ends

    def _late(self, mark: str, deadline: Deadline) -> BootTimeout:
        return BootTimeout(
            f"the {deadline} before the guest was {mark}; "
            f"its console ends with: {self.console.tail(1)}",
            where=self.console.path,
            detail=self.console.tail(),
            hint=f"raise deadlines.{deadline.name} in lab.toml if the guest was only slow",
        )


def _end_of(path: Path) -> str:
    """The end of a file that a guest may have made as long as it likes."""
    with path.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _MOST_SAID))
        return stream.read(_MOST_SAID).decode(errors="replace")


def pipe_with(content: bytes) -> int:
    """The end of a pipe that holds all of ``content``: a shell and a cat less to start.

    Raises:
        OSError: It holds less (pipe(7), /proc/sys/fs/pipe-max-size).
    """
    end, into = os.pipe()
    try:
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, len(content))
        os.set_blocking(into, False)
        if os.write(into, content) < len(content):
            raise OSError("the pipe is too small")
    except OSError:
        os.close(end)
        raise
    finally:
        os.close(into)
    return end
