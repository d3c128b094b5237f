# SPDX-License-Identifier: GPL-2.0-only
"""What goes wrong in and around a guest: never a pass, and nothing left of it."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lab import process
from lab.config.model import Fresh
from lab.errors import InfrastructureError
from lab.execution.run_job import JobInterrupted, run_job
from lab.features import feature
from lab.filesystems.dax import Control
from lab.filesystems.dax_proof import NotDax
from lab.filesystems.plain import Tmpfs
from lab.filesystems.set_up import set_up
from lab.guest.qemu.guest import QemuSpec
from lab.image import cpio
from lab.model.records import JobRecord, TestResult
from lab.model.status import Status
from lab.session import Lab
from tests.guest.conftest import EXT4, ROOT, XFS, MakeJob, own_spec, qemus, until
from tests.guest.jobs import (
    GOOD,
    HEAD,
    STARTED,
    WAITS,
    guests,
    message,
    qemu,
    signal_for_qemu,
    statuses,
)

pytestmark = pytest.mark.guest

#: A serial port under TCG carries 0.1 to 1 MB a second; LAB_TEST_FLOOD=200000000 for all of it.
FLOOD = int(os.environ.get("LAB_TEST_FLOOD", "500000"))


def said(record: JobRecord) -> tuple[str, ...]:
    return record.results[-1].diagnostics


def test_panic_at_boot(make_job: MakeJob) -> None:
    job = make_job({"good": GOOD, "other": GOOD}, append="init=/nonexistent rdinit=/nonexistent")
    record = run_job(job)
    assert statuses(record) == {"good": "crash", "other": "crash"}
    assert "Kernel panic - not syncing: " in message(record, "good")
    assert guests(job) == 1


def image(folder: Path, script: str, name: str = "/init") -> Path:
    """The real image with another program: the later archive member counts."""
    path = folder / "image.cpio"
    base = Lab.open(ROOT)
    from lab.image import base_image

    with path.open("wb") as stream:
        stream.write(base_image(base.cache).read_bytes())
        cpio.write(stream, [cpio.file(name, script.encode(), 0o755)])
    return path


def test_guest_that_is_never_ready(make_job: MakeJob, clean_folder: Path) -> None:
    init = "#!/bin/sh\necho no ssh today\nsleep 600\n"
    job = make_job({"good": GOOD}, image=image(clean_folder, init), boot_s=15.0)
    record = run_job(job)
    assert statuses(record) == {"good": "timeout"}
    assert "the boot deadline of 15 s passed" in message(record, "good")
    assert str(job.guest.folder / "console.log") in message(record, "good")
    assert "no ssh today" in said(record)


def test_init_that_exits(make_job: MakeJob, clean_folder: Path) -> None:
    job = make_job({"good": GOOD}, image=image(clean_folder, "#!/bin/sh\nexit 3\n"))
    record = run_job(job)
    assert statuses(record) == {"good": "crash"}
    assert "Attempted to kill init! exitcode=0x00000300" in message(record, "good")


def test_panic_before_the_log_in(make_job: MakeJob, clean_folder: Path) -> None:
    """The kernel's, and seen when it happens: not an SSH that never answered."""
    init = "#!/bin/sh\necho lab: ready 1.0 >/dev/ttyS1\nsleep 3\nexit 3\n"
    job = make_job({"good": GOOD}, image=image(clean_folder, init))
    record = run_job(job)
    assert statuses(record) == {"good": "crash"}
    assert "Attempted to kill init! exitcode=0x00000300" in message(record, "good")


def test_ssh_server_that_does_not_start(make_job: MakeJob, clean_folder: Path) -> None:
    job = make_job({"good": GOOD}, image=image(clean_folder, "#!/bin/sh\nexit 1", "/bin/dropbear"))
    record = run_job(job)
    assert statuses(record) == {"good": "error"}
    assert "SSH server ended, and the guest goes on" in message(record, "good")


def test_kernel_that_is_none(make_job: MakeJob, clean_folder: Path) -> None:
    kernel = clean_folder / "bzImage"
    kernel.write_text("not a kernel")
    record = run_job(make_job({"good": GOOD}, kernel=kernel))
    assert statuses(record) == {"good": "error"}
    assert "QEMU ended with status 1" in message(record, "good")
    assert "linux kernel too old" in message(record, "good")


