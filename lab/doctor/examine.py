# SPDX-License-Identifier: GPL-2.0-only
"""The whole examination: tools, QEMU, accelerators, compiler, disk, memory, CPUs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.arch import ARCH
from lab.doctor.finding import Finding
from lab.doctor.tools import check
from lab.errors import InfrastructureError
from lab.host import Host
from lab.host.tool import ask

if TYPE_CHECKING:
    from lab.guest.qemu.accelerator import Name

_GIB = 1 << 30
#: A tree and its build take about 3 GiB for each variant, and a first run has three.
_DISK = 10 * _GIB
#: One guest of the default machine (1 GiB, its NVDIMM in the page cache) beside a compiler.
_MEMORY = 3 * _GIB
#: Compilers that a kernel of the lab was built with.
_GCC = range(10, 16)


def examine(
    cache: Path, deadline_s: float, cc: str = "gcc", host: Host | None = None
) -> tuple[Finding, ...]:
    """Everything there is to say about this machine; boots a guest under each accelerator.

    Args:
        cache: The lab's cache folder, whose disk is measured.
        deadline_s: Seconds that each of those guests has.
        cc: The compiler, as ``toolchain.cc`` has it.
    """
    host = host or Host.here()
    return (*check(host=host), *_machine(cache, deadline_s, cc, host))


def _machine(cache: Path, deadline_s: float, cc: str, host: Host) -> Iterator[Finding]:
    yield _compiler(cc, host)
    yield _sandbox()
    qemu = host.find(ARCH.qemu)
    # Without QEMU the tool's own finding says all there is to say.
    if qemu is not None:
        yield _nvdimm(qemu)
        yield _accelerator("tcg", cache, deadline_s)
        yield _accelerator("kvm", cache, deadline_s)
    yield _disk(cache)
    yield _memory(host)
    yield Finding("CPUs", True, str(len(os.sched_getaffinity(0))))


def _compiler(cc: str, host: Host) -> Finding:
    path = host.find(cc)
    name = f"compiler {cc}"
    if path is None:
        return Finding(
            name, False, "not installed", f"install {cc}, or set toolchain.cc", ("build",)
        )
    said = _said([path, "--version"])
    first = (said.splitlines() or [""])[0]
    match = re.search(r"\b(\d+)\.\d+", first)
    known = match is not None and int(match[1]) in _GCC and "clang" not in first
    advice = f"gcc {_GCC[0]} to {_GCC[-1]} are known to build these kernels: set toolchain.cc"
    return Finding(name, known, first or "it does not say its version", advice)


def _sandbox() -> Finding:
    # Typed values of builds bring much along, which `require` does not need.
    from lab.build.sandbox import Sandbox, mend_sandbox, probe_sandbox

    found = probe_sandbox()
    if isinstance(found, Sandbox):
        return Finding("sandbox", True, f"builds write to their objects alone ({found.version})")
    detail = f"{found}: what a patch's Makefile runs can do all that you can"
    return Finding("sandbox", False, detail, mend_sandbox())


def _said(command: Sequence[str | Path]) -> str:
    """What a tool says of itself; nothing of one that hangs, which is a finding as well."""
    try:
        return ask(command, check=False).stdout
    except InfrastructureError:
        return ""


def _nvdimm(qemu: Path) -> Finding:
    version = _said([qemu, "--version"]).partition("\n")[0]
    devices = _said([qemu, "-device", "help"])
    if 'name "nvdimm"' in devices:
        return Finding("QEMU's NVDIMM", True, version, needed_for=("test",))
    return Finding(
        "QEMU's NVDIMM",
        False,
        f"{version} has no nvdimm device",
        f"the distribution's own {ARCH.qemu} has one",
        ("test",),
    )


def _accelerator(name: Name, cache: Path, deadline_s: float) -> Finding:
    # lab.guest brings SSH along, which `require`, called before each command, does not need.
    from lab.guest.qemu.accelerator import mend, probe

    # KVM only makes guests faster; without TCG there is nothing to fall back to.
    needed = ("test",) if name == "tcg" else ()
    try:
        proof = probe(name, cache, deadline_s, fresh=True)
    except InfrastructureError as error:
        return Finding(name.upper(), False, error.what, error.hint, needed)
    detail = f"{proof.detail} ({proof.duration_s:.2f} s)" if proof else proof.detail
    return Finding(name.upper(), proof.runs, detail, mend(proof), needed)


def _disk(cache: Path) -> Finding:
    place = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    return Finding(
        "disk",
        free >= _DISK,
        f"{free / _GIB:.1f} GiB free for {cache}",
        "lab gc, or another disk as paths.cache in lab.local.toml",
    )


def _memory(host: Host) -> Finding:
    match = re.search(r"MemAvailable:\s+(\d+) kB", host.read("/proc/meminfo"))
    if match is None:
        return Finding("memory", False, "/proc/meminfo does not say what is available")
    available = int(match[1]) * 1024
    return Finding(
        "memory",
        available >= _MEMORY,
        f"{available / _GIB:.1f} GiB available",
        "fewer guests at once: guests = 1 in lab.local.toml",
    )
