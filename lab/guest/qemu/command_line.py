# SPDX-License-Identifier: GPL-2.0-only
"""A machine as QEMU's command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.arch import ARCH
from lab.arch.architecture import Pmem
from lab.guest.qemu.pmem import MemMap

_MIB = 1 << 20
#: No label area: it would come off the end, and a region whose size is not a multiple of
#: 16 MiB takes no fsdax namespace on 6.1.
_NVDIMM = "nvdimm,id=nvdimm0,memdev=nv0"
_VIRTIO_PMEM = "virtio-pmem-pci,id=vpmem0,memdev=nv0"
#: QEMU's nvdimm_get_device_list() goes by a hash table of these names: with this one it comes
#: after nvdimm0, which stays region0, and pmem0.
_IMAGE = ("-device", "nvdimm,id=rootfs,memdev=image")
#: A second memory for programs: its slot is what tells it from the others, whatever their order.
SCRATCH_SLOT = 2
SCRATCH = ("-device", f"nvdimm,id=scratch,memdev=nv{SCRATCH_SLOT},slot={SCRATCH_SLOT}")
#: Old kernels wait for entropy before they answer (virtme-ng#217).
ENTROPY = ("-device", "virtio-rng-pci")
#: MiB of translated code that TCG keeps before it drops all; by itself up to 1,024 (tcg/region.c).
#: Each process has a libc's page elsewhere, and so translations of its own of it: of a guest that
#: started thousands a page has as many, and when it is used for something else each store walks
#: the list of them (tb_page_remove()).  Of 4 KiB that was 8 s of CPU: on a busy host, an RCU stall.
_TRANSLATED = 128
#: SSH connections that a guest can have, one after the other; guest-tests/ssh-waits.h.
SSH_PORTS = 4


@dataclass(frozen=True)
class Hardware:
    """The machine a guest runs on; sizes in bytes.

    ``nvdimm`` is the size of its persistent memory, ``pmem`` what that is; ``image`` is the
    size of one more NVDIMM, with a root filesystem, and ``scratch`` that of one for programs
    that want two, or 0.  CPUs and RAM are on ``nodes`` of NUMA.
    """

    memory: int
    cpus: int
    accelerator: str
    type: str
    nvdimm: int
    pmem: Pmem = "nvdimm"
    image: int = 0
    scratch: int = 0
    nodes: int = 1

    def describe(self) -> str:
        """One line for people: nobody has found better words yet than those of ``key``."""
        return self.key

    @property
    def key(self) -> str:
        """What tells it from other hardware.

        Its digest names setups in databases, in these words: they stay as they are.
        """
        return (
            f"{self.type}, {self.cpus} CPUs{self._nodes()}, {self.memory // _MIB} MiB of RAM, "
            f"{self.nvdimm // _MIB} MiB {self._pmem()}, {self.accelerator}"
            f"{self._image()}{self._scratch()}"
        )

    def _nodes(self) -> str:
        return f" on {self.nodes} nodes" if self.nodes > 1 else ""

    def _scratch(self) -> str:
        return f", a second NVDIMM of {self.scratch // _MIB} MiB" if self.scratch else ""

    def _image(self) -> str:
        # Not its size: what is in it is told of the programs.
        return ", an NVDIMM with an image" if self.image else ""

    def _pmem(self) -> str:
        if self.memmap is None:
            return "NVDIMM" if self.pmem == "nvdimm" else self.pmem
        return f"of RAM as persistent memory ({self.memmap.argument})"

    @property
    def memmap(self) -> MemMap | None:
        """The RAM that ``memmap=`` sets apart, on a machine that has some."""
        return MemMap(self.memory, self.nvdimm) if self.pmem == "memmap" else None

    @property
    def ram(self) -> int:
        """All RAM that QEMU gives it."""
        return self.memory if self.memmap is None else self.memmap.ram

    @property
    def node_sizes(self) -> tuple[int, ...]:
        """The RAM of each node; on the last is what ``memmap=`` sets apart."""
        each = self.memory // self.nodes
        return (*(self.nodes - 1) * (each,), self.ram - (self.nodes - 1) * each)

    @property
    def can_be_saved(self) -> bool:
        """Whether a guest can be saved and restored.

        QEMU has no VMState of a virtio-pmem (hw/virtio/virtio-pmem.c): a restored guest
        would wait for ever for the answer to its first flush.
        """
        return self.pmem != "virtio-pmem"


@dataclass(frozen=True)
class Memory:
    """Where a guest's memory is: paths QEMU opens, as ``/dev/fd/N`` for those it inherits.

    ``ram`` is a path for each node; without any it is memory of QEMU's own.  ``private`` leaves
    the files as they are.  ``image`` and ``scratch`` are of the hardware's; an image is left as
    it is but for ``copied``, when a guest has a copy.
    """

    nvdimm: str
    ram: tuple[str, ...] = ()
    private: bool = False
    image: str = ""
    scratch: str = ""
    copied: bool = False
    descriptors: tuple[int, ...] = ()


@dataclass(frozen=True)
class Files:
    """What a guest is started from, and where it leaves its traces.

    ``initrd`` is a descriptor QEMU inherits, or None for a guest that has booted.
    """

    kernel: Path
    initrd: int | None
    append: str
    memory: Memory
    console: Path

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The file descriptors that QEMU inherits."""
        return self.memory.descriptors + (() if self.initrd is None else (self.initrd,))