def test_qemu_killed_under_a_program(make_job: MakeJob) -> None:
    job = make_job({"waits": WAITS, "good": GOOD})
    with signal_for_qemu(signal.SIGKILL, job, b"program runs"):
        record = run_job(job)
    assert statuses(record) == {"first": "pass", "waits": "error", "works": "pass"}
    assert "QEMU ended with status 137" in message(record, "waits")
    assert guests(job) == 2


def test_programs_that_end_badly(make_job: MakeJob) -> None:
    """All of them in one guest: what one does is no other's trouble."""
    flood = (
        "head -c 5000000 /dev/zero | tr '\\0' x | fold -w 100 | sed 's/^/# /'; echo\n"
        "head -c 5000000 /dev/zero | tr '\\0' y >&2\n"
    )
    job = make_job(
        {
            "segv": STARTED + "kill -SEGV $$\n",
            "killed": STARTED + "kill -KILL $$\n",
            "silent": "#!/bin/sh\nexit 0\n",
            "short": HEAD + "echo 1..3\necho ok 1 one\necho ok 2 two\n",
            "floods": HEAD + "echo 1..1\n" + flood + "echo ok 1 flooded\n",
            "binary": HEAD + "echo 1..1\nprintf '# \\377\\376\\000\\n'\necho ok 1 b\n",
            "missing": "#!/nonexistent\n",
            "good": GOOD,
        }
    )
    record = run_job(job)
    assert statuses(record) == {
        "first": "pass",
        "segv": "error",
        "killed": "error",
        "silent": "error",
        "one": "pass",
        "two": "pass",
        "short": "error",
        "flooded": "pass",
        "b": "pass",
        "missing": "error",
        "works": "pass",
    }
    assert "was killed by SIGSEGV" in message(record, "segv")
    assert "was killed by SIGKILL" in message(record, "killed")
    assert guests(job) == 1
    ktap = (job.guest.folder / "ext4-dax" / "suite.floods.ktap").read_text()
    assert len(ktap) > 5_000_000
    assert ktap.endswith("ok 1 flooded\n")
    assert max(len(result.message) for result in record.results) < 1000


def test_console_that_floods(make_job: MakeJob) -> None:
    """Bytes that are no UTF-8, as many as come: kept whole, and the results beside them too."""
    flood = f"head -c {FLOOD} /dev/zero | tr '\\0' '\\377' >/dev/ttyS0\n"
    job = make_job({"floods": HEAD + "echo 1..1\n" + flood + "echo ok 1 flooded\n", "good": GOOD})
    record = run_job(replace(job, program_s=3600.0))
    assert statuses(record) == {"flooded": "pass", "works": "pass"}
    console = (job.guest.folder / "console.log").read_bytes()
    assert console.count(b"\377") == FLOOD
    assert guests(job) == 1


def test_disk_that_is_full(make_job: MakeJob, clean_folder: Path) -> None:
    """What cannot be kept is an error of ours; what was kept before stays a result."""
    folder = clean_folder / "job"
    folder.mkdir()
    if process.run(["mount", "-t", "tmpfs", "-o", "size=256k", "x", folder], check=False).status:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        big = "head -c 400000 /dev/zero | tr '\\0' x | fold -w 100 | sed 's/^/# /'\n"
        loud = HEAD + "echo 1..1\n" + big + "echo ok 1 loud\n"
        record = run_job(make_job({"good": GOOD, "loud": loud, "later": GOOD}))
        assert statuses(record) == {"works": "pass", "loud": "error", "later": "error"}
        assert "No space left on device" in message(record, "loud")
    finally:
        process.run(["umount", folder])


@pytest.mark.parametrize(
    ("kill", "said"),
    [
        # Each server there is, and what another would be started from.
        ("killall -9 dropbear\nsleep 60\n", "the SSH connection was cut, and the guest goes on"),
        (
            "rm /bin/dropbear\nkillall -9 dropbear\nsleep 60\n",
            "SSH server ended, and the guest goes on",
        ),
    ],
)
def test_ssh_killed_inside_the_guest(make_job: MakeJob, kill: str, said: str) -> None:
    job = make_job({"cuts": STARTED + kill, "good": GOOD})
    # How long an answer is waited for.
    record = run_job(replace(job, guest=replace(qemu(job), shutdown_s=5.0)))
    assert statuses(record) == {"first": "pass", "cuts": "error", "works": "pass"}
    assert said in message(record, "cuts")
    assert guests(job) == 2


