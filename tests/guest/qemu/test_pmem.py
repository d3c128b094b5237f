# SPDX-License-Identifier: GPL-2.0-only
"""Machines with either kind of persistent memory: which one, how QEMU is told, and one booted."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from lab.guest.qemu.command_line import (
    Files,
    Hardware,
    Memory,
    Sockets,
    command_line,
    kernel_arguments,
)
from lab.guest.qemu.pmem import MemMap, choose_pmem
from lab.guest.qemu.scratch import DEVICE, make_scratch
from lab.model.version import KernelVersion
from tests.guest.conftest import Project

G, M = 1 << 30, 1 << 20


@pytest.mark.parametrize(
    ("asked", "version", "chosen"),
    [
        ("auto", "4.1.15", "memmap"),
        ("auto", "4.2-rc1", "memmap"),
        ("auto", "4.2", "nvdimm"),
        ("auto", "6.1", "nvdimm"),
        ("memmap", "6.1", "memmap"),
        ("nvdimm", "4.1", "nvdimm"),
        ("virtio-pmem", "5.3", "virtio-pmem"),
        ("auto", "5.3", "nvdimm"),
    ],
)
def test_choice(
    asked: Literal["auto", "nvdimm", "virtio-pmem", "memmap"], version: str, chosen: str
) -> None:
    assert choose_pmem(asked, KernelVersion.parse(version)) == chosen


@pytest.mark.parametrize(
    ("memory", "size", "low", "start", "ram"),
    [
        (G, 512 * M, G, 4 * G, G + 512 * M),
        (2 * G, 8 * G, 2 * G, 4 * G, 10 * G),
        (3 * G, 512 * M, 2 * G, 5 * G, 3 * G + 512 * M),
        # The start is a multiple of 128 MiB whatever the memory is.
        (3 * G + M, 512 * M, 2 * G, 5 * G + 128 * M, 3 * G + 640 * M),
    ],
)
def test_memmap_lies_in_ram_above_4g(
    memory: int, size: int, low: int, start: int, ram: int
) -> None:
    memmap = MemMap(memory, size)
    assert (memmap.low, memmap.start, memmap.ram) == (low, start, ram)
    # What QEMU puts above 4 GiB ends where the persistent memory does.
    assert 4 * G + memmap.ram - memmap.low == memmap.start + size
    assert memmap.start % (128 * M) == 0


def line(hardware: Hardware) -> list[str]:
    memory = Memory(nvdimm="/dev/fd/7", ram=("/dev/fd/8",))
    append = kernel_arguments(hardware, "quiet")
    files = Files(Path("bzImage"), 9, append, memory, Path("console"))
    return command_line(hardware, files, Sockets(3, 4, (5, 6)))


def after(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_command_line_of_a_memmap_machine(machine: str) -> None:
    words = line(Hardware(G, 2, "tcg", machine, 512 * M, "memmap"))
    assert after(words, "-machine").startswith(f"{machine},max-ram-below-4g={G},")
    assert after(words, "-m") == "size=1536M"
    assert after(words, "-append").endswith(" nokaslr quiet memmap=512M!0x100000000")
    # A saved guest's memory has the persistent part in it.
    (backend,) = (word for word in words if word.startswith("memory-backend-file"))
    assert backend.endswith(f"id=ram,share=on,mem-path=/dev/fd/8,size={1536 * M}")
    assert "nvdimm" not in " ".join(words)


def test_command_line_of_an_nvdimm_machine() -> None:
    words = line(Hardware(G, 2, "tcg", "pc", 512 * M))
    assert after(words, "-machine").startswith("pc,nvdimm=on")
    # What it translated is dropped before a page has thousands of translations.
    assert after(words, "-accel") == "tcg,tb-size=128"
    assert after(line(Hardware(G, 2, "kvm", "pc", 512 * M)), "-accel") == "kvm"
    assert after(words, "-append").endswith(" nokaslr quiet")
    assert after(words, "-device") == "nvdimm,id=nvdimm0,memdev=nv0"


def test_command_line_of_a_virtio_pmem_machine() -> None:
    words = line(Hardware(G, 2, "tcg", "q35", 512 * M, "virtio-pmem"))
    assert after(words, "-machine") == "q35,sata=off,smbus=off,memory-backend=ram"
    # /dev/vport0p1 is a port of the first of virtio's devices.
    virtio = [word for word in words if word.startswith("virtio-")]
    assert virtio[0].startswith("virtio-serial-pci,")
    assert virtio[-1] == "virtio-pmem-pci,id=vpmem0,memdev=nv0"
    # Its address is in what maxmem sets apart.
    assert after(words, "-m") == f"size=1024M,slots=1,maxmem={1024 + 512 + 1024}M"
    assert not any("nvdimm" in word for word in words)


def backends(words: list[str]) -> list[str]:
    return [word for word in words if word.startswith("memory-backend-")]


def test_command_line_of_a_machine_with_nodes() -> None:
    hardware = Hardware(G, 4, "tcg", "q35", 512 * M, nodes=2)
    files = Files(Path("bzImage"), 9, "quiet", Memory("/dev/fd/7", ("a,b", "/dev/fd/9")), Path("c"))
    words = command_line(hardware, files, Sockets(3, 4, (5,)))
    assert after(words, "-machine") == "q35,nvdimm=on,sata=off,smbus=off"
    # CPUs of two nodes in one socket: topology_sane() warns of that.
    assert after(words, "-smp") == "4,sockets=2"
    nodes = [words[at + 1] for at, word in enumerate(words) if word == "-numa"]
    assert nodes == [
        "node,nodeid=0,cpus=0-1,memdev=ram",
        "node,nodeid=1,cpus=2-3,memdev=ram1",
    ]
    assert backends(words)[1:] == [
        f"memory-backend-file,id=ram,share=on,mem-path=a,,b,size={512 * M}",
        f"memory-backend-file,id=ram1,share=on,mem-path=/dev/fd/9,size={512 * M}",
    ]
    assert after(words, "-device") == "nvdimm,id=nvdimm0,memdev=nv0,node=1"


def test_nodes_of_a_guest_that_is_not_saved() -> None:
    hardware = Hardware(G, 4, "tcg", "q35", 512 * M, "memmap", nodes=2)
    files = Files(Path("bzImage"), 9, "quiet", Memory("/dev/fd/7"), Path("console"))
    # On the last node is what memmap= sets apart, too.
    assert backends(command_line(hardware, files, Sockets(3, 4, (5,)))) == [
        f"memory-backend-ram,id=ram,size={512 * M}",
        f"memory-backend-ram,id=ram1,size={G}",
    ]


def test_an_image_is_the_last_nvdimm_and_stays_as_it_is() -> None:
    plain, with_image = (Hardware(G, 2, "tcg", "q35", 512 * M, image=size) for size in (0, 640 * M))
    before = " ".join(line(plain))
    memory = Memory(nvdimm="/dev/fd/7", ram=("/dev/fd/8",), image="/cache/root,ext2")
    files = Files(Path("bzImage"), 9, "quiet", memory, Path("console"))
    words = command_line(with_image, files, Sockets(3, 4, (5, 6)))
    devices = [after(words[at:], "-device") for at, word in enumerate(words) if word == "-device"]
    assert devices[:2] == ["nvdimm,id=nvdimm0,memdev=nv0", "nvdimm,id=rootfs,memdev=image"]
    backend = f"id=image,share=off,mem-path=/cache/root,,ext2,size={640 * M}"
    assert f"memory-backend-file,{backend}" in words
    assert after(words, "-m") == f"size=1024M,slots=2,maxmem={1024 + 512 + 640 + 1024}M"
    assert "image" not in before
    assert "slots=1" in before


def test_a_second_memory_has_a_slot_of_its_own() -> None:
    plain, two = (Hardware(G, 2, "tcg", "q35", 512 * M, scratch=size) for size in (0, 512 * M))
    assert "scratch" not in " ".join(line(plain))
    memory = Memory(nvdimm="/dev/fd/7", scratch="/dev/fd/10")
    files = Files(Path("bzImage"), 9, "quiet", memory, Path("console"))
    words = command_line(two, files, Sockets(3, 4, (5, 6)))
    devices = [after(words[at:], "-device") for at, word in enumerate(words) if word == "-device"]
    assert devices[:2] == ["nvdimm,id=nvdimm0,memdev=nv0", "nvdimm,id=scratch,memdev=nv2,slot=2"]
    backend = f"id=nv2,share=on,mem-path=/dev/fd/10,size={512 * M}"
    assert f"memory-backend-file,{backend}" in words
    assert after(words, "-m") == f"size=1024M,slots=3,maxmem={1024 + 512 + 512 + 1024}M"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("regions", "status", "made"),
    [
        # The image's NVDIMM in the middle, and the other way round.
        ({0: 1, 1: 2, 2: 3}, 0, "2"),
        ({0: 1, 1: 3, 2: 2}, 0, "1"),
        ({0: 1, 1: 2}, 9, None),
        ({0: 3, 1: 1}, 9, None),
    ],
)
def test_the_second_memory_is_found_by_its_slot(
    tmp_path: Path, regions: dict[int, int], status: int, made: str | None
) -> None:
    for region, handle in regions.items():
        # nmem1 is no handle 2: the kernel numbers them as it finds them.
        dimm = tmp_path / f"nmem{9 - region}" / "nfit"
        dimm.mkdir(parents=True)
        (dimm / "handle").write_text(f"0x{handle}\n")
        (tmp_path / f"region{region}").mkdir()
        (tmp_path / f"region{region}" / "mapping0").write_text(f"nmem{9 - region},0,1073741824,0\n")
    ndctl, device = tmp_path / "ndctl", tmp_path / "lab-scratch"
    ndctl.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/said\n')
    ndctl.chmod(0o755)
    script = make_scratch(KernelVersion.parse("6.1"))
    for there, here in (("/sys/bus/nd/devices", tmp_path), (DEVICE, device)):
        script = script.replace(there, str(here))
    end = subprocess.run(
        ["sh", "-c", script], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=False
    )
    assert end.returncode == status
    assert device.is_symlink() == (made is not None)
    if made is not None:
        assert str(device.readlink()) == f"pmem{made}"
        assert f"namespace{made}.0" in (tmp_path / "said").read_text()
    assert "ndctl" not in make_scratch(KernelVersion.parse("4.2"))


def test_description_tells_them_apart() -> None:
    nvdimm = Hardware(G, 2, "tcg", "pc", 512 * M)
    memmap = Hardware(G, 2, "tcg", "pc", 512 * M, "memmap")
    assert nvdimm.key == "pc, 2 CPUs, 1024 MiB of RAM, 512 MiB NVDIMM, tcg"
    assert memmap.key == (
        "pc, 2 CPUs, 1024 MiB of RAM, 512 MiB of RAM as persistent memory "
        "(memmap=512M!0x100000000), tcg"
    )
    assert replace(nvdimm, scratch=G).key == f"{nvdimm.key}, a second NVDIMM of 1024 MiB"
    virtio = replace(nvdimm, pmem="virtio-pmem")
    assert virtio.key == "pc, 2 CPUs, 1024 MiB of RAM, 512 MiB virtio-pmem, tcg"
    nodes = replace(nvdimm, nodes=2)
    assert nodes.key == "pc, 2 CPUs on 2 nodes, 1024 MiB of RAM, 512 MiB NVDIMM, tcg"
    with_image = replace(nvdimm, image=640 * M)
    assert with_image.key == f"{nvdimm.key}, an NVDIMM with an image"


MACHINES = """
[machines.memmap]
pmem = "memmap"
[machines.odd]
pmem = "memmap"
type = "q35"
memory = "2113M"
[matrix.memmap]
variants = ["distro"]
machine = "memmap"
suites = ["populate"]
[matrix.odd]
variants = ["distro"]
machine = "odd"
suites = ["limits"]
"""


@pytest.mark.guest
@pytest.mark.parametrize(("matrix", "tests"), [("memmap", 80), ("odd", 24)])
def test_memmap_machine_is_proved_to_be_dax(clean_folder: Path, matrix: str, tests: int) -> None:
    """Kernels since 4.2 have both drivers, so what 4.1 needs can be tried on it."""
    document = Project(clean_folder / "project", MACHINES).json("matrix", matrix)
    assert document["problems"] == []
    assert [result for result in document["results"] if result["status"] != "pass"] == []
    assert len(document["results"]) == tests
    (job,) = document["jobs"]
    evidence = job["evidence"]
    assert "as persistent memory (memmap=512M!" in evidence["machine_description"]
    assert "memmap=512M!" in evidence["cmdline"]
    for proof in evidence["dax"].values():
        assert proof["iomem"] == "Persistent Memory (legacy)"
        assert proof["pfn_in_pmem"] == "yes"
        assert proof["proved_by"] == "mount option, statx, page address"
        assert int(proof["phys"], 16) >= 4 * G


WANTING = """
[matrix.numa]
variants = ["distro"]
machine = "numa"
suites = ["limits"]
[matrix.virtio-pmem]
variants = ["distro"]
machine = "virtio-pmem"
suites = ["limits"]
"""


@pytest.mark.guest
@pytest.mark.parametrize(
    ("machine", "said", "restored"),
    [
        # Each of its guests has shown its nodes, or it would have no result.
        ("numa", "q35, 4 CPUs on 2 nodes, 1024 MiB of RAM, 512 MiB NVDIMM, tcg", True),
        ("virtio-pmem", "q35, 2 CPUs, 1024 MiB of RAM, 512 MiB virtio-pmem, tcg", False),
    ],
)
def test_a_machine_that_wants_something_of_the_kernel(
    clean_folder: Path, machine: str, said: str, restored: bool
) -> None:
    document = Project(clean_folder / "project", WANTING).json("matrix", machine)
    assert document["problems"] == []
    assert {result["status"] for result in document["results"]} == {"pass"}
    assert len(document["results"]) == 24
    (job,) = document["jobs"]
    evidence = job["evidence"]
    assert evidence["machine_description"].rpartition(", ")[0] == said.rpartition(", ")[0]
    assert [bool(guest["state"]) for guest in evidence["guests"]] == [restored, restored]
    assert [proof["pfn_in_pmem"] for proof in evidence["dax"].values()] == ["yes", "yes"]


def test_no_network_but_ports_for_ssh() -> None:
    words = line(Hardware(G, 2, "tcg", "q35", 512 * M))
    assert not any("net" in word for word in words)
    devices = [words[at + 1] for at, word in enumerate(words) if word == "-device"]
    ports = [device for device in devices if device.startswith("virtserialport")]
    assert ports == [f"virtserialport,chardev=ssh{n},nr={n}" for n in (1, 2)]
    # The kernel numbers the devices in this order.
    virtio = [device for device in devices if device.startswith("virtio-")]
    assert virtio[0] == "virtio-serial-pci,max_ports=3"
    assert {"socket,id=ssh1,fd=5", "socket,id=ssh2,fd=6"} < set(words)
