# SPDX-License-Identifier: GPL-2.0-only
"""Commands one after the other over one channel: init's end of it, run on this host."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.filesystems.mounts import check, read
from lab.guest.command_channel import BrokenOff, CommandChannel, Late
from lab.guest.settings import read as read_changed

pytestmark = pytest.mark.slow
MOST = 1 << 20
#: More than is read at once, and nobody reads before it is all said, and the shell goes on.
MUCH_AT_LAST = (
    "kill -STOP $PPID; head -c 60000 /dev/zero | tr '\\0' n >&2; "
    "{ sleep 0.2; kill -CONT $PPID; } >/dev/null 2>&1 &"
)


class Pipes:
    """What the lab asks of an SSH channel, over two pipes to a process of this host."""

    def __init__(self, commander: Path, folder: Path) -> None:
        self.process = subprocess.Popen(
            [commander, "commands"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
        )
        self.closed = self.eof_received = False
        self._left: float | None = None

    def exec_command(self, command: str) -> None:
        assert command == "exec /lab/init commands"

    def settimeout(self, seconds: float) -> None:
        self._left = seconds

    def sendall(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def recv(self, size: int) -> bytes:
        import select

        assert self.process.stdout is not None
        until = time.monotonic() + (self._left or 0)
        while not self.closed:
            if select.select([self.process.stdout], [], [], 0.01)[0]:
                return os.read(self.process.stdout.fileno(), size)
            if time.monotonic() > until:
                raise TimeoutError
        return b""

    def recv_ready(self) -> bool:
        import select

        assert self.process.stdout is not None
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def recv_stderr_ready(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True
        assert self.process.stdin is not None
        self.process.stdin.close()


@pytest.fixture
def kernel_log(tmp_path: Path) -> Iterator[Path]:
    """What the runner takes for the kernel's log: it looks for it once, when it begins."""
    path = tmp_path / "kmsg"
    os.mkfifo(path)
    # Somebody has the other end, or there would be no log.
    held = os.open(path, os.O_RDWR)
    yield path
    os.close(held)


@contextlib.contextmanager
def running(commander: Path, folder: Path) -> Iterator[Pipes]:
    pipes = Pipes(commander, folder)
    yield pipes
    pipes.close()
    assert pipes.process.stdout is not None
    pipes.process.stdout.close()
    # It never ends by itself.
    pipes.process.kill()
    pipes.process.wait(10)


@pytest.fixture
def pipes(commander: Path, kernel_log: Path, tmp_path: Path) -> Iterator[Pipes]:
    with running(commander, tmp_path) as pipes:
        yield pipes


@pytest.fixture
def patient(patient_commander: Path, kernel_log: Path, tmp_path: Path) -> Iterator[CommandChannel]:
    with running(patient_commander, tmp_path) as pipes:
        yield CommandChannel(lambda: pipes)  # type: ignore[arg-type, return-value]


@pytest.fixture
def channel(pipes: Pipes) -> CommandChannel:
    return CommandChannel(lambda: pipes)  # type: ignore[arg-type, return-value]


def said(channel: CommandChannel, command: str) -> tuple[int | None, str, str]:
    status = channel.run(command, 10, MOST)
    return status, "".join(channel.stdout()), "".join(channel.stderr())


def test_each_command_has_its_own_output_and_status(channel: CommandChannel) -> None:
    assert said(channel, "echo one; echo two >&2; exit 7") == (7, "one\n", "two\n")
    assert said(channel, "printf '\\303'; sleep 0.05; printf '\\244'") == (
        0,
        "\N{LATIN SMALL LETTER A WITH DIAERESIS}",
        "",
    )
    assert said(channel, "exit 0") == (0, "", "")
    # More than a pipe holds, on both.
    status, out, err = said(channel, "yes | head -c 300000; yes n | head -c 300000 >&2")
    assert (status, len(out), len(err)) == (0, 300_000, 300_000)


def test_what_is_said_last_is_not_lost(channel: CommandChannel) -> None:
    status, _, err = said(channel, MUCH_AT_LAST)
    assert (status, len(err)) == (0, 60_000)


def test_a_shell_has_nothing_of_the_one_before(channel: CommandChannel) -> None:
    assert said(channel, "cd /; ulimit -S -n 100; x=1; exec >/dev/null")[0] == 0
    assert said(channel, 'echo "$x"; cat; ulimit -S -n') == said(channel, "echo; ulimit -S -n")
    # Nor the lab's channel.
    assert said(channel, "ls /proc/self/fd | wc -l") == (0, "4\n", "")


