# SPDX-License-Identifier: GPL-2.0-only
"""Times a guest's way to its first SSH answer: booted, restored, and beside a bare QEMU.

Usage: boot.py [ROUNDS] [VARIANT]

Each round boots a bare QEMU (the same kernel, an init that powers off at once) without
devices and with those of the lab's machine, then a guest of the lab's, then restores
one; so what else the machine does meets all of them.
With LAB_VNG set to a command that boots a kernel of the same version under virtme-ng
and runs one command in it, that is timed in each round too.  The median of the rounds
counts.
"""

from __future__ import annotations

import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import Part, Row, run
from measure import bare_boot, project

from lab.guest.qemu.command_line import SSH_PORTS, Hardware, machine_properties, memory_size
from lab.guest.qemu.guest import QemuSpec
from lab.model.variant import Variant
from lab.session import Lab
from lab.suites.manner import IN_IMAGE

ROOT = Path(__file__).resolve().parents[1]
#: The largest of the images that lab.toml names.
_IMAGE_SUITE = """
[suites.seen]
programs = ["seen.sh"]
image = "xfstests"
"""


def _first_answer(spec: QemuSpec) -> tuple[float, list[tuple[str, float]]]:
    """Seconds from QEMU's start to the first command's answer, and what was when."""
    with spec.guest() as guest:
        marks = guest.timeline.marks
        if marks[-1][0] == "prepared":
            return marks[-1][1], marks
        guest.run("true")
        return time.monotonic() - guest.timeline.started, marks


def _once(command: str) -> float:
    begun = time.monotonic()
    subprocess.run(shlex.split(command), check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return time.monotonic() - begun


def _with_devices(bare: str, hardware: Hardware) -> str:
    """The same, with the machine, the NVDIMM and the SSH ports that the lab's guests have."""
    machine = f"{hardware.type},accel={hardware.accelerator},{machine_properties(hardware)}"
    devices = (
        f"-object memory-backend-ram,id=nv0,size={hardware.nvdimm} -device nvdimm,memdev=nv0 "
        f"-device virtio-serial-pci,max_ports={SSH_PORTS + 1} "
        + "".join(f"-device virtserialport,nr={port} " for port in range(1, SSH_PORTS + 1))
        + "-device virtio-rng-pci"
    )
    bare = bare.replace("-machine pc,accel=tcg", f"-machine {machine}")
    return bare.replace("-m 1G", f"-m {memory_size(hardware)} {devices}")


def _rounds(spec: QemuSpec, bare: str, rounds: int) -> Iterator[dict[str, float]]:
    devices = _with_devices(bare, spec.hardware)
    # What it is to prepare would be its first command, and no short one.
    booted = replace(spec, states=None, prepare="true")
    _first_answer(spec)  # makes the state, and imports everything
    for _ in range(rounds):
        found = {"bare": _once(bare), "bare with devices": _once(devices)}
        found["boot"], marks = _first_answer(booted)
        found["restore"], _ = _first_answer(spec)
        if command := os.environ.get("LAB_VNG"):
            found["virtme-ng"] = _once(command)
        print("  " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in found.items()))
        print("    " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in marks), flush=True)
        yield found


def boot(rounds: int = 7, kernel: str = "6.1") -> Iterator[Row]:
    """Print each round, and give the ratios of the medians."""
    variant = Variant.parse(kernel)
    lab = Lab.open(ROOT / "lab.toml")
    built = lab.builder.build(variant, "default")
    with tempfile.TemporaryDirectory(prefix="lab-bench-", dir=lab.cache) as scratch:
        folder = Path(scratch)
        spec = lab.preparer.guest_spec(built, "default", folder / "guest")
        assert isinstance(spec, QemuSpec)
        found = list(_rounds(spec, bare_boot(built.image, folder), rounds))
    median = {name: statistics.median(each[name] for each in found) for name in found[0]}
    for name, per, limit in (
        ("boot", "bare", 1.25),
        ("boot", "bare with devices", 1.25),
        ("restore", "boot", 0.15),
        # Of the slowest boot that would do: a faster one is no slower restore.
        ("restore", "bare", 0.15 * 1.25),
    ):
        part = f"{name}, beside {per}"
        yield Row.against(part, median[name], median[per], round(limit, 3), what=per)
    if "virtme-ng" in median:
        part = "boot, beside virtme-ng"
        yield Row.against(part, median["boot"], median["virtme-ng"], 0.3, what="virtme-ng")


def image(rounds: int = 7, kernel: str = "6.1") -> Iterator[Row]:
    """A guest with the image of `[images.xfstests]` in turn with one without, each both ways."""
    variant = Variant.parse(kernel)
    cache = Lab.open(ROOT / "lab.toml").cache
    with tempfile.TemporaryDirectory(prefix="lab-bench-", dir=cache) as scratch:
        folder = Path(scratch)
        project(folder, _IMAGE_SUITE)
        (folder / "guest-tests").unlink()
        shutil.copytree(ROOT / "guest-tests", folder / "guest-tests")
        (folder / "guest-tests" / "seen.sh").write_text("#!/bin/bash\nexit 0\n")
        lab = Lab.open(folder / "lab.toml")
        built = lab.builder.build(variant, "default")
        small = lab.preparer.guest_spec(built, "default", folder / "small")
        brought = lab.preparer.programs(["seen"], built)
        large = lab.preparer.guest_spec(built, "default", folder / "large", brought)
        specs: dict[str, QemuSpec] = {}
        for name, spec in (("small", small), ("image", large)):
            assert isinstance(spec, QemuSpec)
            specs[f"{name}, restored"] = spec
            specs[f"{name}, booted"] = replace(spec, states=None, prepare="true")
        found = [_each_once(specs) for _ in range(rounds + 1)][1:]  # the first makes the states
    median = {name: statistics.median(each[name] for each in found) for name in specs}
    for way in ("booted", "restored"):
        ours, beside = median[f"image, {way}"], median[f"small, {way}"]
        yield Row.against(f"a guest with an image, {way}", ours, beside, 1.5, what="without")


def _each_once(specs: Mapping[str, QemuSpec]) -> dict[str, float]:
    found = {name: _answer_of(spec) for name, spec in specs.items()}
    print(
        "  " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in found.items()), flush=True
    )
    return found


def _answer_of(spec: QemuSpec) -> float:
    """Seconds from QEMU's start to the answer of a program, in the image's root if it has one."""
    with spec.guest() as guest:
        guest.run("true" if spec.userland is None else f"/lab/{IN_IMAGE} /tmp /tmp /bin/true")
        return time.monotonic() - guest.timeline.started


PARTS: dict[str, Part] = {"boot": boot, "image": image}


if __name__ == "__main__":
    rounds, kernel = (*sys.argv[1:], *("7", "6.1")[len(sys.argv) - 1 :])
    sys.exit(run({"boot": partial(boot, int(rounds), kernel)}, ()))
