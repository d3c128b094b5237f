# SPDX-License-Identifier: GPL-2.0-only
"""Who hangs when a command did not end: the program, the guest, or QEMU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab.errors import InfrastructureError
from lab.guest.command import CommandResult
from lab.guest.guest import GuestDied, Hang
from lab.guest.qemu.process import Vm

#: Into the log alone (printk's first number): the console takes a second for it.
_SHOW_TASKS = "echo 1 >/proc/sys/kernel/printk; echo t >/proc/sysrq-trigger; dmesg"


class HangExaminer:
    """Finds out who hangs, and keeps what shows it in the guest's folder."""

    def __init__(self, vm: Vm, folder: Path) -> None:
        self._vm = vm
        self._folder = folder

    def examine(self, run: Callable[[str], CommandResult]) -> tuple[Hang, str]:
        """Who hangs, and what of that was kept.

        Args:
            run: Runs a command in the guest, and raises what Guest.run() does.
        """
        try:
            self._keep("tasks.log", run(_SHOW_TASKS).stdout)
        except InfrastructureError:
            return self.registers()
        return Hang.PROGRAM, "the guest still answers: what its tasks do is in tasks.log"

    def registers(self) -> tuple[Hang, str]:
        """Whether it is the guest or QEMU, where one of them does not answer."""
        # asyncio is imported with it, and most guests need none of that.
        from lab.guest.qemu.monitor import MonitorLost

        try:
            self._keep("registers.txt", self._vm.monitor.registers())
        except (MonitorLost, GuestDied) as error:
            return Hang.QEMU, f"QEMU does not answer: {error.what}"
        return Hang.GUEST, "the guest does not answer: its CPUs' registers are in registers.txt"

    def _keep(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, encoding="utf-8", errors="replace")
