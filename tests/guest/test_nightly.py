# SPDX-License-Identifier: GPL-2.0-only
"""A nightly that is killed, and the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guest.conftest import KERNEL, Project, qemus, until

pytestmark = pytest.mark.guest

LOCAL = """
[matrix.small]
variants = ["distro", "distro+reintroduce-bug"]
filesystems = ["ext4-dax"]
suites = ["limits"]
[nightly]
matrix = "small"
"""


def test_a_killed_nightly_goes_on_the_next_time(clean_folder: Path) -> None:
    project = Project(clean_folder / "project", f"guests = 1\n{LOCAL}")
    process = project.start("nightly")
    until(lambda: list(project.results.glob(f"*/jobs/00-{KERNEL}")))
    # In its folder a job is first, in the database it counts.
    until(lambda: list(project.results.glob(f"*/jobs/00-{KERNEL}/job.json")))
    until(lambda: project.json("runs")["runs"][0]["jobs"])
    process.kill()
    process.communicate()
    until(lambda: not qemus(clean_folder))
    (first,) = project.results.glob(f"*/jobs/00-{KERNEL}/job.json")
    stamp = first.stat().st_mtime_ns
    (killed,) = project.json("runs")["runs"]
    assert killed["finished"] is None
    night = project.json("nightly")
    assert night["run"] == killed["run"]
    assert first.stat().st_mtime_ns == stamp
    assert (night["exit_status"], night["baseline"]) == (0, None)
    (run,) = project.json("runs")["runs"]
    assert (run["jobs"], run["baselines"]) == (2, ["nightly"])
    assert run["finished"]
    shown = project.json("show")["results"]
    assert {row["variant"] for row in shown} == {KERNEL, f"{KERNEL}+reintroduce-bug"}
    assert len(shown) == sum(night["counts"].values()) == 24