def test_program_that_panics_the_kernel(make_job: MakeJob) -> None:
    job = make_job(
        {"good": GOOD, "panics": STARTED + "echo c >/proc/sysrq-trigger\nsleep 60\n"}, EXT4, XFS
    )
    record = run_job(job)
    for filesystem in ("ext4-dax", "xfs-dax"):
        expected = {"works": "pass", "first": "pass", "panics": "crash"}
        assert statuses(record, filesystem) == expected
    crashes = [result for result in record.results if result.status is Status.CRASH]
    assert len(crashes) == 2
    assert all("Kernel panic - not syncing: sysrq" in result.message for result in crashes)
    assert guests(job) == 2


def test_next_guest_is_ready_when_one_dies(make_job: MakeJob) -> None:
    panics = STARTED + "echo c >/proc/sysrq-trigger\nsleep 60\n"
    job = make_job({"panics": panics, "good": GOOD}, EXT4, XFS)
    record = run_job(replace(job, prefetch=True, fresh=Fresh.FILESYSTEM))
    for filesystem in ("ext4-dax", "xfs-dax"):
        expected = {"first": "pass", "panics": "crash", "works": "pass"}
        assert statuses(record, filesystem) == expected
    used = [use.units for use in record.evidence.guests]
    assert used == [
        ("ext4-dax/suite.panics",),
        ("ext4-dax/suite.good",),
        ("xfs-dax/suite.panics",),
        ("xfs-dax/suite.good",),
    ]
    assert qemus(job.guest.folder) == []


def test_interrupt_ends_the_next_guest_too(make_job: MakeJob) -> None:
    told = []

    def interrupt(result: TestResult) -> None:
        told.append(result)
        if len(told) == 1:
            until(lambda: len(qemus(job.guest.folder)) == 2)
            raise KeyboardInterrupt

    before = threading.active_count()
    job = make_job({"good": GOOD}, EXT4, XFS)
    with pytest.raises(JobInterrupted) as stop:
        run_job(replace(job, prefetch=True, fresh=Fresh.FILESYSTEM), interrupt)
    assert [(one.test, one.ran) for one in stop.value.record.results] == [
        ("works", True),
        ("good", False),
    ]
    until(lambda: qemus(job.guest.folder) == [] and threading.active_count() <= before)


def test_filesystems_that_are_not_dax(make_job: MakeJob) -> None:
    """Each costs its own tests, in one guest."""
    job = make_job(
        {"good": GOOD, "other": GOOD.replace("works", "too")},
        replace(EXT4, name="no-dax", options=()),
        replace(EXT4, name="small-blocks", mkfs=("-b", "1024")),
        replace(EXT4, name="no-mkfs", mkfs=("-b", "17")),
        replace(XFS, name="xfs-no-dax", options=()),
        # Controls: one that is DAX after all, and what they should be.
        Control("is-dax", "ext4", ("-b", "4096"), ("dax",)),
        Control("ext4", "ext4", ("-b", "4096"), ("dax=never",)),
        Tmpfs("tmpfs"),
        EXT4,
    )
    record = run_job(job)
    for name in ("no-dax", "small-blocks", "no-mkfs", "xfs-no-dax", "is-dax"):
        assert statuses(record, name) == {"good": "error", "other": "error"}, name
    for name in ("ext4-dax", "ext4", "tmpfs"):
        assert statuses(record, name) == {"works": "pass", "too": "pass"}, name
    says = {result.filesystem: result.message for result in record.results}
    assert "no-dax is not proved to be DAX: mounted as: ext4 rw" in says["no-dax"]
    assert "no-mkfs could not be made and mounted" in says["no-mkfs"]
    assert "invalid block size" in says["no-mkfs"]
    assert "is-dax is not proved to be without DAX: mounted as: ext4 rw" in says["is-dax"]
    assert "in persistent memory: yes" in says["is-dax"]
    assert [name for name, _ in record.evidence.proofs] == ["ext4", "tmpfs", "ext4-dax"]
    assert guests(job) == 1


