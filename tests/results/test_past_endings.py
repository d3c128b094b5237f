# SPDX-License-Identifier: GPL-2.0-only
"""How every test ended in the last runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.model.status import Status
from lab.model.test_key import TestKey
from lab.results import Store, Trail
from tests.results.made import job, result, run

KEY = TestKey("6.1", "default", "default", "ext4-dax", "mlock", "a")


def trail(folder: Path, name: str = "latest", /, **bounds: int) -> Trail:
    """The trail to a run, of four with a failure in the second."""
    with Store.open(folder / "lab.db") as store:
        for number in range(4):
            status = Status.FAIL if number == 1 else Status.PASS
            store.begin(replace(run(), id=f"run-{number}", jobs=()))
            store.add_job(f"run-{number}", job(result("a", status), result("b")))
        return store.trail(name, **bounds)


def test_each_end_belongs_to_its_run(tmp_path: Path) -> None:
    found = trail(tmp_path)
    assert [record.id for record in found.runs] == ["run-0", "run-1", "run-2", "run-3"]
    assert [(end.run, end.status) for end in found.ends[KEY]] == [
        (0, Status.PASS),
        (1, Status.FAIL),
        (2, Status.PASS),
        (3, Status.PASS),
    ]
    assert [end.as_expected for end in found.ends[KEY]] == [True, False, True, True]
    assert found.run.jobs[0].variant == "6.1"


def test_a_trail_ends_with_the_run_asked_for(tmp_path: Path) -> None:
    found = trail(tmp_path, "run-1")
    assert [record.id for record in found.runs] == ["run-0", "run-1"]
    assert [end.run for end in found.ends[KEY]] == [0, 1]


@pytest.mark.parametrize(
    ("bounds", "runs"),
    [
        ({"limit": 2}, ["run-2", "run-3"]),
        ({"most": 5}, ["run-2", "run-3"]),
        # The run itself is whole, whatever its size.
        ({"most": 1}, ["run-3"]),
    ],
)
def test_a_trail_has_bounds(bounds: dict[str, int], runs: list[str], tmp_path: Path) -> None:
    found = trail(tmp_path, **bounds)
    assert [record.id for record in found.runs] == runs
    assert [end.run for end in found.ends[KEY]] == list(range(len(runs)))
