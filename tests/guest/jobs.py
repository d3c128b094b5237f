# SPDX-License-Identifier: GPL-2.0-only
"""Jobs of small shell scripts, for tests of what goes wrong in a guest."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.execution.job import Job
from lab.guest.qemu.guest import QemuSpec
from lab.model.records import JobRecord
from tests.guest.conftest import consoles, qemus, until

HEAD = "#!/bin/sh\necho KTAP version 1\n"
GOOD = HEAD + "echo 1..1\necho ok 1 works\n"
STARTED = HEAD + "echo 1..2\necho ok 1 first\nsleep 1\n"
#: Says on the console that it runs, and stays.
WAITS = STARTED + "echo program runs >/dev/console\nsleep 600\n"


def statuses(record: JobRecord, filesystem: str = "ext4-dax") -> dict[str, str]:
    return {
        result.test: result.status.value
        for result in record.results
        if result.filesystem == filesystem
    }


def message(record: JobRecord, test: str) -> str:
    (found,) = (result.message for result in record.results if result.test == test)
    return found


def qemu(job: Job) -> QemuSpec:
    """What a job's guests are made from."""
    assert isinstance(job.guest, QemuSpec)
    return job.guest


def guests(job: Job) -> int:
    return len(list(job.guest.folder.rglob("console.log")))


def said_on_console(folder: Path, text: bytes) -> bool:
    return any(text in console for console in consoles(folder))


@contextmanager
def signal_for_qemu(number: signal.Signals, job: Job, said: bytes) -> Iterator[None]:
    """The job's QEMU gets a signal as soon as its guest's console says so."""

    def send() -> None:
        until(lambda: said_on_console(job.guest.folder, said))
        for pid in qemus(job.guest.folder):
            os.kill(pid, number)

    sender = threading.Thread(target=send)
    sender.start()
    yield
    sender.join()
