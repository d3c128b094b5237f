# SPDX-License-Identifier: GPL-2.0-only
"""What somebody who opens a guest by hand has it started with; no result is had on such a one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lab.errors import InfrastructureError, UserError
from lab.guest.guest import Guest
from lab.guest.qemu.command_line import Hardware
from lab.guest.qemu.guest import QemuSpec
from lab.host import need_tool
from lab.process import ProcessFailed, run

#: Where a guest has the folder.
SHARE = "/mnt/share"
_LABEL = "lab-share"
#: In the superblock, which is at 1024 (fs/ext4/ext4.h, s_volume_name): guests have no blkid.
_LABEL_AT = 1024 + 120
#: In the folder of a guest, until it has mounted it.
IMAGE = "share.img"
#: The number of the region that has so many bytes.
_OF_SIZE = (
    '$(for r in /sys/bus/nd/devices/region*; do [ "$(cat $r/size)" = {} ] && '
    "echo ${{r##*region}}; done)"
)
#: Old kernels hotplug memory in sections of 128 MiB.
_SECTION = 128 << 20
_BLOCK = 4096
#: For what a guest makes of a folder that it may write; the file is a sparse one.
_ROOM = 512 << 20
_NEW_FILES = 16384
_INODE = 256
#: What directories, bitmaps and indirect blocks take beside files, at most, of their size.
_MORE = 1.05
_MAKING_S = 3600.0
#: What a person may take at a breakpoint: a week.
_PATIENCE_S = 7 * 86400.0
#: As many as QEMU's machines have at most.
_SLOTS = 16


def debugged(spec: QemuSpec, stub: Path, *, waits: bool) -> QemuSpec:
    """The same guest with QEMU's stub for gdb on a socket; it takes all the time in the world.

    Args:
        waits: Whether it stands still until gdb has it go on.
    """
    words = ("-chardev", f"socket,id=gdb,path={_comma(stub)},server=on,wait=off")
    more = (*words, "-gdb", "chardev:gdb", *(("-S",) if waits else ()))
    return replace(
        spec,
        more=(*spec.more, *more),
        # One that has booted cannot wait for its first instruction.
        states=None if waits else spec.states,
        boot_s=_PATIENCE_S,
        ssh_s=_PATIENCE_S,
        command_s=_PATIENCE_S,
        stall_s=_PATIENCE_S,
    )


def sharing(spec: QemuSpec, folder: Path, *, writable: bool = False) -> QemuSpec:
    """The same guest with what a folder holds on a persistent memory more, which is read-only.

    The kernel needs nothing for it that it has not for its tests, and the guest no memory: an
    image of the folder is made, and mapped.  9p or virtiofs would be an option of the kernel
    more, and each build another.

    Args:
        writable: The guest may change what it has of it, in memory of the host's.

    Raises:
        UserError: It is no folder, something in it cannot be read, or the machine has no NVDIMM.
        InfrastructureError: No space is left for the image.
    """
    if spec.hardware.pmem != "nvdimm":
        what = f"this machine's persistent memory is {spec.hardware.pmem}"
        raise UserError(
            f"{what}, and --share takes an NVDIMM",
            where="--share",
            hint="lab cp DIR guest:/tmp, once it runs; or another machine, a kernel from 4.2 on",
        )
    if spec.hardware.scratch:
        raise UserError(
            "this machine has a second NVDIMM, and --share is told from others by its size",
            where="--share",
            hint="lab cp DIR guest:/tmp, once it runs; or another --machine",
        )
    image, own = spec.folder / IMAGE, spec.hardware.nvdimm
    size = _make(folder, image, unlike=own, writable=writable)
    return replace(
        spec,
        more=(*spec.more, *_nvdimm(spec.hardware, image, size, writable=writable)),
        states=None,
        # Which region is whose QEMU leaves to the order of a hash table (its nvdimm_device_list()).
        prepare=spec.prepare.replace("namespace0.0", f"namespace{_OF_SIZE.format(own)}.0"),
    )


def mount_share(guest: Guest, *, writable: bool = False) -> None:
    """Mount what sharing() gave, and take its image's name away: QEMU has it.

    Raises:
        InfrastructureError: The guest cannot.
    """
    (guest.spec.folder / IMAGE).unlink(missing_ok=True)
    how = "rw" if writable else "ro"
    done = guest.run(
        f"mkdir -p {SHARE}; for d in /dev/pmem*; do "
        f'[ "$(dd if=$d bs=1 skip={_LABEL_AT} count={len(_LABEL)} 2>/dev/null)" = {_LABEL} ] && '
        f"exec mount -t ext4 -o {how} $d {SHARE}; done; echo no such device >&2; exit 1"
    )
    if done.status != 0:
        what = f"the guest could not mount what --share gave: {done.stderr.strip()}"
        raise InfrastructureError(what, where=guest.console.path)


def _nvdimm(hardware: Hardware, image: Path, size: int, *, writable: bool) -> list[str]:
    most = hardware.memory + _SLOTS * hardware.nvdimm + size + (1 << 30)
    kept = "readonly=off" if writable else "readonly=on"
    backend = f"memory-backend-file,id=share,share=off,{kept},mem-path={_comma(image)}"
    return [
        # Merged into what the machine has.
        "-m", f"slots={_SLOTS},maxmem={most >> 20}M",
        "-object", f"{backend},size={size}",
        # QEMU's docs/nvdimm.txt: what cannot be written, the guest is told so.
        "-device", f"nvdimm,id=zshare,memdev=share,unarmed={'off' if writable else 'on'}",
    ]  # fmt: skip


def _make(folder: Path, image: Path, unlike: int, *, writable: bool) -> int:
    """Make an image of a folder; gives its size in bytes, which is not ``unlike``."""
    if not folder.is_dir():
        raise UserError("is no folder", where=folder, hint="--share takes one")
    sizes = [-(-size // _BLOCK) * _BLOCK for size in _sizes(folder)]
    inodes = len(sizes) + (_NEW_FILES if writable else 16)
    content = int((sum(sizes) + inodes * (_INODE + _BLOCK // 8)) * _MORE) + (16 << 20)
    content += _ROOM if writable else 0
    size = -(-content // _SECTION) * _SECTION
    size += _SECTION if size == unlike else 0
    try:
        with image.open("wb") as stream:
            stream.truncate(size)
        # ext4 mounts what is no more than an ext2, of any age.
        words = ["-q", "-F", "-t", "ext2", "-b", str(_BLOCK), "-I", str(_INODE), "-m", "0"]
        named: list[str | Path] = ["-N", str(inodes), "-L", _LABEL, "-d", folder, image]
        run([need_tool("mkfs.ext4"), *words, *named], timeout=_MAKING_S)
    except ProcessFailed as error:
        image.unlink(missing_ok=True)
        raise UserError(
            "the folder cannot be put into an image: is all of it yours to read?",
            where=folder,
            detail=error.detail,
        ) from error
    except OSError as error:
        raise InfrastructureError(f"cannot write: {error.strerror}", where=image) from error
    return size


def _sizes(folder: Path) -> Iterator[int]:
    """Bytes of each file and folder below a folder, of no link's target."""
    for root, folders, files in os.walk(folder):
        yield _BLOCK
        for name in (*files, *folders):
            try:
                yield (Path(root) / name).lstat().st_size
            except OSError:
                yield 0


def _comma(path: Path) -> str:
    """A comma ends a value in QEMU's option syntax unless it is doubled."""
    return str(path).replace(",", ",,")
