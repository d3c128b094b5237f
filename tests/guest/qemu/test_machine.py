# SPDX-License-Identifier: GPL-2.0-only
"""What a guest shows of its hardware before anything runs there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.guest.qemu.command_line import Hardware
from lab.guest.qemu.machine import show_nodes
from lab.guest.request import NOT_THE_MACHINE

G, M = 1 << 30, 1 << 20
NUMA = Hardware(G, 4, "tcg", "q35", 512 * M, nodes=2)
#: As 6.1 has it.
MEMINFO = "\nNode {0} MemTotal:         503592 kB\nNode {0} MemFree:          488808 kB\n"


def sysfs(folder: Path, cpus: list[str], region: str | None = "1") -> Path:
    """A kernel's /sys, with these CPUs on its nodes."""
    for node, some in enumerate(cpus):
        at = folder / f"devices/system/node/node{node}"
        at.mkdir(parents=True)
        (at / "cpulist").write_text(f"{some}\n")
        (at / "meminfo").write_text(MEMINFO.format(node))
    if region is not None:
        (folder / "bus/nd/devices/region0").mkdir(parents=True)
        (folder / "bus/nd/devices/region0/numa_node").write_text(f"{region}\n")
    return folder


def shown(hardware: Hardware, folder: Path) -> tuple[int, str]:
    script = show_nodes(hardware).replace("/sys/", f"{folder}/")
    done = subprocess.run(
        ["sh", "-c", f"{script}exit 0"], capture_output=True, text=True, check=False
    )
    return done.returncode, (done.stderr.splitlines() or [""])[-1]


@pytest.mark.parametrize("region", ["1", None])
def test_a_kernel_that_sees_all_nodes(tmp_path: Path, region: str | None) -> None:
    assert shown(NUMA, sysfs(tmp_path, ["0-1", "2-3"], region)) == (0, "")


def test_one_node_need_not_be_shown() -> None:
    assert show_nodes(Hardware(G, 4, "tcg", "q35", 512 * M)) == ""


@pytest.mark.parametrize(
    ("cpus", "region", "said"),
    [
        # Without CONFIG_NUMA there is no such folder.
        ([], "1", "no CPUs on node 0"),
        (["0-3"], "1", "no CPUs on node 1"),
        (["0-3", ""], "1", "no CPUs on node 1"),
        (["0-1", "2-3"], "0", "the NVDIMM is on node 0, not 1"),
        (["0-1", "2-3"], "-1", "the NVDIMM is on node -1, not 1"),
    ],
)
def test_a_kernel_that_does_not(tmp_path: Path, cpus: list[str], region: str, said: str) -> None:
    assert shown(NUMA, sysfs(tmp_path, cpus, region)) == (NOT_THE_MACHINE, said)


def test_a_node_without_memory(tmp_path: Path) -> None:
    folder = sysfs(tmp_path, ["0-1", "2-3"])
    (folder / "devices/system/node/node1/meminfo").write_text("\nNode 1 MemTotal:       0 kB\n")
    assert shown(NUMA, folder) == (NOT_THE_MACHINE, "no memory on node 1")


def test_where_other_memory_is_no_kernel_says(tmp_path: Path) -> None:
    """Of virtio's and of what memmap= sets apart: its region has no node of its own."""
    folder = sysfs(tmp_path, ["0-1", "2-3"], "-1")
    memmap = Hardware(G, 4, "tcg", "q35", 512 * M, "memmap", nodes=2)
    assert shown(memmap, folder) == (0, "")