def test_what_is_left_behind_says_nothing_later(channel: CommandChannel) -> None:
    """It is not waited for either: it may never end."""
    began = time.monotonic()
    assert said(channel, "(sleep 0.2; echo late; echo late >&2) & echo now")[1] == "now\n"
    assert said(channel, "sleep 0.5; echo then") == (0, "then\n", "")
    assert time.monotonic() - began < 5


def test_an_answer_that_comes_before_its_command_is_none(
    channel: CommandChannel, pipes: Pipes
) -> None:
    """A program left behind writes where the runner does, as if the next one had ended well."""
    forged = r"b\010\0\0\0namelessx\014\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    later = f"{{ sleep 0.2; printf '{forged}' >/proc/$PPID/fd/1; }} >/dev/null 2>&1 &"
    assert said(channel, later) == (0, "", "")
    until = time.monotonic() + 20
    while not pipes.recv_ready() and time.monotonic() < until:
        time.sleep(0.01)
    with pytest.raises(BrokenOff, match="before its command"):
        channel.run("false", 10, MOST)


class Ahead:
    """Commands of which each is told before the one before it has ended."""

    def __init__(self, channel: CommandChannel, commander: Path, folder: Path) -> None:
        self._channel = channel
        self._folder = folder
        self.looks = Looks(channel, commander, folder)

    def looked(self, program: str) -> str:
        """The program, and then the look."""
        return self.looks.code(program)

    def ran(self, first: str, then: str) -> tuple[str, bool]:
        """What the second printed, and whether it began by itself."""
        told = f"{then}; echo $$ >>begun"
        assert self._channel.run(first, 10, MOST, told) == 0
        until = time.monotonic() + 1
        begun = self._folder / "begun"
        while not begun.exists() and time.monotonic() < until:
            time.sleep(0.01)
        by_itself = begun.exists()
        assert self._channel.ahead == told
        status = self._channel.run(told, 10, MOST)
        # Once, whoever had it begin.
        assert len(begun.read_text().split()) == 1
        begun.unlink()
        assert status == 0
        assert self._channel.ahead is None
        return "".join(self._channel.stdout()), by_itself


@pytest.fixture
def ahead(channel: CommandChannel, commander: Path, tmp_path: Path) -> Ahead:
    return Ahead(channel, commander, tmp_path)


def test_the_next_begins_by_itself_where_all_is_as_it_was(ahead: Ahead) -> None:
    assert ahead.ran(ahead.looked("echo one"), "echo two") == ("two\n", True)
    mark = "echo '5,1,2,-;lab: ran fs s/p' >>kmsg"
    assert ahead.ran(ahead.looked(mark), "echo three") == ("three\n", True)
    # Its shell was there before, and has nothing more for it.
    assert ahead.ran(ahead.looked("true"), "ls /proc/self/fd | wc -l") == ("4\n", True)
    # A program's own failure is no word of the guest.
    assert ahead.ran(ahead.looked("(exit 7)").replace("$status", "0"), ":") == ("", True)


def test_what_is_printed_waits_until_it_matters(patient: CommandChannel) -> None:
    """A guest may die of the next: what came before is known then."""
    slow = "for i in 1 2 3 4 5; do echo $i; sleep 0.05; done"
    assert patient.run(f"echo 0; sleep 0.05; {slow}", 10, MOST) == 0
    assert len(patient.stdout()) <= 2
    for said in ("5,1,2,-;lab: test a begins", "4,1,2,-;WARNING: CPU: 0"):
        assert patient.run(f"echo '{said}' >kmsg; sleep 0.1; {slow}", 10, MOST) == 0
        assert len(patient.stdout()) >= 4
    for report in ("KTAP version 1", "TAP version 13", "1..5"):
        assert patient.run(f"echo {report}; {slow}", 10, MOST) == 0
        assert len(patient.stdout()) >= 4
    begun = "echo '5,1,2,-;lab: run fs s/p' >kmsg"
    assert patient.run(f"{begun}; echo 0; sleep 0.05; {slow}", 10, MOST) == 0
    assert len(patient.stdout()) <= 2


def test_one_that_says_nothing_has_begun(ahead: Ahead, channel: CommandChannel) -> None:
    """Or it would be a guest that hangs, at its deadline, and no command."""
    silent = "sleep 60"
    assert channel.run(ahead.looked("true"), 10, MOST, silent) == 0
    with pytest.raises(Late):
        channel.run(silent, 0.3, MOST)


