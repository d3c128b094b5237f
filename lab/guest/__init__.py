# SPDX-License-Identifier: GPL-2.0-only
"""One running machine, and nothing left of it afterwards."""

from lab.guest.command import CommandFlood, CommandResult, CommandTimeout
from lab.guest.qemu.command_line import Hardware
from lab.guest.qemu.guest import Guest, GuestSpec, Hang
from lab.guest.qemu.pmem import choose_pmem
from lab.guest.qemu.process import BootTimeout, GuestDied

__all__ = [
    "BootTimeout",
    "CommandFlood",
    "CommandResult",
    "CommandTimeout",
    "Guest",
    "GuestDied",
    "GuestSpec",
    "Hang",
    "Hardware",
    "choose_pmem",
]
