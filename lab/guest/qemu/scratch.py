# SPDX-License-Identifier: GPL-2.0-only
"""A second persistent memory, for programs that want two devices.

Which region is whose QEMU leaves to the order of a hash table, and two may be of one size.  The
handle of an NVDIMM is its slot and one (QEMU's hw/acpi/nvdimm.c), and the kernel tells it.
"""

from __future__ import annotations

from lab.features import has
from lab.guest.qemu.command_line import SCRATCH_SLOT
from lab.model.version import KernelVersion

#: Where a guest has it.
DEVICE = "/dev/lab-scratch"
#: The status is that of a namespace that cannot be made (lab/filesystems/pmem.py).
_FIND = """\
in_slot() {
	for region in /sys/bus/nd/devices/region*; do
		read -r dimm <"$region/mapping0"
		read -r handle <"/sys/bus/nd/devices/${dimm%%,*}/nfit/handle"
		[ $((handle)) = $(($1 + 1)) ] && echo "${region##*region}" && return
	done
	echo "there is no NVDIMM in slot $1" >&2
	return 1
}
"""
_USE = """\
first=$(in_slot 0) && second=$(in_slot {slot}) || exit 9
[ "$first" = 0 ] || {{ echo "region$first, and not region0, is the one under test" >&2; exit 9; }}
{make}ln -sf "pmem$second" {device}
"""
_FSDAX = "ndctl create-namespace -f -e namespace$second.0 --mode=fsdax >/dev/null || exit 9\n"


def make_scratch(version: KernelVersion) -> str:
    """What a guest of a kernel of ``version`` does to have DEVICE, as prepare_script() does."""
    make = _FSDAX if has(version, "fsdax-namespace") else ""
    return _FIND + _USE.format(slot=SCRATCH_SLOT, make=make, device=DEVICE)
