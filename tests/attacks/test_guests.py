# SPDX-License-Identifier: GPL-2.0-only
"""Guests that do all they can to the lab, as root: nothing gets out, nothing goes on for ever."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab import process
from lab.analysis.run_status import run_status
from lab.config.model import Fresh
from lab.errors import ExitStatus, InfrastructureError
from lab.execution.last_words import HUNG_AT_END
from lab.execution.run_job import run_job
from lab.guest.command import CommandFlood, CommandTimeout
from lab.guest.qemu.guest import QemuSpec
from lab.guest.qemu.process import _MOST_MARKS as MOST_MARKS
from lab.guest.ssh import MOST_PRINTED
from lab.model.status import Status
from tests.guest.conftest import (  # noqa: F401  # fixtures
    EXT4,
    KERNEL,
    ROOT,
    XFS,
    MakeJob,
    Project,
    clean_folder,
    consoles,
    make_job,
    plain_spec,
    qemus,
    until,
)
from tests.guest.jobs import HEAD, qemu
from tests.results.made import run

pytestmark = pytest.mark.guest

HOSTILE = Path(__file__).parent / "guest"
SUITE = '[suites.hostile]\nprograms = ["{}"]\n'
#: Lines of a listing that would be paths elsewhere.
NAMES = ("../../../../out", "x/../../../../../out", "/tmp/lab-attack-out")
LISTS = 'case "$*" in *-l*) printf "%s\\n" {} ; exit ;; esac\n'.format(" ".join(NAMES))
PICKS = HEAD + "shift; shift; echo 1..1; printf 'ok 1 %s\\n' \"$(echo \"$*\" | tr -d '[]')\"\n"


@pytest.fixture
def outside() -> Iterator[Path]:
    path = Path(NAMES[-1] + ".ktap")
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


def hostile_project(folder: Path, program: str) -> Project:
    project = Project(folder / "project", SUITE.format(program))
    (project.folder / "guest-tests").unlink()
    programs = shutil.copytree(
        ROOT / "guest-tests", project.folder / "guest-tests", ignore=shutil.ignore_patterns("build")
    )
    shutil.copy(HOSTILE / f"{program}.c", programs)
    return project


def ended(lab: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """What a lab printed that was told to end: it has 10 s, and more on a busy host."""
    try:
        return lab.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        lab.kill()
        raise


def longest_console(folder: Path) -> int:
    return max((len(text) for text in consoles(folder)), default=0)


def test_a_console_that_never_stops_does_not_hold_a_lab_that_is_to_end(
    clean_folder: Path,  # noqa: F811
) -> None:
    project = hostile_project(clean_folder, "flood")
    lab = project.start("test", KERNEL, "-s", "hostile", "-f", "ext4-dax")
    until(lambda: longest_console(project.results) > 100_000 or lab.poll() is not None)
    lab.send_signal(signal.SIGTERM)
    out, err = ended(lab)
    assert lab.returncode == 128 + signal.SIGTERM, out + err
    assert b"DID NOT RUN (1)" in out
    assert not qemus(project.folder)


def test_a_guest_that_prints_on_both_ends_holds_no_terminal(clean_folder: Path) -> None:  # noqa: F811
    project = Project(clean_folder / "project")
    lab = project.start("boot", KERNEL, "--", "sh", "-c", "yes >/dev/ttyS0 & yes")
    assert lab.stdout is not None
    assert len(lab.stdout.read(1 << 20)) == 1 << 20
    assert qemus(project.folder)
    lab.send_signal(signal.SIGTERM)
    _, err = ended(lab)
    assert lab.returncode == 128 + signal.SIGTERM, err
    assert not qemus(project.folder)


def test_what_a_guest_says_is_bounded(plain_spec: QemuSpec, clean_folder: Path) -> None:  # noqa: F811
    spec = replace(plain_spec, folder=clean_folder / "job", command_s=20.0)
    with spec.guest() as guest:
        for path in ("/dev/zero", "/proc", "/nothing"):
            with pytest.raises(InfrastructureError, match=path):
                guest.fetch(path)
        guest.run("mkfifo /tmp/fifo")
        with pytest.raises(InfrastructureError, match="no regular file"):
            guest.fetch("/tmp/fifo")
        assert guest.fetch("/proc/version").startswith(b"Linux version")
        # Its marks: as many as it likes, of any length, and numbers of ports.
        guest.run("seq 1 1000 | tr 0-9 a-j | sed 's/^/lab: /' >/dev/ttyS1; echo lab: ssh "
                  "$(yes 1 | head -n 5000 | tr -d '\\n') ended >/dev/ttyS1", 120.0)  # fmt: skip
        assert len(guest.timeline.marks) <= MOST_MARKS
        with pytest.raises(CommandFlood) as flood:
            guest.run("yes 0123456789 | head -c 147000000", 120.0)
        assert 0 < len(flood.value.stdout) <= MOST_PRINTED
        # It goes on.
        assert guest.run("echo here").stdout == "here\n"
        with pytest.raises(CommandTimeout):
            guest.run("yes >/dev/null", 1.0)


#: Works in the filesystem when its program has ended.
STAYS = HEAD + "echo 1..1\necho ok 1 works\ncd $1\nsleep 1000 >/dev/null 2>&1 &\n"


def test_a_filesystem_that_a_program_s_process_holds_is_told(make_job: MakeJob) -> None:  # noqa: F811
    told: list[str] = []
    record = run_job(make_job({"stays": STAYS}, EXT4, XFS), on_word=told.append)
    assert [(one.filesystem, one.status) for one in record.results] == [
        ("ext4-dax", Status.PASS),
        ("xfs-dax", Status.PASS),
    ]
    assert (record.complaints, record.error) == ((), None)
    # The second filesystem has a guest of its own.
    assert [use.units for use in record.evidence.guests] == [
        ("ext4-dax/suite.stays",),
        ("xfs-dax/suite.stays",),
    ]
    for name, (_, said) in zip(("ext4-dax", "xfs-dax"), record.evidence.left_mounted, strict=True):
        assert f"/mnt/{name}: Device or resource busy; held by sleep[" in said
    assert len(told) == 2
    assert run_status(run(record)) == ExitStatus.EXPECTED


#: What the lab does last in a guest comes to no end there.
HANGS_LAST = HEAD + "echo 1..1\necho ok 1 works\nrm /bin/sh\ncp /lab/pause /bin/sh\n"


def test_a_guest_that_hangs_while_it_unmounts_is_no_success(
    make_job: MakeJob,  # noqa: F811
    clean_folder: Path,  # noqa: F811
) -> None:
    pause = clean_folder / "pause"
    process.run(["gcc", "-static", "-O1", "-o", pause, HOSTILE / "pause.c"])
    job = make_job({"last": HANGS_LAST}, command_s=10.0, shutdown_s=3.0)
    spec = replace(qemu(job), programs={**qemu(job).programs, "pause": pause})
    evidence = replace(job.evidence, kernel_log_path="kernel.log")
    record = run_job(replace(job, guest=spec, evidence=evidence))
    assert [(result.test, result.status) for result in record.results] == [("works", Status.PASS)]
    (told,) = [noted.complaint for noted in record.complaints if noted.of_job]
    assert told.title == HUNG_AT_END
    # The log that the console has.
    assert any("lab: ran ext4-dax" in line for line in told.lines)
    assert run_status(run(record)) == ExitStatus.UNEXPECTED
    # No evidence is named that is not there.
    assert record.evidence.kernel_log_path == ""


def test_names_of_tests_that_are_paths(make_job: MakeJob, outside: Path) -> None:  # noqa: F811
    job = replace(make_job({"lists": "#!/bin/sh\n" + LISTS + PICKS}), fresh=Fresh.TEST)
    below = set(job.guest.folder.parent.rglob("*"))
    record = run_job(job)
    assert sorted(result.test for result in record.results) == sorted(NAMES)
    written = set(job.guest.folder.parent.rglob("*")) - below
    assert len([path for path in written if path.suffix == ".ktap"]) == len(NAMES)
    assert all(path.resolve().is_relative_to(job.guest.folder) for path in written)
    assert not outside.exists()
