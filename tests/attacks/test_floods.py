# SPDX-License-Identifier: GPL-2.0-only
"""Guests that say too much, without a QEMU: no result is earned that nobody could check."""

from __future__ import annotations

import signal
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lab.complaints import Lines
from lab.config.model import Fresh
from lab.execution import complaint_watch as watching
from lab.execution.complaint_watch import ComplaintWatch, Log
from lab.execution.run_job import JobInterrupted, run_job
from lab.guest.command import CommandResult
from lab.guest.console import Console
from lab.guest.fake import MOUNTED, FakeGuest, Script, Stage
from lab.guest.qemu import process as machines
from lab.guest.qemu.process import Vm
from lab.guest.timeline import Timeline
from lab.model.status import Status
from lab.process import spawn
from lab.suites import ktap
from tests.execution.conftest import MakeJob, make_job, stage  # noqa: F401  # fixtures

WARNING = "[{0:5d}.000000][T{0}] WARNING: CPU: 0 PID: {0} at fs/dax.c:12 foo{0}+0x1/0x2\n"
#: More than is read at once.
FLOOD = f"{'x' * 199}\n" * 1500


def test_no_test_passes_while_the_console_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
    make_job: MakeJob,  # noqa: F811
    stage: Stage,  # noqa: F811
) -> None:
    monkeypatch.setattr(watching, "_LOOK_S", 0.0)
    monkeypatch.setattr(watching, "_CATCH_UP_S", 0.0)
    stage.deeds["loud"] = lambda guest, _, __: guest.says(FLOOD)
    record = run_job(make_job({"p": Script(("a", "b"), {"b": "loud"}), "q": Script(("c",))}))
    assert {result.test: result.status for result in record.results} == {
        "a": Status.ERROR,
        "b": Status.ERROR,
        "c": Status.PASS,
    }
    assert "came too fast to be read; the test itself: pass" in record.results[0].message
    # The next program has a guest of its own.
    assert len(record.evidence.guests) == 2


def test_what_nobody_read_after_the_last_program_is_told(
    monkeypatch: pytest.MonkeyPatch,
    make_job: MakeJob,  # noqa: F811
    stage: Stage,  # noqa: F811
) -> None:
    monkeypatch.setattr(watching, "_LOOK_S", 0.0)
    monkeypatch.setattr(watching, "_CATCH_UP_S", 0.0)

    def unmounts(guest: FakeGuest, command: str, deadline_s: float) -> CommandResult:
        guest.says(FLOOD)
        return guest.obey("true", deadline_s)

    stage.answers["; dmesg"] = unmounts
    record = run_job(make_job({"p": Script(("a",))}))
    assert [result.status for result in record.results] == [Status.PASS]
    assert "came too fast to be read" in str(record.error)


def test_interrupt_while_a_long_console_is_read(
    monkeypatch: pytest.MonkeyPatch,
    make_job: MakeJob,  # noqa: F811
) -> None:
    """The program has ended, and what it reported is not lost."""
    waits = ComplaintWatch._catch_up

    def interrupted(watch: ComplaintWatch, seconds: float) -> None:
        monkeypatch.setattr(ComplaintWatch, "_catch_up", waits)
        raise KeyboardInterrupt

    monkeypatch.setattr(ComplaintWatch, "_catch_up", interrupted)
    with pytest.raises(JobInterrupted) as stop:
        run_job(make_job({"p": Script(("a",)), "q": Script(("c",))}))
    said = {result.test: (result.status, result.message) for result in stop.value.record.results}
    assert said["a"] == (Status.PASS, "")
    assert said["q"][1].endswith("interrupted")


def test_a_flood_is_read_in_the_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(watching, "_LOOK_S", 0.0)
    watch = ComplaintWatch(tmp_path, tmp_path, "6.1.192", ())
    (tmp_path / "console.log").write_text(FLOOD + "lab: run fs s/p\n" + "y\n" * 9)
    watch.ran(alive=False)
    assert watch.place.program == "p"
    assert not watch.unread


def test_complaints_of_made_up_callers_are_bounded(tmp_path: Path) -> None:
    """Those whose end has not come, too, and fatal ones."""
    panic = "[{0:5d}.000000][T{0}] Kernel panic - not syncing: no {0}\n"
    for head, kept in ((WARNING, 1000), (panic, 1000)):
        log = Log()
        log.feed("".join(head.format(number) for number in range(3000)).encode())
        found = log.complaints()
        assert len(found) < kept
        assert len(found) + log.unkept == 3000


