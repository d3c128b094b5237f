# SPDX-License-Identifier: GPL-2.0-only
"""What somebody who opens a guest by hand has it started with."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from lab.cli.by_hand import ByHand, gdb_command
from lab.errors import UserError
from lab.guest.qemu.attached import debugged, sharing
from lab.guest.qemu.command_line import Hardware
from lab.guest.qemu.guest import QemuSpec


@pytest.fixture
def spec(tmp_path: Path) -> QemuSpec:
    return QemuSpec(
        kernel=tmp_path / "bzImage",
        image=tmp_path / "image",
        programs={},
        hardware=Hardware(1 << 30, 2, "tcg", "q35", 128 << 20),
        folder=tmp_path,
        boot_s=1,
        ssh_s=1,
        command_s=1,
        shutdown_s=1,
        states=tmp_path / "states",
        prepare="ndctl create-namespace -f -e namespace0.0 --mode=fsdax",
    )


def test_a_stub_for_gdb(spec: QemuSpec) -> None:
    with_stub = debugged(spec, Path("/tmp/a,b/stub"), waits=False)
    assert with_stub.more[:2] == (
        "-chardev",
        "socket,id=gdb,path=/tmp/a,,b/stub,server=on,wait=off",
    )
    # A guest at a breakpoint passes no deadline.
    assert min(with_stub.boot_s, with_stub.ssh_s, with_stub.command_s, with_stub.stall_s) > 86400
    assert with_stub.states == spec.states
    waits = debugged(spec, Path("/tmp/stub"), waits=True)
    assert waits.more[-1] == "-S"
    assert waits.states is None


def test_how_gdb_is_started(tmp_path: Path) -> None:
    said = gdb_command(tmp_path, Path("/tmp/stub"))
    assert said == f"gdb -ex 'target remote /tmp/stub' {tmp_path}/vmlinux"
    (tmp_path / "vmlinux-gdb.py").touch()
    assert gdb_command(tmp_path, Path("/tmp/stub")) == (
        f"gdb -ex 'target remote /tmp/stub' -x {tmp_path}/vmlinux-gdb.py -ex lx-symbols "
        f"{tmp_path}/vmlinux"
    )


@pytest.mark.slow
def test_an_image_of_a_folder(spec: QemuSpec, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/file").write_text("text")
    (folder / "link").symlink_to("deep/file")
    for number in range(300):
        (folder / f"small-{number}").write_text("x")
    given = sharing(spec, folder)
    assert given.states is None
    image = tmp_path / "share.img"
    size = image.stat().st_size
    assert size % (128 << 20) == 0
    assert f"size={size}" in given.more[3]
    assert "readonly=on" in given.more[3]
    assert given.more[5].endswith("unarmed=on")
    # What the tests' own is told from it by.
    assert size != spec.hardware.nvdimm
    assert f'"$(cat $r/size)" = {spec.hardware.nvdimm} ]' in given.prepare
    said = subprocess.run(
        ["/usr/sbin/debugfs", "-R", "cat deep/file", image], capture_output=True, check=True
    )
    assert said.stdout == b"text"
    # It is read where it lies: what is not in it takes no room.
    assert image.stat().st_blocks * 512 < 16 << 20


@pytest.mark.parametrize("pmem", ["memmap", "virtio-pmem"])
def test_a_machine_without_an_nvdimm(
    spec: QemuSpec, tmp_path: Path, pmem: Literal["memmap", "virtio-pmem"]
) -> None:
    other = replace(spec, hardware=replace(spec.hardware, pmem=pmem))
    with pytest.raises(UserError, match=f"is {pmem}, and --share takes an NVDIMM"):
        sharing(other, tmp_path)


def test_a_machine_with_a_second_memory(spec: QemuSpec, tmp_path: Path) -> None:
    two = replace(spec, hardware=replace(spec.hardware, scratch=256 << 20))
    with pytest.raises(UserError, match="second NVDIMM"):
        sharing(two, tmp_path)


@pytest.mark.slow
def test_an_image_goes_with_a_guest_that_never_came_up(spec: QemuSpec, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    with ByHand(gdb=False, waits=False, share=tmp_path / "shared") as by_hand:
        by_hand.changed(spec, print)
        assert (tmp_path / "share.img").exists()
    assert not (tmp_path / "share.img").exists()


def test_what_is_no_folder(spec: QemuSpec, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder"):
        sharing(spec, tmp_path / "nowhere")


def test_a_folder_that_could_not_come_back_is_refused_at_once(
    spec: QemuSpec, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    with (shared / "much").open("wb") as stream:
        stream.truncate(256 << 20)
    what = "has more than 256 MiB, and no more comes back"
    own = ByHand(gdb=False, waits=False, share=shared, writable=True)
    with own, pytest.raises(UserError, match=what):
        own.changed(spec, print)
