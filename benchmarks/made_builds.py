# SPDX-License-Identifier: GPL-2.0-only
"""Builds of kernels of which there is no source: as anybody but QEMU looks at them."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lab.arch import ARCH
from lab.build import BuildJob, Toolchain
from lab.build.brought import Made
from lab.build.build import SEALED
from lab.build.shared import FILES, LOG
from lab.kconfig import Option
from lab.model.variant import Variant
from lab.model.version import KernelVersion
from lab.patches import Overlay
from lab.patches.overlay import Replacement
from lab.process.seal import seal
from lab.trees import Tree

#: Bytes of a kernel and of its vmlinux; real ones have some 10 and 20 MB, packed.
IMAGE, VMLINUX = 64 << 10, 256 << 10


def made_tree(folder: Path, kernel: str) -> Tree:
    """A kernel's source, without any of it."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest"
    manifest.touch()
    try:
        version = KernelVersion.parse(kernel)
    except ValueError:
        version = KernelVersion.parse("7.3")
    return Tree(kernel, folder, f"pretended:{kernel}", version, manifest)


def made_build_job(
    cache: Path, variant: Variant, options: Sequence[Option], toolchain: Toolchain
) -> BuildJob:
    """What a build of that would be made from."""
    files = {f"mm/{name}.c": Replacement(0o100644, name.encode()) for name in variant.series}
    return BuildJob(
        variant=str(variant),
        tree=made_tree(cache / "pretended", variant.kernel),
        overlay=Overlay({**files}),
        options=tuple(options),
        toolchain=toolchain,
        cache=cache,
        deadline_s=3600.0,
    )


def made_of(job: BuildJob, duration_s: float, image: int = IMAGE, vmlinux: int = VMLINUX) -> Made:
    """What could have been made of that in so many seconds, of so many bytes."""
    content = _content(job, image, vmlinux)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for name, its in content.items():
            (folder / name).write_bytes(its)
        seal(folder, SEALED)
        files = {name: (folder / name).read_bytes() for name in FILES}
    return Made(files, content["vmlinux"], vmlinux, False, duration_s)


def _content(job: BuildJob, image: int, vmlinux: int) -> dict[str, bytes]:
    record = {
        "key": job.key,
        "tree": job.tree.identity,
        "overlay": job.overlay.digest,
        "config": job.config_digest,
        "toolchain": asdict(job.toolchain),
        "release": f"{job.tree.version}.0",
    }
    return {
        "build.json": json.dumps(record).encode(),
        ARCH.image: random.Random(job.key).randbytes(image),
        "vmlinux": random.Random(job.key).randbytes(vmlinux),
        "System.map": b"0 T _text\n",
        "config": b"CONFIG_HZ=250\n",
        LOG: b"",
    }
