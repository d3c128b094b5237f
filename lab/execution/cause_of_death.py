# SPDX-License-Identifier: GPL-2.0-only
"""Why a guest ended when its kernel said nothing of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from lab.arch import ARCH
from lab.model.complaint import Complaint, Kind

_TAIL = 8192
# kernel/reboot.c, drivers/tty/sysrq.c
_LAST = (
    (re.compile(r"reboot: (?:Power down|System halted)"), "the guest powered off"),
    (re.compile(r"reboot: (?:Restarting system|machine restart)"), "the guest rebooted"),
    (re.compile(r"(?:sysrq: |SysRq : )Resetting"), "the guest rebooted"),
)


def cause_of_death(folder: Path) -> Complaint:
    """What became of a guest that ended by itself and did not complain.

    Args:
        folder: The guest's, with ``console.log`` and what QEMU said of resets.
    """
    said = _tail(folder / "console.log").splitlines()[-8:]
    resets = _tail(folder / "resets.log")
    if ARCH.reset and ARCH.reset in resets:
        lines = tuple(resets[resets.rindex(ARCH.reset) :].splitlines()[:40])
        return Complaint(Kind.TRIPLE_FAULT, "triple fault", lines, fatal=True)
    for pattern, what in _LAST:
        if any(pattern.search(line) for line in said):
            return Complaint(Kind.REBOOT, what, tuple(said), fatal=True)
    what = "the guest ended without a word"
    return Complaint(Kind.SILENT_DEATH, what, tuple(said), fatal=True)


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            # Of a guest that printed gigabytes no more than that goes into memory.
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
            data = stream.read(_TAIL)
    except FileNotFoundError:
        return ""
    return data.decode(errors="replace").replace("\r", "")
