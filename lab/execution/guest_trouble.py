# SPDX-License-Identifier: GPL-2.0-only
"""What trouble with a guest is worth as a result: whose fault it is."""

from __future__ import annotations

from pathlib import Path

from lab.errors import InfrastructureError, LabError
from lab.filesystems.filesystem import CannotMount
from lab.guest.command import CommandTimeout
from lab.guest.guest import BootTimeout, GuestDied
from lab.model.status import Status


def status_of(error: LabError) -> Status:
    """Whose fault a lost guest is: the kernel's until shown otherwise."""
    if isinstance(error, GuestDied):
        return Status.CRASH if error.kernel else Status.ERROR
    if isinstance(error, CannotMount):
        return Status.SKIP
    return Status.TIMEOUT if isinstance(error, BootTimeout | CommandTimeout) else Status.ERROR


def not_kept(error: OSError, folder: Path) -> InfrastructureError:
    """No space, most likely: what cannot be looked at later is no result."""
    return InfrastructureError(
        f"the evidence cannot be kept: {error.strerror or error}", where=folder, hint="lab doctor"
    )
