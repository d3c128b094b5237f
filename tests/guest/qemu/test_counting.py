# SPDX-License-Identifier: GPL-2.0-only
"""What counts lines is loaded by this machine's QEMU, or its log is read, and that is told."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from lab.arch import ARCH
from lab.errors import InfrastructureError
from lab.guest.qemu import state_maker
from lab.guest.qemu.counting import Counting, Plugin, PluginCounting
from lab.guest.qemu.counting_means import counting_means
from lab.guest.qemu.exec_log import ExecLog
from lab.guest.qemu.parts import QemuParts

#: As QEMU's vl.c has it of a build without plugins, whose -help names the option all the same.
WITHOUT = """\
#!/bin/sh
case "$*" in *-plugin*) echo "qemu: plugin interface not enabled in this build" >&2; exit 1;; esac
exec {real} "$@"
"""


@pytest.mark.slow
def test_this_machines_qemu_loads_it(tmp_path: Path) -> None:
    said: list[str] = []
    plugin = counting_means(tmp_path / "a, b", said.append)
    assert isinstance(plugin, Plugin)
    assert plugin.path.is_file()
    assert counting_means(tmp_path / "a, b", said.append) == plugin
    assert said == []


@pytest.mark.slow
def test_of_one_that_is_built_without_plugins_the_log_is_read_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.which(ARCH.qemu)
    assert real is not None
    (tmp_path / "bin").mkdir()
    other = tmp_path / "bin" / ARCH.qemu
    other.write_text(WITHOUT.format(real=real))
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=":")
    said: list[str] = []
    found = counting_means(tmp_path, said.append)
    assert isinstance(found, ExecLog)
    assert found.reader.is_file()
    assert "log" in found.said
    [note] = said
    assert "not enabled in this build" in note
    # A job that was made for a plugin has no time for the log.
    with pytest.raises(InfrastructureError, match="loads no plugin here"):
        PluginCounting(tmp_path, tmp_path / "probes").settled(lambda path: path, tmp_path)


def parts(folder: Path, counting: Counting | None) -> QemuParts:
    kernel = folder / "bzImage"
    kernel.touch()
    hardware = cast("Any", None)
    return QemuParts(kernel, kernel, {}, hardware, folder, 1, 1, 1, 1, counting=counting)


def test_who_is_saved_counts_nothing_whoever_starts_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So guests that count and guests that do not start from the same states."""
    counts = PluginCounting(tmp_path / "counts.so", tmp_path / "probes")
    booted: list[QemuParts] = []

    def boot(made: QemuParts, *_: object, **__: object) -> None:
        booted.append(made)
        raise InfrastructureError("as far as this goes")

    monkeypatch.setattr(state_maker, "boot", boot)
    with ExitStack() as stack, pytest.raises(InfrastructureError, match="as far"):
        state_maker._made(parts(tmp_path, counts), tmp_path, "key", stack, lambda _: None)
    assert [made.counting for made in booted] == [None]


def test_what_ran_ahead_of_a_saved_state_would_not_be_counted(tmp_path: Path) -> None:
    counts = PluginCounting(tmp_path / "counts.so", tmp_path / "probes")
    assert parts(tmp_path, counts).ready_with("mount").ready == ""
    assert parts(tmp_path, None).ready_with("mount").ready == "mount"
