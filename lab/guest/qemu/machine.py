# SPDX-License-Identifier: GPL-2.0-only
"""A machine of ``lab.toml`` as a guest under QEMU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.arch.architecture import Pmem
from lab.errors import InfrastructureError, UserError
from lab.guest.qemu.accelerator import choose
from lab.guest.qemu.command_line import Hardware
from lab.guest.qemu.guest import QemuSpec
from lab.guest.qemu.parts import AnyAccelerator, clock_arguments
from lab.guest.qemu.pmem import choose_pmem
from lab.guest.qemu.scratch import make_scratch
from lab.guest.request import NOT_THE_MACHINE, GuestRequest
from lab.image import base_image
from lab.model.version import KernelVersion
from lab.process.shelf import STATES

if TYPE_CHECKING:
    from lab.guest.qemu.counting import Counting

#: The status is that of a namespace that cannot be made (lab/filesystems/pmem.py).
_SHOW_FIRST = (
    'if [ "$(cat /sys/bus/nd/devices/region0/size)" != {} ]; then '
    "echo region0 is not the memory under test >&2; exit 9; fi\n"
)
#: Where the NVDIMM is, a kernel says whose regions have that attribute.
_SHOW_NODES = """\
for node in {nodes}; do
  at=/sys/devices/system/node/node$node
  [ -n "$(cat $at/cpulist)" ] || {{ echo "no CPUs on node $node" >&2; exit {status}; }}
  grep -q 'MemTotal: *[1-9]' $at/meminfo || {{ echo "no memory on node $node" >&2; exit {status}; }}
done
at=/sys/bus/nd/devices/region0/numa_node
[ {nvdimm} = no ] || [ ! -e $at ] || [ "$(cat $at)" = $node ] || {{
  echo "the NVDIMM is on node $(cat $at), not $node" >&2; exit {status}; }}
"""


def qemu_spec(asked: GuestRequest) -> QemuSpec:
    """All that such a guest is made from, with what this host can do for it."""
    built, deadlines = asked.built, asked.deadlines
    hardware = _hardware(asked)
    chosen = asked.machine.accelerator == "auto" and asked.probes is None
    return QemuSpec(
        kernel=built.image,
        image=base_image(asked.cache),
        programs=asked.programs,
        hardware=hardware,
        folder=asked.folder,
        boot_s=deadlines.boot,
        ssh_s=deadlines.ssh,
        command_s=deadlines.setup,
        shutdown_s=deadlines.shutdown,
        append=clock_arguments(hardware.accelerator, asked.cache, built.hz),
        prepare=_prepare(asked, hardware),
        states=STATES.place(asked.cache) if _is_saved(asked, hardware) else None,
        stall_s=deadlines.stall,
        userland=asked.userland,
        counting=None if asked.probes is None else _counting(asked.cache, asked.probes, hardware),
        any_accelerator=AnyAccelerator(deadlines.accelerator, built.hz) if chosen else None,
    )


def _counting(cache: Path, probes: Path, hardware: Hardware) -> Counting:
    # Not at start-up: few count.
    from lab.guest.qemu.counting_means import counting_means

    if hardware.accelerator != "tcg":
        raise InfrastructureError(
            f"lines are counted under TCG alone, and this guest has {hardware.accelerator}",
            hint='accelerator = "tcg" in the table of the machine',
        )
    return counting_means(cache).counting(probes)


def _hardware(asked: GuestRequest) -> Hardware:
    machine, built = asked.machine, asked.built
    accelerator = choose(
        machine.accelerator, asked.cache, asked.deadlines.accelerator, built.image, asked.say
    )
    pmem = choose_pmem(machine.pmem, KernelVersion.of_release(built.release))
    return Hardware(
        machine.memory,
        machine.cpus,
        accelerator.name,
        machine.type,
        machine.nvdimm,
        pmem,
        _image(asked, pmem),
        _scratch(asked, pmem),
        machine.nodes,
    )


def _is_saved(asked: GuestRequest, hardware: Hardware) -> bool:
    return asked.machine.saved_state and hardware.can_be_saved


def _prepare(asked: GuestRequest, hardware: Hardware) -> str:
    """What each guest does first: it shows that it is this machine.

    Where it has an image, none of what follows may be done to that.
    """
    first = _SHOW_FIRST.format(hardware.nvdimm) if hardware.image else ""
    version = KernelVersion.of_release(asked.built.release)
    second = make_scratch(version) if hardware.scratch else ""
    return f"{show_nodes(hardware)}{first}{second}{asked.prepare}"


def _scratch(asked: GuestRequest, pmem: Pmem) -> int:
    """The size of the second NVDIMM."""
    size = asked.machine.scratch or 0
    if size and pmem != "nvdimm":
        raise UserError(
            f"scratch is a second NVDIMM, and this guest has {pmem} in place of those: its "
            f"machine says so, or {asked.built.release} has no driver for one",
            hint='a newer kernel, or pmem = "nvdimm" in the table of the machine',
        )
    return size


def show_nodes(hardware: Hardware) -> str:
    """Shell code that ends where the kernel does not see each node with CPUs and memory.

    It would be a machine of another name.
    """
    if hardware.nodes == 1:
        return ""
    nodes = " ".join(map(str, range(hardware.nodes)))
    nvdimm = "yes" if hardware.pmem == "nvdimm" else "no"
    return _SHOW_NODES.format(nodes=nodes, status=NOT_THE_MACHINE, nvdimm=nvdimm)


def _image(asked: GuestRequest, pmem: Pmem) -> int:
    """The size of the NVDIMM that a root filesystem is on."""
    if asked.userland is None:
        return 0
    if pmem != "nvdimm":
        raise UserError(
            f"image {asked.userland.name!r} comes as an NVDIMM, and this guest has {pmem} in "
            f"place of those: its machine says so, or {asked.built.release} has no driver for one",
            hint='a newer kernel, or pmem = "nvdimm" in the table of the machine',
        )
    return asked.userland.size
