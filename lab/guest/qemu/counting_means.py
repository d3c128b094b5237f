# SPDX-License-Identifier: GPL-2.0-only
"""By which means guests of this machine's QEMU count: a plugin, or its log where it takes none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab.guest.qemu.counting import Plugin, find_plugin
from lab.guest.qemu.exec_log import ExecLog, exec_log

Means = Plugin | ExecLog


def counting_means(cache: Path, say: Callable[[str], None] = lambda _: None) -> Means:
    """How guests count, as every job of a run finds it out anew.

    Args:
        say: Is told of what is slow, and why it is not done otherwise.

    Raises:
        InfrastructureError: QEMU or a compiler is not installed.
    """
    found = find_plugin(cache)
    if isinstance(found, Plugin):
        return found
    why = found.splitlines()[-1] if found else "it says nothing"
    say(f"QEMU loads no plugin ({why}): lines are counted by its log, and guests are much slower")
    return exec_log(cache)
