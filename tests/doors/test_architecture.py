# SPDX-License-Identifier: GPL-2.0-only
"""Another architecture: one record, and the line that names it; nothing of it is booted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import ROOT, project
from tests.doors.aarch64 import AARCH64

pytestmark = pytest.mark.slow

__all__ = ["project"]


def on_aarch64(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.doors.on_aarch64", str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def kernel(fake_kernel: Path) -> Path:
    """One that knows this architecture, and no other."""
    makefile = fake_kernel / "Makefile"
    text = makefile.read_text().replace("arch/x86/boot/bzImage", AARCH64.image_path)
    makefile.write_text(text.replace("bzImage:", "Image:"))
    return fake_kernel


def after(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


def test_it_is_planned_built_and_started(project: Path, kernel: Path) -> None:
    done = on_aarch64(project)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["image"] == "Image"
    assert {"Image", "System.map", "vmlinux", "config"} <= set(said["built"])
    words = said["qemu"]
    assert words[0] == "qemu-system-aarch64"
    assert after(words, "-machine") == "virt,nvdimm=on"
    assert after(words, "-cpu") == "max"
    assert after(words, "-append") == f"console=ttyAMA0 {AARCH64.arguments}"
    assert after(words, "-kernel").endswith("/Image")
    assert said["tools"] == {
        "libc.a": ["/usr/lib/aarch64-linux-gnu/libc.a", "/usr/lib64/libc.a"],
        "qemu-system-aarch64": ["qemu-system-aarch64"],
    }
    assert said["packages"] == dict(AARCH64.packages)
    assert said["libraries"] == list(AARCH64.libraries)
    assert "aarch64 has no persistent memory of the kind memmap" in said["memmap"]
    assert "one of auto, nvdimm" in said["memmap"]
    everything = done.stdout.replace(str(project), "")
    assert not [word for word in ("x86", "bzImage", "ttyS", "q35") if word in everything]


def test_a_machine_of_another_architecture_is_refused(project: Path) -> None:
    toml = project / "lab.toml"
    toml.write_text(f'{toml.read_text()}\n[machines.default]\ntype = "q35"\n')
    done = on_aarch64(project)
    assert "cannot be 'q35'" in done.stderr
    assert "virt" in done.stderr