@dataclass(frozen=True)
class Sockets:
    """The descriptors of the sockets that QEMU inherits: one for each of SSH_PORTS ports."""

    marks: int
    monitor: int
    ssh: tuple[int, ...]

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All of them."""
        return (self.marks, self.monitor, *self.ssh)


def command_line(
    hardware: Hardware,
    files: Files,
    sockets: Sockets,
    *,
    incoming: bool = False,
    tcg: str = "",
) -> list[str]:
    """QEMU's arguments.

    ``incoming`` starts nothing until the monitor names a saved state; ``tcg`` is for ``-accel``
    of a guest that counts.
    """
    of_one = files.memory.ram and hardware.nodes == 1
    device = pmem_device(hardware)
    # The kernel calls the ports by the number of their device among virtio's, which is to be 0.
    first, last = ((), device) if hardware.pmem == "virtio-pmem" else (device, ())
    return [
        *machine_words(hardware, ",memory-backend=ram" if of_one else "", tcg),
        *_backends(hardware, files.memory),
        *node_words(hardware, files.memory.ram),
        *first,
        *(_IMAGE if hardware.image else ()),
        *(SCRATCH if hardware.scratch else ()),
        # A restored guest's console goes on where the saved one's ended.
        "-chardev", f"file,id=console,path={_comma(files.console)},append=on",
        "-serial", "chardev:console",
        "-chardev", f"socket,id=marks,fd={sockets.marks}",
        "-serial", "chardev:marks",
        "-chardev", f"socket,id=monitor,fd={sockets.monitor}",
        "-mon", "chardev=monitor,mode=control",
        *_ssh_ports(sockets.ssh),
        *ENTROPY,
        *last,
        # A restored guest keeps the kernel, or the head of it: its loader's ROM is part of the
        # machine, and nobody boots what is in it.
        "-kernel", str(files.kernel),
        "-append", files.append,
        *(() if files.initrd is None else ("-initrd", f"/dev/fd/{files.initrd}")),
        *(("-incoming", "defer") if incoming else ()),
        *_resets(files.console.with_name("resets.log")),
    ]  # fmt: skip


def machine_words(hardware: Hardware, more: str = "", accelerator: str = "") -> list[str]:
    """QEMU and what makes the bare machine, without disks, ports and a kernel.

    Args:
        more: Properties of the machine, each after a comma.
        accelerator: The value of ``-accel``; by default what guests have.
    """
    machine = f"{hardware.type},{machine_properties(hardware)}"
    return [
        ARCH.qemu,
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display", "none",
        "-machine", f"{machine}{more}",
        "-accel", accelerator or _accelerator(hardware.accelerator),
        "-cpu", ARCH.cpus[hardware.accelerator],
        "-smp", _cpus(hardware),
        "-m", memory_size(hardware),
    ]  # fmt: skip


def _accelerator(name: str) -> str:
    return f"tcg,tb-size={_TRANSLATED}" if name == "tcg" else name


def _cpus(hardware: Hardware) -> str:
    # A socket for each node: what shares a cache across nodes the kernel warns of (topology_sane).
    return f"{hardware.cpus}{f',sockets={hardware.nodes}' if hardware.nodes > 1 else ''}"


def node_words(hardware: Hardware, ram: Sequence[str] = ()) -> list[str]:
    """What spreads CPUs and RAM over several nodes; nothing where there is one.

    Args:
        ram: Backends that are there; by default, memory of QEMU's own.
    """
    if hardware.nodes == 1:
        return []
    each, words = hardware.cpus // hardware.nodes, []
    for number, size in enumerate(hardware.node_sizes):
        if not ram:
            words += ["-object", f"memory-backend-ram,id={ram_name(number)},size={size}"]
        first, last = number * each, (number + 1) * each - 1
        words += [
            "-numa",
            f"node,nodeid={number},cpus={first}-{last},memdev={ram_name(number)}",
        ]
    return words


def ram_name(node: int) -> str:
    """What the RAM of a node is called: QEMU's object, and its file in a saved state."""
    return f"ram{node or ''}"


