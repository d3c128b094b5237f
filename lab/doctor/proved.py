# SPDX-License-Identifier: GPL-2.0-only
"""What was shown of this machine, for whoever offers it to others."""

from __future__ import annotations

from functools import cache as once
from pathlib import Path

from lab.errors import InfrastructureError
from lab.guest.qemu.accelerator import probe, qemu_version


@once
def qemu_here() -> str:
    """QEMU's version; "" where it is not installed."""
    try:
        return qemu_version().removeprefix("QEMU emulator version ")
    except InfrastructureError:
        return ""


def kvm_runs(cache: Path, deadline_s: float) -> bool:
    """Whether a guest ran under KVM here; what was found out before is taken from the cache."""
    try:
        return bool(probe("kvm", cache, deadline_s))
    except InfrastructureError:
        return False
