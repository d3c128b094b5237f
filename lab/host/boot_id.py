# SPDX-License-Identifier: GPL-2.0-only
"""Which boot of this host it is."""

from __future__ import annotations

from pathlib import Path


def boot_id() -> str:
    """What no other boot has (random(4)); "" where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
