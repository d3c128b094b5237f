# SPDX-License-Identifier: GPL-2.0-only
"""The saved state that guests of a kind start from, made by whoever comes first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from lab.errors import InfrastructureError
from lab.guest.qemu.command_line import (
    SSH_PORTS,
    Files,
    Memory,
    Sockets,
    command_line,
    ram_name,
)
from lab.guest.qemu.memory import memfd
from lab.guest.qemu.parts import QemuParts
from lab.guest.qemu.port import NoPort
from lab.guest.qemu.saved_state import SavedState, find_state, name_state, rest_order, write_state
from lab.guest.qemu.start import Started, boot, power_off
from lab.image.overlay import placed
from lab.process.lock import locked
from lab.process.shelf import STATES

#: A guest is idle after it: its connection's end, and RCU's callbacks, are done with.
_SETTLING_S = 0.3


def state_key(parts: QemuParts) -> str:
    """What names the state that guests of these parts start from."""
    ram = tuple(ram_name(node) for node in range(parts.hardware.nodes))
    memory = Memory(nvdimm="nvdimm", ram=ram, image="image", scratch="scratch")
    files = Files(parts.kernel, None, parts.kernel_arguments, memory, Path("console"))
    command = command_line(parts.hardware, files, Sockets(0, 0, (0,) * SSH_PORTS))
    # Two that hold the same by other names are two.
    places, programs = zip(*sorted(placed(parts.programs)), strict=True)
    # Its guests' kernel has read some of it.
    image = () if parts.userland is None else (parts.userland.digest,)
    ready = (f"ready: {parts.ready}",) if parts.ready else ()
    files_read = [parts.kernel, parts.image, *programs]
    return name_state(command, files_read, parts.prepare, *places, *image, *ready)


def state_for(
    parts: QemuParts, states: Path, stack: ExitStack, note: Callable[[str], None]
) -> SavedState | Started | None:
    """The state that guests of these parts start from, made now if there is none.

    Args:
        stack: What ends a guest that is returned.
        note: Is told why none could be saved.

    Returns:
        None where none can be; a guest that is up where ``parts.ready`` came to no good end in it:
        what that was is told by who uses it, and seen on its console.
    """
    key = state_key(parts)
    with locked(states / STATES.lock.format(key)):
        return find_state(states, key) or _made(parts, states, key, stack, note)


def _made(
    parts: QemuParts, states: Path, key: str, stack: ExitStack, note: Callable[[str], None]
) -> SavedState | Started | None:
    with ExitStack() as making:
        guest = boot(replace(parts, counting=None), making, savable=True)
        if guest.readied is not None and not guest.can_be_saved:
            stack.push(making.pop_all())
            return guest
        making.callback(_power_off, guest, parts)
        if not guest.can_be_saved:
            return None
        try:
            return _save(guest, parts, states, key)
        except (InfrastructureError, OSError) as error:
            note(f"no state could be saved: {error}")
            return None


def _power_off(guest: Started, parts: QemuParts) -> None:
    with suppress(Exception):
        power_off(guest.vm, parts.shutdown_s)


def _save(guest: Started, parts: QemuParts, states: Path, key: str) -> SavedState:
    """Keep a guest; it stands still from then on.

    Raises:
        InfrastructureError: QEMU could not.
        OSError: No space, most likely.
    """
    vm = guest.vm
    if not vm.has_ports:
        raise NoPort("a guest without an SSH port left is of no use")
    # A connection does not survive: the new QEMU knows nothing of it.
    guest.commands.close()
    vm.tell(rest_order())
    vm.wait_for("resting", parts.ssh_s, "ssh")
    # What the guest still has to do for that, each guest of the state would do again.
    time.sleep(_SETTLING_S)
    nvdimm, scratch, *others = vm.files.memory.descriptors
    memories = {ram_name(node): others[node] for node in range(parts.hardware.nodes)}
    memories["nvdimm"] = nvdimm
    if parts.hardware.scratch:
        memories["scratch"] = scratch
    with memfd("devices") as devices:
        # QEMU writes through a shell, to which it leaves none of its descriptors.
        vm.monitor.save(Path(f"/proc/{os.getpid()}/fd/{devices}"), parts.command_s)
        return write_state(
            states,
            key,
            parts={**memories, "devices": devices},
            kernel=parts.kernel,
            console=parts.console.path,
            keys=guest.keys,
            used_ports=vm.used_ports,
            prepared=guest.prepared,
            readied=None if isinstance(guest.readied, InfrastructureError) else guest.readied,
        )
