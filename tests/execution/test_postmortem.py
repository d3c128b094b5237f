# SPDX-License-Identifier: GPL-2.0-only
"""What is left of a guest that somebody opened by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import InfrastructureError
from lab.execution import postmortem
from lab.execution.postmortem import keep, own_folder, trace

CORPUS = Path(__file__).parents[1] / "complaints" / "corpus"


def test_folder_of_a_guest_that_lived_goes(tmp_path: Path) -> None:
    with own_folder(tmp_path) as folder:
        (folder / "console.log").write_text("well")
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_guest_that_died_stays(tmp_path: Path) -> None:
    folder = tmp_path
    died = InfrastructureError("the guest died")

    def die() -> None:
        nonlocal folder
        with own_folder(tmp_path) as folder:
            (folder / "console.log").write_text("alas")
            raise died

    with pytest.raises(InfrastructureError, match="the guest died"):
        die()
    assert (folder / "console.log").read_text() == "alas"
    with own_folder(tmp_path) as other:
        keep(other)
    assert sorted(tmp_path.iterdir()) == sorted([folder, other])


def test_oldest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postmortem, "_KEPT", 2)
    names = iter(f"20260101-00000{number}-aaaa" for number in range(3))
    monkeypatch.setattr(postmortem, "new_run_id", lambda: next(names))
    for _ in range(3):
        with own_folder(tmp_path) as folder:
            keep(folder)
    assert sorted(path.name[:15] for path in tmp_path.iterdir()) == [
        "20260101-000001",
        "20260101-000002",
    ]


def test_trace_begins_with_what_killed_it(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_bytes((CORPUS / "warn-then-oops.log").read_bytes())
    said = trace(tmp_path, tmp_path, "6.1.192").splitlines()
    assert said[0] == "oops: NULL pointer dereference in complain_null"
    assert said[1].startswith("  complain_null+0x")
    (tmp_path / "console.log").write_text("Linux version 6.1.192\n")
    assert trace(tmp_path, tmp_path, "6.1.192") == ""
