# SPDX-License-Identifier: GPL-2.0-only
"""The gate for child processes: statuses, output, and that nothing survives."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, STDOUT

import pytest

from lab.errors import InfrastructureError
from lab.process import ProcessFailed, ProcessFlood, ProcessTimeout, run, spawn
from lab.process.starter import start

pytestmark = pytest.mark.slow


def processes_with(mark: str) -> list[int]:
    """Process ids whose environment holds ``mark``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def with_descriptor(number: int) -> Callable[..., socket.socket]:
    def asked(
        command: Sequence[str],
        cwd: Path | None,
        env: Mapping[str, str],
        given: Mapping[int, int],
        file_size: int | None,
    ) -> socket.socket:
        return start(command, cwd, env, {**given, number: given[0]}, file_size)

    return asked


def stat_of(pid: int) -> list[str]:
    """What proc(5)'s stat says of a process from its state on: that, its parent, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def wait_gone(mark: str) -> list[int]:
    """What is left of the processes with ``mark`` after five seconds at most."""
    deadline = time.monotonic() + 5
    while (left := processes_with(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def test_status_and_both_outputs() -> None:
    result = run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (result.status, result.stdout, result.stderr) == (3, "out\n", "err\n")


def test_input_and_bytes_that_are_not_utf8() -> None:
    assert run(["cat"], input=b"a\xffb").stdout == "a\ufffdb"


def test_large_input_and_output_do_not_block() -> None:
    assert len(run(["cat"], input=b"x" * 5_000_000).stdout) == 5_000_000


def test_a_signal_is_128_plus_its_number() -> None:
    assert run(["sh", "-c", "kill -HUP $$"], check=False).status == 128 + signal.SIGHUP


def test_failure_shows_what_was_said() -> None:
    with pytest.raises(ProcessFailed) as caught:
        run(["sh", "-c", "echo why >&2; exit 1"])
    assert "why" in str(caught.value)
    assert "status 1" in str(caught.value)


def test_log_is_kept_and_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(ProcessFailed, match="status 2") as caught:
        run(["sh", "-c", "echo first; echo second >&2; exit 2"], log=log)
    assert log.read_text() == "first\nsecond\n"
    assert "second" in str(caught.value)


def test_missing_command_names_it() -> None:
    with pytest.raises(InfrastructureError, match="no-such-command is not installed"):
        run(["no-such-command"])


def test_no_stdin_to_hang_on() -> None:
    assert run(["cat"]).stdout == ""


def test_timeout_kills_the_whole_family(tmp_path: Path) -> None:
    mark = f"LAB_TEST_MARK={tmp_path}"
    # setsid: a daemon that left the process group must not get away either.
    script = "setsid sleep 1000 & sleep 1000"
    with pytest.raises(ProcessTimeout):
        run(["sh", "-c", script], timeout=0.3, env={"LAB_TEST_MARK": str(tmp_path)})
    assert wait_gone(mark) == []


@pytest.mark.parametrize("where", ["", " >&2"])
def test_a_tool_that_does_not_stop_talking_is_ended(tmp_path: Path, where: str) -> None:
    with pytest.raises(ProcessFlood, match=r"yes.* printed more than 1 MiB, and was ended"):
        run(
            ["sh", "-c", f"yes{where}"],
            env={"LAB_TEST_MARK": str(tmp_path)},
            check=False,
            most=1 << 20,
        )
    assert wait_gone(f"LAB_TEST_MARK={tmp_path}") == []


def test_what_was_printed_before_an_end_is_counted_too() -> None:
    assert len(run(["head", "-c", "1000", "/dev/zero"], most=1000).stdout) == 1000
    with pytest.raises(ProcessFlood):
        run(["head", "-c", "1001", "/dev/zero"], most=1000)


def test_leaving_the_block_kills(tmp_path: Path) -> None:
    with spawn(["sleep", "1000"], env={"LAB_TEST_MARK": str(tmp_path)}) as child:
        assert child.poll() is None
    assert wait_gone(f"LAB_TEST_MARK={tmp_path}") == []


def test_an_end_kills_what_was_left_in_the_background(tmp_path: Path) -> None:
    run(["sh", "-c", "sleep 1000 & exit 0"], env={"LAB_TEST_MARK": str(tmp_path)})
    assert wait_gone(f"LAB_TEST_MARK={tmp_path}") == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_survives_the_lab(tmp_path: Path, number: signal.Signals) -> None:
    # Whoever starts the tests in the background may have them ignore Ctrl-C.
    script = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from lab.process import run\n"
        "run(['sh', '-c', 'setsid sleep 1000 & sleep 1000 & echo up; sleep 1000'])\n"
    )
    mark = f"LAB_TEST_MARK={tmp_path}"
    parent = subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, "LAB_TEST_MARK": str(tmp_path)}
    )
    try:
        deadline = time.monotonic() + 10
        # python, starter, keeper, sh and three sleeps
        # One that starts a program has no environment for a moment.
        while (count := len(processes_with(mark))) != 7 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert count == 7
        parent.send_signal(number)
        parent.wait(10)
        assert wait_gone(mark) == []
    finally:
        parent.kill()


def test_descriptors_keep_their_numbers(tmp_path: Path) -> None:
    with ExitStack() as stack:
        files = [stack.enter_context((tmp_path / f"{n}").open("w+")) for n in range(40)]
        # Numbers that cross: one comes where another is to be.
        numbers = [file.fileno() for file in reversed(files)]
        script = "; ".join(f"echo {number} >/dev/fd/{number}" for number in numbers)
        with spawn(["sh", "-c", script], pass_fds=numbers) as child:
            assert child.wait(10) == 0
    said = [(tmp_path / f"{n}").read_text() for n in range(40)]
    assert said == [f"{number}\n" for number in reversed(numbers)]


def test_output_through_a_pipe_ends() -> None:
    with spawn(["sh", "-c", "echo out; echo err >&2"], stdout=PIPE, stderr=STDOUT) as child:
        assert child.stdout.read() == b"out\nerr\n"
        assert child.wait(10) == 0


def test_environment_and_folder_are_those_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(["true"])
    monkeypatch.setenv("LAB_TEST_LATER", "a\udcff b")
    monkeypatch.chdir(tmp_path)
    said = run(["sh", "-c", 'pwd; printf %s "$LAB_TEST_LATER" | od -An -tx1']).stdout
    assert said == f"{tmp_path}\n 61 ff 20 62\n"
    there = tmp_path / "removed"
    there.mkdir()
    monkeypatch.chdir(there)
    there.rmdir()
    assert run(["pwd"]).stdout == "/\n"
    assert run(["true"], cwd=there, check=False).status == 126


def test_a_keeper_that_is_killed_takes_the_command_along(tmp_path: Path) -> None:
    with spawn(["sleep", "1000"], env={"LAB_TEST_MARK": str(tmp_path)}) as child:
        assert len(processes_with(f"LAB_TEST_MARK={tmp_path}")) <= 1
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(10) == 128 + signal.SIGKILL
    assert wait_gone(f"LAB_TEST_MARK={tmp_path}") == []


def test_a_starter_that_is_killed_is_followed_by_another(tmp_path: Path) -> None:
    with spawn(["sh", "-c", "sleep 1; exit 3"]) as before:
        parent = stat_of(before.pid)[1]
        os.kill(int(parent), signal.SIGKILL)
        until = time.monotonic() + 10
        # A zombie has closed its socket; one that only has no memory left may not have.
        while stat_of(int(parent))[0] != "Z" and time.monotonic() < until:
            time.sleep(0.01)
        assert run(["echo", "again"]).stdout == "again\n"
        # What it had started goes on.
        assert before.wait(10) == 3


def test_a_keeper_that_cannot_start_anything_is_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    run(["true"])
    # A number that no process may have.
    monkeypatch.setattr("lab.process.child.start", with_descriptor(1 << 30))
    with pytest.raises(InfrastructureError, match="true was not started"):
        run(["true"], check=False)


def test_a_request_that_is_cut_off_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(self: socket.socket, data: bytes) -> None:
        self.send(data[:10])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lab.process.starter.socket.socket.sendall", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run(["echo", "never"])
    assert run(["echo", "again"]).stdout == "again\n"


def test_many_at_once_do_not_mix() -> None:
    with ThreadPoolExecutor(16) as pool:
        said = list(
            pool.map(lambda n: run(["sh", "-c", f"echo {n}; exit {n}"], check=False), range(64))
        )
    assert [(one.stdout, one.status) for one in said] == [(f"{n}\n", n) for n in range(64)]


def test_nothing_is_left_open() -> None:
    run(["true"])
    before = sorted(Path("/proc/self/fd").iterdir())
    for _ in range(3):
        run(["true"])
        with spawn(["true"], stdout=PIPE) as child:
            child.wait(10)
    assert sorted(Path("/proc/self/fd").iterdir()) == before
