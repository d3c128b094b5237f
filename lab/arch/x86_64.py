# SPDX-License-Identifier: GPL-2.0-only
"""x86, 64 bits."""

from __future__ import annotations

from types import MappingProxyType

from lab.arch.architecture import Architecture

X86_64 = Architecture(
    name="x86_64",
    source="x86",
    image="bzImage",
    image_path="arch/x86/boot/bzImage",
    qemu="qemu-system-x86_64",
    packages=MappingProxyType({"apt": "qemu-system-x86", "dnf": "qemu-system-x86-core"}),
    # To route an interrupt, pc has the kernel interpret a loop in its ACPI tables (_PRT) for
    # each device: 0.3 s under TCG, where q35 has a table.
    machines=("pc", "q35"),
    # TCG does "rep movsb" a byte at a time, and "rep movsq" eight: without erms and fsrm the
    # kernel copies and clears pages (lib/memcpy_64.S, clear_page_64.S) with the latter.  Five
    # levels of page tables, which few machines have, cost it a tenth of all it does.
    cpus=MappingProxyType({"kvm": "host", "tcg": "max,-erms,-fsrm,-la57"}),
    plain_cpu="max",
    console="ttyS0,115200",
    # nokaslr: addresses in a stack are those of System.map, in every run.
    # no_timer_check: a kernel that gets its ticks late, on a busy host, would panic over an
    # IO-APIC that "doesn't work" (arch/x86/kernel/apic/io_apic.c).
    arguments="panic=-1 oops=panic tsc=reliable no_timer_check nokaslr",
    # Without them, firmware and kernel have two devices less to find.
    without=MappingProxyType({"q35": "sata=off,smbus=off"}),
    libraries=(
        "/lib/x86_64-linux-gnu",
        "/usr/lib/x86_64-linux-gnu",
        "/lib64",
        "/usr/lib64",
        "/lib",
        "/usr/lib",
    ),
    pmem=MappingProxyType(
        {
            "nvdimm": ("nfit", "CONFIG_ACPI_NFIT"),
            "virtio-pmem": ("virtio-pmem", "CONFIG_VIRTIO_PMEM"),
            "memmap": ("pmem-legacy", "CONFIG_X86_PMEM_LEGACY"),
        }
    ),
    marks=("ttyS1", 4, 65),
    # target/i386; under KVM it says nothing.
    reset="Triple fault",
    has_tsc=True,
)
