# SPDX-License-Identifier: GPL-2.0-only
"""What shapes a job's results beside its kernel, hardware and programs.

Each part is told apart by its text, of which databases have digests: none is worded anew.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lab.analysis.setup import RECIPE
from lab.execution.job import Job
from lab.process.seal import file_digest
from lab.suites.on_host import OnHost

DEADLINES = "deadlines"
CPU = "CPU"


def surrounded(job: Job) -> Job:
    """The job, with all of it in its evidence; to be done when its deadlines are set."""
    return replace(job, evidence=replace(job.evidence, surroundings=tuple(_around(job))))


def _around(job: Job) -> Iterator[tuple[str, str]]:
    for filesystem in job.filesystems:
        yield f"{RECIPE}{filesystem.name}", filesystem.describe()
    spec, guest = job.guest, job.guest.describe()
    yield CPU, guest.cpu
    yield "fresh", job.fresh.value
    yield (
        DEADLINES,
        f"boot {spec.boot_s:g} s, setup {spec.command_s:g} s, program {job.program_s:g} s, "
        f"stall {job.stall_s:g} s, settle {job.settle_s:g} s",
    )
    if guest.arguments:
        yield "kernel arguments", guest.arguments
    yield "preparation of the guest", _digest(guest.prepare)
    yield from dict.fromkeys(_own_ways(job))
    if tools := [row for row in job.evidence.programs if row[0].startswith("/")]:
        yield "tools in the guest", _digest(repr(tools))
    if job.benign:
        yield "[[benign]] rules", _digest(repr(job.benign))
    if job.counts:
        # QEMU runs what it counts more slowly, and in pieces of its own.
        yield "instructions", "counted"


def _own_ways(job: Job) -> Iterator[tuple[str, str]]:
    """Of programs that are not run as those of ``guest-tests/``: how, and from which source."""
    for unit in job.units:
        if unit.timeout_s is not None:
            yield f"timeout of {unit.suite}", f"{unit.timeout_s:g} s"
        if unit.output:
            yield f"output of {unit.suite}", unit.output
        if unit.prints:
            yield f"prints of {unit.suite}", unit.prints
        words = unit.kind.command(unit.program, ".", "", "")
        if words and words != [f"/lab/{unit.program}", "."]:
            yield f"command of {unit.program}", shlex.join(words)
            for name, path in unit.kind.sources([unit.program]):
                # Of what runs in a guest the program's own digest is there; here it imports others.
                if isinstance(unit.kind, OnHost) or unit.program in (name, Path(name).stem):
                    yield f"source {name}", file_digest(path)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
