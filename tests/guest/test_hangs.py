# SPDX-License-Identifier: GPL-2.0-only
"""What does not go on, and who it is: the program, the guest, or QEMU."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from lab import process
from lab.execution.complaint_watch import BUSY
from lab.execution.job import Job
from lab.execution.run_job import run_job
from lab.guest.guest import Guest, GuestDied
from lab.guest.qemu.guest import QemuSpec
from lab.model.records import JobRecord
from lab.model.version import KernelVersion
from tests.guest.conftest import EXT4, KERNEL, MakeJob, qemus
from tests.guest.jobs import (
    GOOD,
    STARTED,
    WAITS,
    guests,
    message,
    qemu,
    signal_for_qemu,
    statuses,
)

pytestmark = pytest.mark.guest


def test_program_that_hangs(make_job: MakeJob) -> None:
    job = make_job({"hangs": STARTED + "sleep 600\n", "good": GOOD}, program_s=5.0)
    record = run_job(job)
    assert statuses(record) == {"first": "pass", "hangs": "timeout", "works": "pass"}
    assert "deadlines.program is 5 s" in message(record, "hangs")
    assert "the guest still answers" in message(record, "hangs")
    assert "task:sleep" in (job.guest.folder / "tasks.log").read_text()
    assert "Linux version" in (job.guest.folder / "kernel.log").read_text()


def test_qemu_that_hangs_is_no_fault_of_the_kernel(make_job: MakeJob) -> None:
    job = make_job({"freezes": WAITS, "good": GOOD}, program_s=4.0, ssh_s=6.0, shutdown_s=2.0)
    with signal_for_qemu(signal.SIGSTOP, job, b"program runs"):
        record = run_job(job)
    assert statuses(record) == {"first": "pass", "freezes": "error", "works": "pass"}
    assert "QEMU does not answer" in message(record, "freezes")
    assert guests(job) == 2


def test_qemu_that_hangs_between_commands(plain_spec: QemuSpec, clean_folder: Path) -> None:
    spec = replace(plain_spec, folder=clean_folder / "job", ssh_s=4.0, shutdown_s=2.0)
    with spec.guest() as guest:
        for pid in qemus(spec.folder):
            os.kill(pid, signal.SIGSTOP)
        with pytest.raises(GuestDied, match="no longer answers") as lost:
            guest.run("true", 1.0)
    assert not lost.value.kernel


def put_often(guest: Guest) -> None:
    for _ in range(1000):
        guest.put(bytes(1 << 20), "/tmp/file")


def test_guest_that_dies_while_files_are_put(plain_spec: QemuSpec, clean_folder: Path) -> None:
    with replace(plain_spec, folder=clean_folder / "job").guest() as guest:
        guest.run("(sleep 0.2; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &")
        with pytest.raises(GuestDied, match="panic") as lost:
            put_often(guest)
    assert lost.value.kernel


def test_program_that_ignores_sigterm(make_job: MakeJob) -> None:
    deaf = "trap '' TERM INT HUP\nwhile :; do sleep 1; done\n"
    job = make_job({"deaf": STARTED + deaf, "good": GOOD}, program_s=5.0)
    record = run_job(job)
    assert statuses(record) == {"first": "pass", "deaf": "timeout", "works": "pass"}


#: Takes a CPU for good: nothing else runs on it, interrupts aside.
SPIN = """
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
	struct sched_param most = { .sched_priority = 99 };
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(count > 1 ? atoi(arguments[1]) : 0, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu) || sched_setscheduler(0, SCHED_FIFO, &most))
		return 1;
	for (;;)
		;
}
"""


def on_a_quiet_host(job: Job) -> tuple[Job, JobRecord]:
    """A job that takes all CPUs, and its record; tried again where others took half of them."""
    for number in range(3):
        folder = job.guest.folder.with_name(f"quiet-{number}")
        tried = replace(job, guest=replace(qemu(job), folder=folder))
        record = run_job(tried)
        if not any(BUSY in one.message for one in record.results):
            break
    return tried, record


def test_guest_that_hangs(make_job: MakeJob, clean_folder: Path) -> None:
    (clean_folder / "spin.c").write_text(SPIN)
    spin = clean_folder / "spin"
    process.run(["gcc", "-static", "-O1", "-o", spin, clean_folder / "spin.c"])
    starve = "echo -1 >/proc/sys/kernel/sched_rt_runtime_us\n/lab/spin 1 & /lab/spin 0\n"
    job = make_job({"starves": STARTED + starve, "good": GOOD}, program_s=5.0)
    spec = replace(qemu(job), programs={**qemu(job).programs, "spin": spin}, shutdown_s=2.0)
    job, record = on_a_quiet_host(replace(job, guest=spec))
    assert statuses(record) == {"first": "pass", "starves": "timeout", "works": "pass"}
    # Since 557a6bfc662c (6.12) no real-time task takes all of a CPU: the SSH server has its 5 %.
    if KernelVersion.parse(KERNEL) < KernelVersion(6, 12):
        assert "the guest does not answer" in message(record, "starves")
        assert (job.guest.folder / "registers.txt").read_text().count("RIP=") == 2
    assert guests(job) == 2
    # Two virtual CPUs turned for five seconds and more.
    assert dict(record.evidence.cost)["cpu_s"] > 5


def test_setup_deadline(make_job: MakeJob) -> None:
    job = make_job({"good": GOOD}, replace(EXT4, name="slow", mkfs=("-b", "4096")), EXT4)
    programs = dict(qemu(job).programs)
    proof = job.guest.folder.parent / "proof"
    proof.write_text("#!/bin/sh\ncase $1 in */slow) sleep 600 ;; esac\necho dax_option=no\n")
    spec = replace(qemu(job), programs=programs | {"dax-proof": proof}, command_s=8.0)
    record = run_job(replace(job, guest=spec))
    assert statuses(record, "slow") == {"good": "timeout"}
    assert statuses(record) == {"good": "error"}
    assert "the setup deadline of 8 s passed while slow was made" in record.results[0].message
