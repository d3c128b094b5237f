# SPDX-License-Identifier: GPL-2.0-only
"""Files of a run: where they are, and that they are whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.errors import InfrastructureError
from lab.results import RunFolder, slug, write_json, write_text


def test_layout(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "20260101-120000-ab12")
    job = folder.job(0, "6.1+dax-populate")
    paths = [
        folder.plan,
        folder.environment,
        folder.document,
        job.console,
        job.kernel_log,
        job.record,
        job.ktap("ext4-dax", "mlock", "mlock"),
    ]
    assert [folder.relative(path) for path in paths] == [
        "run/plan.txt",
        "run/environment.json",
        "results.json",
        "jobs/00-6.1+dax-populate/console.log",
        "jobs/00-6.1+dax-populate/kernel.log",
        "jobs/00-6.1+dax-populate/job.json",
        "jobs/00-6.1+dax-populate/ext4-dax/mlock.mlock.ktap",
    ]
    assert folder.path == tmp_path / "20260101-120000-ab12"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("6.1+a", "6.1+a"), ("../x", "-x"), ("a/b c", "a-b-c"), ("..", "-"), ("", "-")],
)
def test_slugs_stay_in_their_folder(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_a_file_that_cannot_be_written_whole_is_not_written(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a" / "b.json", {"x": "\ufffd\udc80"})
    with pytest.raises(ValueError, match="Out of range"):
        write_json(path, {"x": float("nan")})
    assert json.loads(path.read_text()) == {"x": "\ufffd\udc80"}
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(InfrastructureError, match="cannot write"):
        write_text(tmp_path / "folder", "text")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a", "folder"]
    assert [entry.name for entry in path.parent.iterdir()] == ["b.json"]
