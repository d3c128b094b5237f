# SPDX-License-Identifier: GPL-2.0-only
"""``lab verify --mutate`` on a real kernel: wrong versions of a patch built, booted and noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.guest.conftest import KERNEL, Project, leftovers, qemus

pytestmark = pytest.mark.guest

BUGGY = f"{KERNEL}+reintroduce-bug"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def test_of_seven_wrong_versions_one_means_the_same(project: Project) -> None:
    asked = ("-f", "ext4-dax", "-s", "mlock", "-k", "mlock.shared-rw.4k")
    document = project.json("verify", "dax-populate", BUGGY, "--mutate", *asked)
    (kernel,) = document["mutants"]["kernels"]
    fates = {(row["kind"], row["fate"]) for row in kernel["mutants"]}
    said = [f"{row['kind']}: {row['before']} -> {row['after']}" for row in kernel["mutants"]]
    assert len(said) == kernel["of"] == 7, said
    # Without its condition the branch is taken by the same callers: no others come there.
    assert ("condition dropped", "said to be equivalent") in fates
    assert fates - {("condition dropped", "said to be equivalent")} == {
        (kind, "noticed")
        for kind in (
            "hunk left out",
            "statement removed",
            "condition inverted",
            "condition dropped",
            "negation dropped",
        )
    }
    assert kernel["score"] == 1
    assert document["exit_status"] == 0
    # Each says what noticed it; what makes the kernel without the series again is not built.
    (inverted,) = (row for row in kernel["mutants"] if row["kind"] == "condition inverted")
    assert inverted["why"].startswith("mlock.shared-rw.4k on ext4-dax: fail: mlock: ENOMEM; ")
    base = [row for row in kernel["mutants"] if "without the series" in row["why"]]
    assert [row["kind"] for row in base] == ["hunk left out"]
    folder = Path(document["folder"])
    kept = json.loads((folder / "mutants.json").read_text())
    assert kept == document["mutants"]
    assert len(list((folder / "mutants" / "00").glob("*/try-1/console.log"))) == len(
        [row for row in kernel["mutants"] if row not in base and row["twin"] is None]
    )
    assert qemus(project.folder) == []
    assert leftovers(project.folder) == []
