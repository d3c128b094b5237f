# SPDX-License-Identifier: GPL-2.0-only
"""The script of ``lab repro`` boots a real guest, and ends as the tests did."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.guest.conftest import KERNEL, Project, qemus

pytestmark = pytest.mark.guest

BUG = f"{KERNEL}+reintroduce-bug"
TEST = ("-f", "ext4-dax", "-s", "populate", "-k", "populate.*-rw.4k")


def test_the_script_ends_as_the_tests_did(clean_folder: Path) -> None:
    project = Project(clean_folder / "project")
    run = project.json("test", KERNEL, BUG, *TEST)
    statuses = {(row["variant"], row["test"]): row["status"] for row in run["results"]}
    assert statuses[BUG, "populate.shared-rw.4k"] == "fail"
    for variant, status in ((KERNEL, 0), (BUG, 1)):
        done = repeat(project, variant)
        assert done.returncode == status, done.stderr
        for (name, test), was in statuses.items():
            if name == variant:
                line = f"not ok {test}" if was == "fail" else f"ok {test}"
                assert line in without_numbers(done.stdout)
    # A mount that succeeds without DAX proves nothing by hand either.
    undone = repeat(project, KERNEL, ("mount -t ext4 -o dax", "mount -t ext4"))
    assert undone.returncode == 3, undone.stderr
    assert "is not DAX" in undone.stderr
    dead = repeat(project, KERNEL, ('tell "repro: done"', "echo c >/proc/sysrq-trigger"))
    assert dead.returncode == 1, dead.stderr
    assert "died" in dead.stderr
    assert qemus(clean_folder) == []


def without_numbers(text: str) -> str:
    words = [line.split() for line in text.replace("\r", "").splitlines()]
    return "\n".join(" ".join(word for word in line if not word.isdigit()) for line in words)


def repeat(
    project: Project, variant: str, change: tuple[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    script = project.folder / "repro.sh"
    assert project.lab("repro", "latest", variant, "-o", str(script)).returncode == 0
    if change is not None:
        text = script.read_text()
        assert change[0] in text
        script.write_text(text.replace(*change))
    (built,) = project.json("build", variant)["builds"]
    return subprocess.run(
        ["sh", script],
        env={**os.environ, "BZIMAGE": built["bzimage"], "WORK": str(project.folder / "work")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600,
        check=False,
    )