def test_what_stops_the_next(ahead: Ahead) -> None:
    looks = ahead.looks
    assert ahead.ran("echo one", "echo two") == ("two\n", False)
    said = "echo '4,1,2,-;WARNING: CPU: 0' >>kmsg"
    assert ahead.ran(ahead.looked(said), "echo two") == ("two\n", False)
    changed = ahead.looked("echo 10 >proc/sys/vm/swappiness")
    assert ahead.ran(changed, "echo two") == ("two\n", False)
    looks.swappiness.write_text("60\n")
    assert ahead.ran(ahead.looked(": >mounts"), "echo two") == ("two\n", False)
    looks.mounts.write_text(MOUNTED + "\n")
    itself = ahead.looked("rm look-$PPID")
    assert ahead.ran(itself, "echo two") == ("two\n", False)


def test_a_shell_that_waits_and_was_stopped_holds_nobody_up(ahead: Ahead) -> None:
    """A program may stop all that it finds."""
    stops = "sleep 0.2; for p in $(pgrep -P $PPID); do [ $p = $$ ] || kill -STOP $p; done"
    assert ahead.ran(f"{stops}; exit 0", "echo two") == ("two\n", False)


def test_a_log_that_nobody_can_read_stops_it(
    kernel_log: Path, commander: Path, tmp_path: Path
) -> None:
    kernel_log.unlink()
    pipes = Pipes(commander, tmp_path)
    try:
        channel = CommandChannel(lambda: pipes)  # type: ignore[arg-type, return-value]
        ahead = Ahead(channel, commander, tmp_path)
        assert ahead.ran(ahead.looked("true"), "echo two") == ("two\n", False)
    finally:
        pipes.close()
        pipes.process.kill()
        pipes.process.wait(10)


def test_what_was_told_ahead_is_what_has_to_run(ahead: Ahead, channel: CommandChannel) -> None:
    assert channel.run(ahead.looked("true"), 10, MOST, "echo one") == 0
    with pytest.raises(BrokenOff, match="another command was to run there next"):
        channel.run("echo two", 10, MOST)


def test_an_answer_to_another_command_is_none(ahead: Ahead, channel: CommandChannel) -> None:
    """Told ahead or not, its beginning is known by what no program was told."""
    forged = r"b\010\0\0\0nameless"
    first = ahead.looked(f"printf '{forged}' >/proc/$PPID/fd/1")
    with pytest.raises(BrokenOff, match="no answer"):
        channel.run(first, 10, MOST, "false")


def test_what_a_command_took_is_told(channel: CommandChannel) -> None:
    assert channel.run("sleep 0.2", 10, MOST) == 0
    assert 0.2 <= channel.took_s < 5


def test_a_group_that_is_killed_ends_one_shell(channel: CommandChannel, pipes: Pipes) -> None:
    assert said(channel, "kill -9 0")[0] is None
    assert pipes.closed
    assert channel.is_open is False


def test_a_shell_that_a_signal_ended_has_no_status(channel: CommandChannel) -> None:
    assert said(channel, "echo x; kill -9 $$") == (None, "x\n", "")


def test_a_runner_that_is_killed_is_no_status(channel: CommandChannel) -> None:
    with pytest.raises(BrokenOff):
        channel.run("kill -9 $PPID; sleep 9", 10, MOST)


def test_the_deadline_ends_it_with_what_it_said(channel: CommandChannel, pipes: Pipes) -> None:
    with pytest.raises(Late):
        channel.run("echo begun; exec sleep 60", 0.3, MOST)
    assert "".join(channel.stdout()) == "begun\n"
    # Who has the other ends of its pipes has them alone.
    assert pipes.process.stdout is not None
    assert pipes.process.stdout.read() == b""


def test_who_prints_too_much_is_ended(channel: CommandChannel, pipes: Pipes) -> None:
    assert channel.run("yes", 10, MOST) is None
    assert MOST < channel.printed < 2 * MOST
    assert 0 < len("".join(channel.stdout())) <= MOST


def test_who_is_stopped_ends_at_once(channel: CommandChannel) -> None:
    timer = threading.Timer(0.2, channel.stop)
    timer.start()
    with pytest.raises(BrokenOff):
        channel.run("sleep 60", 60, MOST)
    timer.join()
    assert channel.stopped


