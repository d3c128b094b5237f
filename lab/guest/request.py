# SPDX-License-Identifier: GPL-2.0-only
"""What is asked of a guest, whatever it is going to run on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.build import Build
from lab.config.model import Deadlines, Machine
from lab.userland.userland import Userland

#: How what prepares a guest ends in one that is not the hardware that it should be.
NOT_THE_MACHINE = 10


@dataclass(frozen=True)
class GuestRequest:
    """A guest of a build, on a machine of ``lab.toml``.

    Attributes:
        programs: Guest programs by name; they are in ``/lab`` there.
        prepare: A shell command that runs first in each guest.
        folder: Where its console and logs stay.
        cache: The lab's, for what can be used again.
        say: Is told what is found out about this host on the way.
        userland: A root filesystem beside the initramfs, for who enters it.
        probes: What its guests count (lab.coverage.counts), as a file that says it; None: nothing.
    """

    built: Build
    machine: Machine
    deadlines: Deadlines
    programs: Mapping[str, Path]
    prepare: str
    folder: Path
    cache: Path
    say: Callable[[str], None]
    userland: Userland | None = None
    probes: Path | None = None
