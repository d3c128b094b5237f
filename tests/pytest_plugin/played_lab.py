# SPDX-License-Identifier: GPL-2.0-only
"""As lab.pytest_plugin.driver, on guests that are only played: started in its place by a test."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.config import LoadedConfig
from lab.errors import UserError
from lab.execution.host_run import tests_of
from lab.execution.job import Job
from lab.execution.run_job import JobInterrupted, run_job
from lab.execution.unit import Unit
from lab.guest.fake import FakeSpec
from lab.guest.wire import Wire
from lab.model.job_error import JobError
from lab.model.records import Evidence, JobRecord, RunRecord
from lab.process.interrupt import Interrupted
from lab.pytest_plugin import driver
from lab.suites.pytest_player import Player, PytestPlayers
from lab.suites.pytest_programs import PytestPrograms
from tests.pytest_plugin.conftest import EXT4, XFS, played_stage
from tests.results.made import job as made_job
from tests.results.made import run

_FILESYSTEMS = {"ext4-dax": EXT4, "xfs-dax": XFS}


def _run(loaded: LoadedConfig, asked: Any, wire: Wire, teller: Any) -> RunRecord:
    PytestPlayers.external = Player(wire, asked.rows, essential=True)
    kind = PytestPrograms(loaded.root)
    records: list[JobRecord] = []
    for variant in dict.fromkeys(row.variants[0] for row in asked.rows):
        if variant == "unbuildable":
            error = JobError.of(UserError("mm/gup.c does not compile"))
            records.append(made_job(variant=variant, error=error))
            continue
        mine = [row for row in asked.rows if row.variants[0] == variant]
        units = [
            one
            for name in dict.fromkeys(row.filesystems[0] for row in mine)
            for program in dict.fromkeys(row.program for row in mine)
            for one in tests_of(Unit(_FILESYSTEMS[name], "s", program, kind), kind, variant, "")
        ]
        job = _job(loaded, variant, units)
        teller.say(f"{variant}: booting")
        try:
            records.append(run_job(job, teller.result))
        except JobInterrupted as stop:
            ended = replace(run(*records, stop.record), finished=None)
            (loaded.root / "interrupted").touch()
            raise Interrupted(ended, stop.cause) from None  # type: ignore[arg-type]
    return run(*records)


def _job(loaded: LoadedConfig, variant: str, units: list[Unit]) -> Job:
    folder = Path(tempfile.mkdtemp(dir=loaded.root))
    return Job(
        variant=variant,
        machine="default",
        config="default",
        release="6.1.192",
        guest=FakeSpec(folder, played_stage()),
        units=tuple(units),
        pattern=None,
        program_s=20.0,
        expect=loaded.config.expect,
        evidence=Evidence(),
        stall_s=0.15,
    )


if __name__ == "__main__":
    driver._run = _run
    sys.exit(driver.main(int(sys.argv[1])))
