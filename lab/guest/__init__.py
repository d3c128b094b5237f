# SPDX-License-Identifier: GPL-2.0-only
"""One running machine, and nothing left of it afterwards."""

from lab.guest.command import CommandFlood, CommandResult, CommandTimeout
from lab.guest.guest import Guest, GuestSpec, Hang
from lab.guest.pmem import choose_pmem
from lab.guest.qemu import Hardware
from lab.guest.vm import BootTimeout, GuestDied

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
