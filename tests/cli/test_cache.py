# SPDX-License-Identifier: GPL-2.0-only
"""Commands on a cache that cannot be written, or that was damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.build.sandbox import Sandbox, probe_sandbox
from tests.cli.test_cli import ROOT, lab, project

__all__ = ["project"]

pytestmark = pytest.mark.slow

needs_bwrap = pytest.mark.skipif(
    not isinstance(probe_sandbox(), Sandbox), reason=f"no bwrap: {probe_sandbox()}"
)


def read_only(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command with the cache read-only, for root too."""
    cache = str(project.parent / "cache")
    mount = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", cache, cache, "--"]
    return subprocess.run(
        [*mount, sys.executable, "-m", "lab", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@needs_bwrap
def test_a_folder_that_is_built_already_in_a_cache_that_cannot_be_written(project: Path) -> None:
    assert lab(project, "build", "fake").returncode == 0
    done = read_only(project, "build", "fake")
    assert (done.returncode, "cached" in done.stdout + done.stderr) == (0, True), done.stderr
    (project.parent / "fake-kernel/mm/gup.c").write_text("int gup(void);\n")
    done = read_only(project, "build", "fake")
    assert done.returncode == 3
    assert "Read-only file system" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_build_is_told_and_made_again(project: Path) -> None:
    (row,) = json.loads(lab(project, "build", "fake", "--json").stdout)["builds"]
    bzimage = Path(row["bzimage"])
    whole = bzimage.read_bytes()
    bzimage.write_bytes(whole[:-1])
    again = lab(project, "build", "fake")
    assert again.returncode == 0
    said = " ".join((again.stdout + again.stderr).split())
    assert f"fake: the build {row['key']} in the cache is damaged: its bzImage is not what" in said
    assert bzimage.read_bytes() == whole