def test_more_marks_than_tests_can_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(watching, "_MOST_MARKS", 100)
    watch = ComplaintWatch(tmp_path, tmp_path, "6.1.192", ())
    marks = "".join(f"lab: test t{number} begins\n" for number in range(99))
    (tmp_path / "console.log").write_text("lab: run fs s/p\n" + marks)
    watch.ran(alive=False)
    assert "more than 100 tests are marked" in watch.unread
    (tmp_path / "console.log").write_text("lab: run fs s/p\n" + marks[:-1])
    few = ComplaintWatch(tmp_path, tmp_path, "6.1.192", ())
    few.ran(alive=False)
    assert not few.unread


def test_empty_lines_are_counted_and_not_told() -> None:
    lines = Lines()
    told = [*lines.feed(b"a\n" + b"\n" * 500 + b"\r\n" * 500), *lines.feed(b"b\n\nc\n")]
    assert [line.text for line in told] == ["a", "", "", "", "b", "", "c"]
    assert (told[4].number, told[4].offset) == (1002, 2 + 500 + 1000)


def test_last_words_are_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_text(FLOOD * 20 + "Kernel panic - not syncing: boom\n")
    assert Console(path).last_words() == "Kernel panic - not syncing: boom"


def test_a_file_that_has_grown_too_large_ends_who_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    command = ["dd", "if=/dev/zero", f"of={path}", "bs=4096"]
    with spawn(command, file_size=1 << 20) as child:
        assert child.wait(60) == 128 + signal.SIGXFSZ
    assert path.stat().st_size == 1 << 20


class Quiet(Vm):
    """Hears what a socket says, without a QEMU."""

    def __init__(self) -> None:
        self._marks, self.port = socket.socketpair()
        self._hearing = threading.Lock()
        self._rest = b""
        self._ended_ports: set[int] = set()
        self.timeline = Timeline()


def test_marks_of_anybody_are_few_and_short() -> None:
    machine = Quiet()
    with machine._marks, machine.port:
        for number in range(500):
            name = "".join(chr(97 + int(digit)) for digit in str(number))
            machine.port.sendall(f"lab: {name} 1.5\nlab: ready\n".encode())
            machine._listen(0)
        machine.port.sendall(b"lab: ssh " + b"9" * 500 + b" ended\n" + b"z" * 3000)
        machine._listen(0)
        machine._listen(0)
    assert len(machine.timeline.marks) == machines._MOST_MARKS
    assert [name for name, _ in machine.timeline.marks].count("ready") == 1
    assert not machine._ended_ports
    assert len(machine._rest) == machines._LONGEST_MARK


def test_more_output_than_is_read_is_no_whole_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ktap, "_MOST", 1 << 20)
    report = ktap.parse(b"KTAP version 1\n1..2\nok 1 a\n" + b"z" * (1 << 20) + b"\nok 2 b\n")
    assert [test.name for test in report.tests] == ["a"]
    assert "printed more than 1 MiB" in "; ".join(report.problems)


def test_names_of_tests_that_are_paths_stay_below_the_job(
    make_job: MakeJob,  # noqa: F811
    tmp_path: Path,
) -> None:
    names = ("../../../out", "x/../../../../out", f"{tmp_path}/out", "..", "n" * 300)
    made = replace(make_job({"p": Script(names)}), fresh=Fresh.TEST)
    record = run_job(made)
    assert [result.test for result in record.results] == list(names)
    reports = [path.relative_to(made.guest.folder) for path in tmp_path.rglob("*.ktap")]
    assert len(reports) == len(names)
    assert all(path.parts[0] == "ext4-dax" or path.parts[1] == "ext4-dax" for path in reports)


@pytest.mark.parametrize("unit", ["dax ", "unknown mount option ", "[ "])
def test_what_is_said_while_a_filesystem_is_mounted_has_an_end(
    make_job: MakeJob,  # noqa: F811
    stage: Stage,  # noqa: F811
    unit: str,
) -> None:
    """A program may have put another dmesg there, and an expression is ended by no signal."""

    def mounts(guest: FakeGuest, _: str, __: float) -> CommandResult:
        lines = f"log={unit * (180_000 // len(unit))}\n" * 5
        return CommandResult(0, f"{MOUNTED}{lines}", "", 0.0)

    stage.answers["dax-proof"] = mounts
    record = run_job(make_job({"p": Script(("a",))}))
    assert [one.status for one in record.results] == [Status.PASS]


def test_a_guest_that_says_megabytes_of_a_mount_has_no_proof(
    make_job: MakeJob,  # noqa: F811
    stage: Stage,  # noqa: F811
) -> None:
    stage.answers["dax-proof"] = lambda *_: CommandResult(0, f"{MOUNTED}{FLOOD * 4}", "", 0.0)
    record = run_job(make_job({"p": Script(("a",))}))
    assert [one.status for one in record.results] == [Status.ERROR]
    assert "the guest said 1.2 MB while ext4-dax was made and mounted" in record.results[0].message
