# SPDX-License-Identifier: GPL-2.0-only
"""What proves that ext2 is ext2: ext4's driver mounts it under the same name.

With CONFIG_EXT4_USE_FOR_EXT2 and no CONFIG_EXT2_FS, fs/ext4/super.c registers a filesystem
``ext2``, and the table of mounts says no more.  What ext4's driver has mounted has a folder
in /sys/fs/ext4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.filesystems.filesystem import NotProved
from lab.filesystems.pmem import DEVICE

OWN_DRIVER = "ext2"
_SYSFS = f"/sys/fs/ext4/{DEVICE.rpartition('/')[2]}"
_BY_HAND = """\
grep -qx driver=ext2 /tmp/proof || echo "is served by another driver than ext2's"
"""


@dataclass(frozen=True)
class OwnDriverProof:
    """That ext2's own driver serves it."""

    name: str = OWN_DRIVER
    programs: tuple[str, ...] = ()
    by_hand: str = _BY_HAND

    def ask(self, folder: str) -> str:
        """Whether ext4's driver says that it has the device, and as what it is mounted."""
        return (
            f"if [ -e {_SYSFS} ]; then echo driver=ext4\n"
            f"elif [ -d /sys/fs ] && grep -q ' {folder} ext2 ' /proc/mounts; then\n"
            "\techo driver=ext2\nfi"
        )

    def check(self, filesystem: str, said: Mapping[str, str]) -> str:
        """Raise NotProved where it is another's, or nobody can say."""
        driver = said.get("driver", "nobody knows whose")
        if driver != "ext2" or "using the ext4 subsystem" in said.get("log", ""):
            raise NotProved(f"{filesystem} is not proved to be ext2's own driver: {driver}")
        return "no mount of ext4's in sysfs"