def test_who_is_stopped_before_it_begins_does_not_begin(channel: CommandChannel) -> None:
    channel.stop()
    with pytest.raises(BrokenOff):
        channel.run("sleep 60", 60, MOST)


MOUNTED = "/dev/pmem0 /mnt ext4 rw,dax 0 0"
WAS = f"{MOUNTED}; "


class Looks:
    """A program that runs in a guest, and what is said of the guest after it."""

    def __init__(self, channel: CommandChannel, commander: Path, folder: Path) -> None:
        self._channel = channel
        self._commander = commander
        self.mounts = folder / "mounts"
        self.mounts.write_text(MOUNTED + "\n")
        (folder / "proc/sys/vm").mkdir(parents=True)
        self.swappiness = folder / "proc/sys/vm/swappiness"
        self.swappiness.write_text("60\n")
        assert said(channel, f"{commander} keep") == (0, "", "")

    def after(
        self, program: str, was: str = WAS, itself: str = "false"
    ) -> tuple[int | None, str, str | None, str | None]:
        """Status, what the program said, what is mounted, what is changed.

        Args:
            itself: What runs where the shell has to look itself.
        """
        status, _, stderr = said(self._channel, self.code(program, was, itself))
        rest, moved = read(stderr)
        text, changed = read_changed(rest)
        return status, text, moved, changed

    @staticmethod
    def code(program: str, was: str = WAS, itself: str = "false") -> str:
        """A program, and the look after it."""
        code = check("/dev/pmem0", "/mnt", was).replace("/run/", "")
        code = code.replace("/lab/init", itself)
        return f"{program}\nstatus=$?; {code}; exit $status"


@pytest.fixture
def looks(channel: CommandChannel, commander: Path, tmp_path: Path) -> Looks:
    return Looks(channel, commander, tmp_path)


def test_a_shell_has_its_guest_looked_at(looks: Looks) -> None:
    assert looks.after("echo so >&2; (exit 7)") == (7, "so\n", None, None)
    assert looks.after("echo 10 >proc/sys/vm/swappiness") == (
        0, "", None, "vm/swappiness: 60 -> 10",
    )  # fmt: skip
    # It goes on being told: nobody put it back.
    looks.mounts.write_text("")
    assert looks.after(":") == (0, "", "", "vm/swappiness: 60 -> 10")
    looks.mounts.write_text(MOUNTED + "\n")
    looks.swappiness.write_text("60\n")
    assert looks.after(":") == (0, "", None, None)
    looks.mounts.write_text("")
    assert looks.after(":", was="") == (0, "", None, None)


def test_what_a_program_said_last_comes_before_what_was_seen(looks: Looks) -> None:
    looks.swappiness.write_text("10\n")
    status, text, _, changed = looks.after(MUCH_AT_LAST)
    assert (status, len(text)) == (0, 60_000)
    assert changed == "vm/swappiness: 60 -> 10"


def test_whose_limits_the_next_shell_inherits(looks: Looks) -> None:
    changed = looks.after("ulimit -S -n 100")[3] or ""
    assert changed.startswith("limits of its shell: RLIMIT 7: ")
    assert looks.after(":")[3] is None
    changed = looks.after("prlimit --nofile=100: --pid $PPID")[3] or ""
    assert changed.startswith("limits of its shell: RLIMIT 7: ") or "server" in changed
    assert "limits of its server: RLIMIT 7: " in (looks.after(":")[3] or "")


def test_whose_limits_another_channel_would_inherit(looks: Looks) -> None:
    """The SSH server's, who is this process here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0 if soft else 1, hard))
    try:
        assert (looks.after(":")[3] or "").startswith("limits of its connection: RLIMIT 4: ")
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def test_who_has_nobody_to_ask_looks_itself(looks: Looks, commander: Path) -> None:
    looks.mounts.write_text("")
    looks.swappiness.write_text("10\n")
    gone = "rm look-$PPID"
    assert looks.after(gone, itself=str(commander))[2:] == ("", "vm/swappiness: 60 -> 10")
    assert looks.after(":")[2:] == ("nobody could look", "nobody could look")


def test_what_one_shell_asked_is_none_of_the_next_ones(
    looks: Looks, channel: CommandChannel
) -> None:
    looks.mounts.write_text("")
    half = "printf '/dev/pmem0\\n/mnt\\n' >look-$PPID; echo looked >looked-$PPID"
    assert said(channel, half) == (0, "", "")
    assert looks.after(":")[2] == ""
