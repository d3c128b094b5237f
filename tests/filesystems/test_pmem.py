# SPDX-License-Identifier: GPL-2.0-only
"""The persistent memory of a guest: what it does first, and what is made of how that went."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from lab.errors import InfrastructureError
from lab.filesystems.filesystem import CannotMount
from lab.filesystems.pmem import (
    DEVICE,
    check_prepared,
    namespace_mode,
    prepare_script,
    refuse_lacking,
)
from lab.guest.command import CommandResult
from lab.model.version import KernelVersion


@pytest.mark.parametrize(
    ("version", "fsdax", "no_huge_faults"),
    [
        ("4.1.15", False, False),
        # Its 2 MiB mappings of a raw namespace are an oops in pagemap.
        ("4.3", False, True),
        ("4.4", False, False),
        ("4.9.63", True, False),
        ("6.1", True, False),
    ],
)
def test_what_a_guest_does_first(version: str, fsdax: bool, no_huge_faults: bool) -> None:
    script = prepare_script(KernelVersion.parse(version))
    assert subprocess.run(["sh", "-n"], input=script.encode(), check=False).returncode == 0
    assert ("--mode=fsdax" in script) is fsdax
    assert ("echo never" in script) is no_huge_faults
    assert script.endswith("test -b /dev/pmem0")


@pytest.mark.parametrize(
    ("shown_by", "status", "said"),
    [
        (["boot", "/proc/self", "/nowhere/at-all", "mount"], 8, "/nowhere/at-all\n"),
        (["/proc/self/status", "boot", "mount"], 1, ""),
        (["boot", "mount"], 1, ""),
        ([], 1, ""),
    ],
)
def test_what_shows_a_gone_option_is_looked_for(
    shown_by: list[str], status: int, said: str
) -> None:
    # 4.1 has no namespaces: what is left of the script is the look at the device.
    script = prepare_script(KernelVersion(4, 1), shown_by)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, said)


@pytest.mark.parametrize(
    ("version", "pmem", "lacks"),
    [
        ("5.2", "virtio-pmem", "the driver of QEMU's virtio-pmem: Linux >=5.3"),
        ("5.3", "virtio-pmem", ""),
        ("4.1", "nvdimm", "the NFIT driver"),
        ("4.1", "auto", ""),
        ("4.1", "memmap", ""),
    ],
)
def test_memory_that_a_kernel_is_too_old_for(
    version: str, pmem: Literal["auto", "nvdimm", "virtio-pmem", "memmap"], lacks: str
) -> None:
    """It is said where the version has no driver and there is no device: not of either alone."""
    script = prepare_script(KernelVersion.parse(version), pmem=pmem)
    script = script.replace("/sys/bus/nd", "/nowhere")
    absent = CommandResult(*_ran(script), 0.1)
    assert (absent.status, lacks in absent.stderr) == (11 if lacks else 1, True)
    present = script.replace(f"-b {DEVICE}", "-e /dev/null")
    assert _ran(present)[0] == 0
    guest: Any = SimpleNamespace(prepared=absent)
    if lacks:
        with pytest.raises(CannotMount, match=f"no {DEVICE} of this machine's .*: {lacks[:20]}"):
            refuse_lacking(guest)
    else:
        refuse_lacking(guest)


def _ran(script: str) -> tuple[int, str, str]:
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("said", ["", " ", "\n\n"])
def test_a_guest_that_prepared_itself_and_says_nothing(tmp_path: Path, said: str) -> None:
    """A restored one that lost its output, say: an error, and no traceback."""
    guest: Any = SimpleNamespace(
        prepared=CommandResult(0, said, "", 0.1), console=SimpleNamespace(path=tmp_path)
    )
    with pytest.raises(InfrastructureError, match="does not say in which mode"):
        namespace_mode(guest)
    guest.prepared = CommandResult(0, "noise\nfsdax\n", "", 0.1)
    assert namespace_mode(guest) == "fsdax"


@pytest.mark.parametrize(
    ("status", "wanted", "message"),
    [
        (8, {"lab-x"}, "the guest has no /proc/x, which would show"),
        (8, {DEVICE}, "the guest has no /proc/x, which would show"),
        (9, {DEVICE, "lab-x"}, "could not make an fsdax namespace: /proc/x"),
        (1, {DEVICE}, "the guest has no /dev/pmem0"),
        # Who needs no persistent memory does not miss it.
        (9, {"lab-x"}, ""),
        (1, {"lab-x"}, ""),
        (0, {DEVICE}, ""),
        (10, {"lab-x"}, "is not the machine that it should be: /proc/x"),
        (10, {DEVICE}, "is not the machine that it should be: /proc/x"),
        # Who has it says so of itself: refuse_lacking().
        (11, {DEVICE}, ""),
    ],
)
def test_what_a_guest_lacks_is_missed_by_who_needs_it(
    tmp_path: Path, status: int, wanted: set[str], message: str
) -> None:
    console = SimpleNamespace(path=tmp_path, tail=lambda: "")
    machine = SimpleNamespace(pmem="nvdimm")
    guest: Any = SimpleNamespace(
        prepared=CommandResult(status, "raw\n", "/proc/x\n", 0.1),
        console=console,
        spec=SimpleNamespace(describe=lambda: machine),
    )
    if not message:
        check_prepared(guest, wanted)
        return
    with pytest.raises(InfrastructureError, match=message):
        check_prepared(guest, wanted)
