# SPDX-License-Identifier: GPL-2.0-only
"""Filesystems without locks, as the lab itself meets them: flock(2) says ENOLCK."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.results import Store
from tests.results.made import job, result, run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("programs_at_hand")]

ROOT = Path(__file__).parents[2]
#: Before libc's: what NFS without its lock daemon says, for what is below a folder.
NO_LOCKS = r"""
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int flock(int fd, int operation)
{
	char link[64], path[4096] = "";
	const char *below = getenv("NO_LOCKS_BELOW");

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) > 0 && !strncmp(path, below, strlen(below))) {
		errno = ENOLCK;
		return -1;
	}
	return syscall(SYS_flock, fd, operation);
}
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shim")
    (folder / "flock.c").write_text(NO_LOCKS)
    command = ["gcc", "-shared", "-fPIC", "-o", "flock.so", "flock.c"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "flock.so"


@pytest.fixture
def project(tmp_path: Path, fake_kernel: Path) -> Path:
    for name in ("lab.toml", "kconfigs", "patches", "guest-tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "lab.local.toml").write_text(
        f'[paths]\ncache = "cache"\n[kernels.fake]\nkind = "dir"\npath = "{fake_kernel}"\n'
    )
    with Store.open(tmp_path / "results" / "lab.db") as store:
        made = run(job(result()))
        store.begin(made)
        store.add_job(made.id, made.jobs[0])
    return tmp_path


@pytest.mark.parametrize("below", ["cache", "results"])
@pytest.mark.parametrize(
    "command", ["gc", "gc --dry-run", "test fake", "build fake", "fetch fake", "nightly", "runs"]
)
def test_said_and_never_a_traceback(project: Path, shim: Path, below: str, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab", *command.split()],
        cwd=project,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LD_PRELOAD": str(shim),
            "NO_LOCKS_BELOW": str(project / below),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "the lab itself failed" not in done.stdout + done.stderr
    needs_locks = {"cache": command not in ("runs",), "results": command == "nightly"}[below]
    if needs_locks:
        assert done.returncode == 3, done.stderr
        assert "this filesystem has no locks" in done.stderr + done.stdout
    else:
        assert done.returncode in (0, 2, 3), done.stderr
