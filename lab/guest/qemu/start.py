# SPDX-License-Identifier: GPL-2.0-only
"""The two ways to start a guest: from its kernel, or from a saved state."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from lab.errors import InfrastructureError
from lab.guest.boot_watch import Booting
from lab.guest.command import CommandResult
from lab.guest.qemu.command_line import Files, Memory
from lab.guest.qemu.commands import Commands
from lab.guest.qemu.memory import memfd, own_memory
from lab.guest.qemu.parts import QemuParts
from lab.guest.qemu.process import Vm
from lab.guest.qemu.saved_state import SavedState, wake_order
from lab.image import GuestKeys, KeyPair, guest_archive, write_initrd


@dataclass(frozen=True)
class Started:
    """A guest that is up: QEMU, who asks it, and what each knows the other by.

    Attributes:
        prepared: How ``parts.prepare`` ended, in this guest or in the one it was saved from.
        readied: The same of ``parts.ready``, or why nobody knows; None where it was not run.
        state: The key of the saved state it started from; "" when it was booted.
    """

    vm: Vm
    commands: Commands
    keys: GuestKeys
    prepared: CommandResult
    state: str = ""
    readied: CommandResult | InfrastructureError | None = None

    @property
    def can_be_saved(self) -> bool:
        """Whether what ran in it came to a good end."""
        if self.prepared.status != 0 or isinstance(self.readied, InfrastructureError):
            return False
        return self.readied is None or self.readied.status == 0


def boot(parts: QemuParts, stack: ExitStack, *, savable: bool = False) -> Started:
    """Boot the kernel; what is to be ended again is on ``stack``.

    Raises what entering a guest's block raises.
    """
    keys = GuestKeys.make()
    parts.console.path.unlink(missing_ok=True)
    with memfd("initrd") as initrd:
        archive = guest_archive(keys, parts.programs)
        write_initrd(Path(f"/dev/fd/{initrd}"), parts.image, archive)
        memory = stack.enter_context(own_memory(parts.hardware, savable, parts.userland))
        vm = _start(parts, stack, initrd, memory)
    commands = _make_ready(vm, keys, parts, stack)
    booting = Booting(parts.console.path, parts.stall_s, vm.times)
    vm.wait_for("ready", parts.boot_s, "boot", booting.hung)
    commands.log_in()
    prepared = commands.run(parts.prepare, parts.command_s)
    vm.timeline.mark("prepared")
    started = Started(vm, commands, keys, prepared)
    return _readied(started, parts) if savable and parts.ready and not prepared.status else started


def _readied(started: Started, parts: QemuParts) -> Started:
    """The same guest once ``parts.ready`` has run, whatever came of that."""
    try:
        readied: CommandResult | InfrastructureError
        readied = started.commands.run(parts.ready, parts.command_s)
        started.vm.timeline.mark("readied")
    except InfrastructureError as error:
        readied = error
    return replace(started, readied=readied)


def restore(parts: QemuParts, state: SavedState, stack: ExitStack) -> Started:
    """Start from a saved state; what is to be ended again is on ``stack``.

    Raises:
        InfrastructureError: QEMU cannot load it, it does not wake, or it is damaged.
    """
    keys = GuestKeys(state.login, KeyPair(b"", state.host_key))
    shutil.copyfile(state.console, parts.console.path)
    image = "" if parts.userland is None else str(parts.userland.path)
    ram = tuple(str(state.ram(node)) for node in range(parts.hardware.nodes))
    memory = Memory(str(state.nvdimm), ram, private=True, image=image, scratch=str(state.scratch))
    # Beside QEMU, which has to wake up: nothing is asked of the guest before.
    with ThreadPoolExecutor(1) as pool:
        damage = pool.submit(state.damage)
        vm = _start(parts, stack, None, memory, state)
        vm.monitor.restore(vm.incoming, parts.ssh_s)
        vm.timeline.mark("restored")
        vm.tell(wake_order())
        commands = _make_ready(vm, keys, parts, stack)
        vm.wait_for("awake", parts.ssh_s, "ssh")
        commands.log_in()
        if why := damage.result():
            raise InfrastructureError(why)
    return Started(vm, commands, keys, state.prepared, state.key, state.readied)


def power_off(vm: Vm, deadline_s: float) -> None:
    """End QEMU in good order: nothing of its guest is used again, its disk is thrown away."""
    vm.note_cpu()
    vm.monitor.quit()
    vm.wait(deadline_s)


def _start(
    parts: QemuParts,
    stack: ExitStack,
    initrd: int | None,
    memory: Memory,
    state: SavedState | None = None,
) -> Vm:
    kernel = parts.kernel if state is None else state.kernel
    counting = parts.counting
    vm = Vm(
        parts.hardware,
        Files(kernel, initrd, parts.kernel_arguments, memory, parts.console.path),
        parts.folder,
        answer_s=parts.shutdown_s,
        devices=None if state is None else state.devices,
        used_ports=0 if state is None else state.used_ports,
        tcg=counting.tcg if counting else "",
        more=(*parts.more, *(counting.begin(parts.folder, stack) if counting else ())),
    )
    return stack.enter_context(vm)


def _make_ready(vm: Vm, keys: GuestKeys, parts: QemuParts, stack: ExitStack) -> Commands:
    """Whatever a connection needs that the guest's start can hide: half a second of imports."""
    _ = vm.monitor
    commands = Commands(vm, keys, parts)
    stack.callback(commands.close)
    return commands