def pmem_device(hardware: Hardware) -> tuple[str, ...]:
    """The ``-device`` of the persistent memory; nothing where that is RAM."""
    if hardware.memmap is not None:
        return ()
    if hardware.pmem == "virtio-pmem":
        return "-device", _VIRTIO_PMEM
    node = f",node={hardware.nodes - 1}" if hardware.nodes > 1 else ""
    return "-device", f"{_NVDIMM}{node}"


def nvdimm_backend(path: str, size: int, share: str = "on", slot: int = 0) -> str:
    """The ``-object`` behind the persistent memory's device, or SCRATCH: a file."""
    return f"memory-backend-file,id=nv{slot},share={share},mem-path={path},size={size}"


def _ssh_ports(descriptors: Sequence[int]) -> Iterator[str]:
    """No network: nobody else on the host can connect, and the guest reaches nothing."""
    # The first on the bus, so that the kernel numbers it 0 (/dev/vport0p1).  Each port that
    # could be costs the guest's driver two queues; port 0 is a console's.
    yield from ("-device", f"virtio-serial-pci,max_ports={len(descriptors) + 1}")
    for number, descriptor in enumerate(descriptors, 1):
        yield from ("-chardev", f"socket,id=ssh{number},fd={descriptor}")
        yield from ("-device", f"virtserialport,chardev=ssh{number},nr={number}")


def _resets(log: Path) -> tuple[str, ...]:
    """TCG's word on why a CPU was reset, registers and all: a triple fault says nothing else."""
    # "%" is a format there.
    return () if "%" in str(log) else ("-d", "cpu_reset", "-D", str(log))


def _backends(hardware: Hardware, memory: Memory) -> list[str]:
    share = "off" if memory.private else "on"
    objects = []
    if hardware.memmap is None:
        objects.append(nvdimm_backend(_comma(memory.nvdimm), hardware.nvdimm, share))
    if hardware.scratch:
        path = _comma(memory.scratch)
        objects.append(nvdimm_backend(path, hardware.scratch, share, SCRATCH_SLOT))
    # zip: of no files there are no backends.
    for number, (path, size) in enumerate(zip(memory.ram, hardware.node_sizes, strict=False)):
        ram = f"id={ram_name(number)},share={share},mem-path={_comma(path)},size={size}"
        objects.append(f"memory-backend-file,{ram}")
    if hardware.image:
        # QEMU's migration has all in its stream that is not shared.
        shared = "on" if memory.copied else "off"
        image = f"id=image,share={shared},mem-path={_comma(memory.image)},size={hardware.image}"
        objects.append(f"memory-backend-file,{image}")
    return [part for one in objects for part in ("-object", one)]


def kernel_arguments(hardware: Hardware, extra: str = "") -> str:
    """The kernel's command line: a panic or an oops becomes QEMU's exit."""
    memmap = "" if hardware.memmap is None else hardware.memmap.argument
    words = (f"console={ARCH.console}", ARCH.arguments, extra, memmap)
    return " ".join(filter(None, words))


def machine_properties(hardware: Hardware) -> str:
    """What ``-machine`` needs for the persistent memory, and what it need not have."""
    memmap = hardware.memmap
    memory = "nvdimm=on" if hardware.pmem == "nvdimm" else ""
    if memmap is not None:
        memory = f"max-ram-below-4g={memmap.low}"
    return ",".join(filter(None, (memory, ARCH.machine_without(hardware.type))))


def memory_size(hardware: Hardware) -> str:
    """The value of ``-m``."""
    if hardware.memmap is not None:
        return f"size={hardware.ram // _MIB}M"
    # maxmem must hold RAM and every NVDIMM; one slot a DIMM.
    # A number without a suffix would be MiB.
    nvdimms = hardware.nvdimm + hardware.image + hardware.scratch
    most = hardware.memory + nvdimms + (1 << 30)
    slots = SCRATCH_SLOT + 1 if hardware.scratch else 2 if hardware.image else 1
    return f"size={hardware.memory // _MIB}M,slots={slots},maxmem={most // _MIB}M"


def _comma(value: str | Path) -> str:
    """A comma ends a value in QEMU's option syntax unless it is doubled."""
    return str(value).replace(",", ",,")
