# SPDX-License-Identifier: GPL-2.0-only
"""What shapes a job's results beside its kernel, hardware and programs, in words."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lab.analysis.setup import RECIPE
from lab.execution.job import Job
from lab.filesystems.dax import Recipe
from lab.guest.qemu.command_line import CPUS
from lab.guest.qemu.tsc import portable

DEADLINES = "deadlines"
_CPUINFO = Path("/proc/cpuinfo")


def surrounded(job: Job) -> Job:
    """The job, with all of it in its evidence; to be done when its deadlines are set."""
    return replace(job, evidence=replace(job.evidence, surroundings=tuple(_around(job))))


def _around(job: Job) -> Iterator[tuple[str, str]]:
    units = (*job.units, *(unit for unit, _ in job.given))
    for recipe in dict.fromkeys(unit.recipe for unit in units):
        yield f"{RECIPE}{recipe.name}", _made_and_mounted(recipe)
    spec = job.guest
    yield "CPU", _cpu(spec.hardware.accelerator)
    yield "fresh", job.fresh.value
    yield (
        DEADLINES,
        f"boot {spec.boot_s:g} s, setup {spec.command_s:g} s, program {job.program_s:g} s, "
        f"stall {job.stall_s:g} s, settle {job.settle_s:g} s",
    )
    if append := portable(spec.append).strip():
        yield "kernel arguments", append
    yield "preparation of the guest", _digest(spec.prepare)
    if job.benign:
        yield "[[benign]] rules", _digest(repr(job.benign))


def _made_and_mounted(recipe: Recipe) -> str:
    options = f" -o {','.join(recipe.options)}" if recipe.options else ""
    return f"mkfs.{recipe.type} {' '.join(recipe.mkfs)}; mount{options}"


def _cpu(accelerator: str) -> str:
    """QEMU's name for the guest's; where that is the host's, the host's own too."""
    name = CPUS.get(accelerator, accelerator)
    return f"{name} ({_host_cpu()})" if accelerator == "kvm" else name


def _host_cpu() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", _CPUINFO.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
