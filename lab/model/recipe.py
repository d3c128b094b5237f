# SPDX-License-Identifier: GPL-2.0-only
"""What it takes to repeat a job by hand: ``recipe.json`` in its folder.

The fields are the file's.  One that is added has a default: what those mean that came before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

#: Raised when an older lab could not read it any more, or would read it wrong.
FORMAT: Final = 3
#: What has no ``format``.
OLDEST: Final = 1


@dataclass(frozen=True)
class Machine:
    """The hardware that a guest was given; sizes in bytes."""

    memory: int
    cpus: int
    accelerator: str
    type: str
    nvdimm: int
    pmem: Literal["nvdimm", "virtio-pmem", "memmap"] = "nvdimm"
    scratch: int = 0
    nodes: int = 1


@dataclass(frozen=True)
class Boot:
    """How a guest is started by hand.

    Args:
        arguments: The kernel's.
        prepare: A shell command that runs first in it.
    """

    hardware: Machine
    arguments: str
    prepare: str


@dataclass(frozen=True)
class WantedProof:
    """What a filesystem has to prove.

    Args:
        programs: Guest programs that it asks.
        wanting: Shell code that says what /tmp/proof, the output of ``set_up``, does not show.
    """

    programs: tuple[str, ...]
    wanting: str


@dataclass(frozen=True)
class RecipeUnit:
    """A program on a filesystem.

    Args:
        type: The filesystem's, as mount(8) has it.
        set_up: Shell code that makes and mounts it, and asks for its proofs.
        tools: Programs that ``set_up`` needs; None in what labs wrote that had ``mkfs.TYPE``.
        proofs: None in what labs wrote whose filesystems all had to be DAX.
        by_hand: Whether ``make`` builds the program, and a script can judge it.
        command: That runs it where ``/lab/PROGRAM FOLDER`` does not.
        output: How it tells of its tests then, a kind of lab.suites.output.
        script: Whether it is run as it is, and not compiled.
        brings: Programs of the host that it needs beside ``tools``.
        timeout_s: Its own deadline, where it has one.
    """

    filesystem: str
    type: str
    mount_point: str
    set_up: str
    suite: str
    program: str
    tools: tuple[str, ...] | None = None
    proofs: tuple[WantedProof, ...] | None = None
    by_hand: bool = True
    command: tuple[str, ...] = ()
    output: str = "exit"
    script: bool = False
    brings: tuple[str, ...] = ()
    timeout_s: float | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """Programs that it needs in a guest."""
        return (*((f"mkfs.{self.type}",) if self.tools is None else self.tools), *self.brings)


@dataclass(frozen=True)
class Recipe:
    """A job, built and booted.

    Args:
        release: The kernel's, as it says it itself.
        tree: The source's identity, of the kind that ``source`` has.
        version: The source's.
        source: The kernel's section of ``lab.toml``.
        environment: Of make; ``$NAME`` in a value is for whoever repeats it to have one for.
        mends: What of the toolchain's had to be mended, for people.
        kernel_flags, host_flags: Of the compiler, before all others.
        sha256: Of the build's files, by name.
        hardware, arguments, prepare: As Boot has them; no ``hardware`` where no hand can.
        fresh: What had a guest of its own: ``job``, ``filesystem``, ``program`` or ``test``.
        pattern: Of the tests' names, a glob; None is all.
        program_s: The deadline of a program, in seconds.
    """

    variant: str
    release: str
    tree: str
    version: str
    source: Mapping[str, Any]
    environment: Mapping[str, str]
    cc: str
    compiler: str
    mends: tuple[str, ...]
    kernel_flags: tuple[str, ...]
    host_flags: tuple[str, ...]
    sha256: Mapping[str, str]
    units: tuple[RecipeUnit, ...]
    fresh: str
    pattern: str | None
    program_s: float
    hardware: Machine | None = None
    arguments: str = ""
    prepare: str = ""
    format: int = OLDEST

    @property
    def boot(self) -> Boot | None:
        """How its guest is started; None where that is not to be done by hand."""
        if self.hardware is None:
            return None
        return Boot(self.hardware, self.arguments, self.prepare)
