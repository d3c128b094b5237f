# SPDX-License-Identifier: GPL-2.0-only
"""A suite of pytest's on real kernels, one with a bug: ten tests, of which it fails two."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guest.conftest import KERNEL, ROOT, Project

pytestmark = pytest.mark.guest

BAD = f"{KERNEL}+reintroduce-bug"
SUITE = ROOT / "tests/guest/ten_tests.py"
#: Those that the bug breaks.
BROKEN = {"test_mlock_of_a_file", "test_populate_of_a_file"}


def test_ten_tests_with_and_without_the_bug(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    programs = project.folder / "guest-tests"
    programs.unlink()
    shutil.copytree(ROOT / "guest-tests", programs)
    shutil.copy(SUITE, programs / "test_ten.py")
    with (project.folder / "lab.local.toml").open("a") as local:
        local.write('[suites.ten]\nkind = "pytest"\nprograms = ["test_ten.py"]\n')
    found = project.json("test", KERNEL, BAD, "-s", "ten", "-f", "ext4-dax")
    ends = {(one["variant"], one["test"]): one["status"] for one in found["results"]}
    assert len(ends) == 20
    failed = {key for key, status in ends.items() if status != "pass"}
    assert failed == {(BAD, test) for test in BROKEN}
    assert {ends[key] for key in failed} == {"fail"}
    # The same by pytest itself, recorded beside it.
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "lab.pytest_plugin", "-q", "-rA",
         f"--lab-variant={BAD}", "--lab-filesystem=ext4-dax", "guest-tests/test_ten.py"],
        cwd=project.folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "2 failed, 8 passed" in done.stdout
    compared = project.json("compare", f"latest~1:{BAD}", f"latest:{BAD}")
    assert {kind: n for kind, n in compared["counts"].items() if n} == {"same": 10}
