# SPDX-License-Identifier: GPL-2.0-only
"""What a test of xfstests leaves in its guest is kept, and named where it failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.execution.run_job import run_job
from lab.execution.unit import Unit
from lab.guest.command import CommandResult
from lab.guest.fake import FakeGuest, Stage
from lab.results.folder import safe_name
from lab.suites.xfstests import Xfstests
from tests.execution.conftest import EXT4, MakeJob
from tests.suites.output.test_xfstests import read
from tests.suites.test_xfstests import said

LEFT = {"generic/413.out.bad": b"QA output\n", "generic/413.full": b"\0\xff"}
BASE = f"ext4-dax/xfstests-dax.check-dax.{safe_name('generic/413')}"
NAMES = {
    f"{BASE}.out.bad": LEFT["generic/413.out.bad"],
    f"{BASE}.full": LEFT["generic/413.full"],
}


def kept(folder: Path) -> dict[str, bytes]:
    paths = (path for path in (folder / "ext4-dax").iterdir() if path.suffix != ".ktap")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize(("check", "status"), [("fails", 1), ("passes", 0)])
def test_files_of_a_test_that_failed(
    make_job: MakeJob, stage: Stage, tmp_path: Path, check: str, status: int
) -> None:
    def answer(guest: FakeGuest, *_: object) -> CommandResult:
        for name, content in LEFT.items():
            guest.put(content, f"/tmp/xfstests/{name}")
        return CommandResult(status, said(read(check)).decode(), "", 0.0)

    stage.answers["check-dax"] = answer
    unit = Unit(EXT4, "xfstests-dax", "check-dax", Xfstests(tmp_path), test="generic/413")
    record = run_job(make_job({}, units=(unit,)))
    messages = {one.test: one.message for one in record.results}
    found = kept(tmp_path / "job")
    if status == 0:
        assert found == {}
        assert messages["generic/413"] == ""
        return
    assert found == NAMES
    for name in NAMES:
        assert name in messages["generic/413"]
        assert name not in messages["generic/001"]


def test_a_guest_that_is_lost_is_asked_for_none(
    make_job: MakeJob, stage: Stage, tmp_path: Path
) -> None:
    def dies(guest: FakeGuest, *_: object) -> CommandResult:
        guest.put(LEFT["generic/413.full"], "/tmp/xfstests/generic/413.full")
        raise guest.dies("panic")

    stage.answers["check-dax"] = dies
    unit = Unit(EXT4, "xfstests-dax", "check-dax", Xfstests(tmp_path), test="generic/413")
    (result,) = run_job(make_job({}, units=(unit,))).results
    assert (result.test, str(result.status)) == ("generic/413", "crash")
    assert "kept" not in result.message
