# SPDX-License-Identifier: GPL-2.0-only
"""Plans, builds and says what it would boot, as the lab does on a machine of another kind.

A process of its own: which architecture it is, a lab knows from its start.  Argument: a project.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import lab.arch
from tests.doors.aarch64 import AARCH64

# The line that it takes; a host of it finds the rest by itself.
lab.arch.ARCHITECTURES["aarch64"] = AARCH64
lab.arch.ARCH = lab.arch.ARCHITECTURES["aarch64"]

from lab.build import Build  # noqa: E402
from lab.errors import UserError  # noqa: E402
from lab.guest.qemu.command_line import (  # noqa: E402
    Files,
    Hardware,
    Memory,
    Sockets,
    command_line,
    kernel_arguments,
)
from lab.guest.qemu.pmem import choose_pmem  # noqa: E402
from lab.host import known_tools  # noqa: E402
from lab.image.closure import Linker  # noqa: E402
from lab.model.version import KernelVersion  # noqa: E402
from lab.plan import plan_variants, resolve, settled  # noqa: E402
from lab.session import Lab  # noqa: E402


def _boots(lab_here: Lab, built: Build, folder: Path) -> list[str]:
    machine = lab_here.loaded.config.machines["default"]
    pmem = choose_pmem(machine.pmem, KernelVersion.of_release(built.release))
    hardware = Hardware(machine.memory, machine.cpus, "tcg", machine.type, machine.nvdimm, pmem)
    files = Files(
        built.image, 3, kernel_arguments(hardware), Memory("/dev/fd/4"), folder / "console"
    )
    return command_line(hardware, files, Sockets(5, 6, (7,)))


def _refused(pmem: Any) -> str:
    try:
        return choose_pmem(pmem, KernelVersion(6, 1))
    except UserError as error:
        return str(error)


def main(folder: Path) -> None:
    """Print what came of it, as JSON."""
    here = Lab.open(folder)
    plan = plan_variants(here.loaded, ("fake",))
    built = here.builder.build(resolve(here.loaded, settled(here.loaded, "fake")), "default")
    tools = known_tools()
    said = {
        "plan": list(plan.describe()),
        "image": built.image.name,
        "built": sorted(path.name for path in built.folder.iterdir()),
        "qemu": _boots(here, built, folder),
        "tools": {name: list(tools[name].any_of) for name in ("libc.a", AARCH64.qemu)},
        "packages": dict(tools[AARCH64.qemu].packages),
        "libraries": list(Linker({}).directories),
        "memmap": _refused("memmap"),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
