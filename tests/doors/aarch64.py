# SPDX-License-Identifier: GPL-2.0-only
"""An architecture as its record; no guest of it was ever booted."""

from __future__ import annotations

from types import MappingProxyType

from lab.arch.architecture import Architecture

AARCH64 = Architecture(
    name="aarch64",
    source="arm64",
    image="Image",
    image_path="arch/arm64/boot/Image",
    qemu="qemu-system-aarch64",
    packages=MappingProxyType({"apt": "qemu-system-arm", "dnf": "qemu-system-aarch64-core"}),
    machines=("virt",),
    cpus=MappingProxyType({"kvm": "host", "tcg": "max"}),
    plain_cpu="cortex-a57",
    console="ttyAMA0",
    arguments="panic=-1 oops=panic nokaslr",
    without=MappingProxyType({}),
    libraries=("/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"),
    pmem=MappingProxyType({"nvdimm": ("nfit", "CONFIG_ACPI_NFIT")}),
    marks=("ttyAMA1", 204, 65),
)
