# SPDX-License-Identifier: GPL-2.0-only
"""Device DAX: the persistent memory as a character device, which programs map by themselves.

No filesystem at all, and in the place of one: what is under test is the same memory, through
the same calls, and a program finds the device in the folder that it runs in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from lab.config.model import Filesystem as Table
from lab.features import Feature, feature, has
from lab.filesystems.filesystem import CannotMount, NotProved, Proof
from lab.filesystems.pmem import DAX_DEVICE
from lab.model.version import KernelVersion

_FEATURE = "device-dax"
#: In the folder of its programs.
_NAME = "device"
#: On the bus of NVDIMMs, where a kernel has a driver of such namespaces.
_DRIVER = "/sys/bus/nd/drivers/dax_pmem"
#: Below the region that is under test: /sys/devices/…/ndbus0/region0/dax0.1/dax0.0.
_REGION = "/region0/"
_BY_HAND = """\
grep -qx 'device_dax=.*/region0/.*' /tmp/proof || echo "is not device DAX of region0"
"""


@dataclass(frozen=True)
class DeviceDaxProof:
    """That the device is one of device DAX, and of the persistent memory under test.

    Where its pages are, a program of ``guest-tests/`` says of each mapping.
    """

    name: str = _FEATURE
    programs: tuple[str, ...] = ()
    by_hand: str = _BY_HAND

    def ask(self, folder: str) -> str:
        """Where the device is among the kernel's; /sys/bus/dax came with 5.1."""
        return (
            f"if [ -c {folder}/{_NAME} ]; then\n"
            f"\techo device_dax=$(readlink -f /sys/bus/dax/devices/dax0.0 || "
            "readlink -f /sys/class/dax/dax0.0)\nfi"
        )

    def check(self, filesystem: str, said: Mapping[str, str]) -> str:
        """Raise NotProved unless it is of that region."""
        place = said.get("device_dax", "no device")
        if _REGION not in place:
            raise NotProved(f"{filesystem} is not proved to be device DAX: {place}")
        return "device in sysfs"


@dataclass(frozen=True)
class DeviceDax:
    """A namespace in devdax mode, 2 MiB at a time; a kernel may lack what that takes."""

    name: str
    lacking: Feature | None = None
    type: str = "devdax"
    tools: tuple[str, ...] = ()

    @property
    def device(self) -> str:
        """The character device; no table of mounts has it."""
        return DAX_DEVICE

    @property
    def mount_point(self) -> str:
        """The folder that has a link to it."""
        return f"/mnt/{self.name}"

    def for_kernel(self, version: KernelVersion, cache: Path) -> Self:
        """The same with what a kernel of ``version`` lacks for it."""
        lacking = None if has(version, _FEATURE) else feature(_FEATURE)
        return replace(self, lacking=lacking)

    def make(self) -> str:
        """Have the namespace in that mode, where the kernel can."""
        if self.lacking is not None:
            return ""
        return "ndctl create-namespace -f -e namespace0.0 --mode=devdax --align=2M"

    def mount(self) -> str:
        """A link to the device; it fails where there is no driver of it."""
        return f"[ -e {_DRIVER} ] && ln -sfn {DAX_DEVICE} {self.mount_point}/{_NAME}"

    def prove(self) -> tuple[Proof, ...]:
        """That the device is what it is said to be."""
        return (DeviceDaxProof(),)

    def check_refusal(self, log: str) -> None:
        """Raise CannotMount if the kernel's version has not what it takes; it had no driver."""
        if self.lacking is not None:
            raise CannotMount(f"this kernel has no driver of {DAX_DEVICE}: {self.lacking}")

    def describe(self) -> str:
        """How it is made."""
        return "ndctl --mode=devdax --align=2M"


def device_dax(name: str, table: Table) -> DeviceDax:
    """The one that a table of ``lab.toml`` describes: it says no more than that."""
    return DeviceDax(name)
