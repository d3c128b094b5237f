# SPDX-License-Identifier: GPL-2.0-only
"""A real guest that somebody has open: gdb, a folder of the host, files in and out."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.guest.conftest import KERNEL, Project, until

pytestmark = pytest.mark.guest


def test_gdb_a_folder_and_files(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "hello").write_text("hello\n")
    (tmp_path / "go").write_text("gone\n")
    waits = "cat /mnt/share/hello; until cat /tmp/go; do sleep 0.2; done; touch /mnt/share/x"
    boot = project.start("boot", KERNEL, "--gdb", "--share", str(shared), "--", "sh", "-c", waits)
    try:
        until(lambda: project.lab("cp", "guest:/proc/version", str(tmp_path)).returncode == 0)
        assert (tmp_path / "version").read_text().startswith("Linux version")
        assert boot.stderr is not None
        told = next(found for line in boot.stderr if (found := re.search(rb"lab: (gdb .*)", line)))
        if shutil.which("gdb"):
            words = shlex.split(told[1].decode())
            asked = [*words[:1], "-batch", *words[1:], "-ex", "info registers rip"]
            said = subprocess.run(
                [*asked, "-ex", "info address start_kernel", "-ex", "detach"],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            assert re.search(r"^rip +0x", said.stdout, re.MULTILINE)
            assert 'Symbol "start_kernel" is' in said.stdout
        assert project.lab("cp", str(tmp_path / "go"), f"{KERNEL}:/tmp").returncode == 0
        out, err = boot.communicate(timeout=120)
    finally:
        boot.kill()
    assert out.decode().splitlines() == ["hello", "gone"]
    # The host's folder cannot be written.
    assert b"Read-only file system" in err
    assert boot.returncode == 1
    lost = project.lab("cp", "guest:/proc/version", str(tmp_path))
    assert (lost.returncode, "no guest 'guest' is open" in lost.stderr) == (2, True)
