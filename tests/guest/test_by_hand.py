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


def test_a_folder_that_a_guest_may_write(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    shared, elsewhere = tmp_path / "shared", tmp_path / "elsewhere"
    for folder in (shared, elsewhere):
        folder.mkdir()
    for name in ("kept", "changed", "removed"):
        (shared / name).write_text(f"{name}\n")
    (shared / "out").symlink_to(elsewhere)
    script = (
        "cd /mnt/share && echo more >>changed && rm removed && mkdir sub && echo new >sub/made && "
        "chmod 755 sub/made && ln -s /etc/passwd link && rm out && mkdir out && echo evil >out/file"
        "; dd if=/dev/zero of=big bs=1M count=257 2>/dev/null; exit 3"
    )
    done = project.lab("boot", KERNEL, "--share-rw", str(shared), "--", "sh", "-c", script)
    assert done.returncode == 3, done.stderr
    assert f"lab: brought back to {shared}: changed, sub/made\n" in done.stderr
    # What is too much costs itself alone.
    assert "lab: NOT brought back, since no more than 256 MiB come: big (257 MiB)\n" in done.stderr
    assert (shared / "changed").read_text() == "changed\nmore\n"
    assert (shared / "sub" / "made").stat().st_mode & 0o777 == 0o755
    assert (shared / "removed").read_text() == "removed\n"
    assert not list(elsewhere.iterdir()), "a link of the folder led out of it"
    assert not (shared / "link").is_symlink()
    crash = "echo lost >/mnt/share/kept; sync; echo c >/proc/sysrq-trigger"
    dead = project.lab("boot", KERNEL, "--share-rw", str(shared), "--", "sh", "-c", crash)
    assert "lab: nothing of /mnt/share was brought back, or not all: " in dead.stderr
    assert (shared / "kept").read_text() == "kept\n"