CHANGES = """
echo 1 >/proc/sys/vm/overcommit_memory
echo 0 >/proc/sys/kernel/randomize_va_space
echo never >/sys/kernel/mm/transparent_hugepage/enabled
sleep 600 </dev/null >/dev/null 2>&1 &
"""
AS_FRESH = """
cat /proc/sys/vm/overcommit_memory /proc/sys/kernel/randomize_va_space
cat /sys/kernel/mm/transparent_hugepage/enabled
echo 1..1
ps | grep -v grep | grep -q 'sleep 600' && echo not ok 1 works || echo ok 1 works
"""


def test_what_a_program_leaves_changed_is_told_and_meets_no_other(make_job: MakeJob) -> None:
    """Settings of the kernel and a process: the next program is as in a fresh guest."""
    job = make_job({
        "fresh": HEAD + AS_FRESH,
        "changes": HEAD + CHANGES + "echo 1..1\necho ok 1 changed\n",
        "next": HEAD + AS_FRESH,
        "good": GOOD.replace("works", "too"),
    })  # fmt: skip
    record = run_job(job)
    assert [(one.program, one.status) for one in record.results] == [
        ("fresh", "pass"), ("changes", "pass"), ("next", "pass"), ("good", "pass"),
    ]  # fmt: skip
    (note,) = next(one for one in record.results if one.program == "changes").diagnostics
    assert note.startswith("left the guest changed, what follows has a fresh one: ")
    for part in (
        "vm/overcommit_memory: 0 -> 1",
        "kernel/randomize_va_space: 2 -> 0",
        "transparent_hugepage/enabled: ",
        "still running: sleep[",
    ):
        assert part in note
    said = [
        (job.guest.folder / "ext4-dax" / f"suite.{name}.ktap").read_text()
        for name in ("fresh", "next")
    ]
    assert said[0] == said[1]
    # Who changes nothing is told of nothing, and the second guest is good for two.
    assert [bool(one.diagnostics) for one in record.results] == [False, True, False, False]
    assert guests(job) == 2


def test_raw_namespace_is_no_dax(plain_spec: QemuSpec, clean_folder: Path) -> None:
    """What prepare_script() is for: without it 6.1 refuses, or goes on without DAX."""
    with own_spec(plain_spec, folder=clean_folder / "job", prepare="true").guest() as guest:
        with pytest.raises(InfrastructureError, match="ext4-dax"):
            set_up(guest, EXT4)
        with pytest.raises(InfrastructureError, match="xfs-dax") as xfs:
            set_up(guest, XFS)
        assert not isinstance(xfs.value, NotDax) or "DAX" in str(xfs.value)
        assert guest.run("true").status == 0


def test_threads_end_with_their_guest(plain_spec: QemuSpec, clean_folder: Path) -> None:
    """Of one that was restored, and of one that was booted."""
    before = threading.active_count()
    for number, states in enumerate((plain_spec.states, None)):
        with replace(plain_spec, folder=clean_folder / f"{number}", states=states).guest() as guest:
            assert (guest.state != "") == (states is not None)
            assert guest.run("echo æ; echo b >&2; exit 3").stdout == "æ\n"
            assert guest.run("exit 200").status == 200
    until(lambda: threading.active_count() <= before)


def test_mount_that_the_kernel_is_too_old_for(make_job: MakeJob) -> None:
    """6.1 says of a dax= it never heard of what older kernels say of today's."""
    unheard = replace(EXT4, options=("dax=tomorrow",))
    record = run_job(make_job({"good": GOOD}, replace(unheard, lacking=feature("xfs-dax")), XFS))
    assert statuses(record) == {"good": "skip"}
    assert "this kernel does not mount ext4-dax: " in message(record, "good")
    assert "'dax'" in message(record, "good")
    assert statuses(record, "xfs-dax") == {"works": "pass"}


def test_mount_that_fails_though_the_kernel_should_know_it(make_job: MakeJob) -> None:
    record = run_job(make_job({"good": GOOD}, replace(EXT4, options=("dax=tomorrow",))))
    assert statuses(record) == {"good": "error"}
