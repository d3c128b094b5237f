# SPDX-License-Identifier: GPL-2.0-only
"""The lab beside a session of pytest's: builds, guests, verdicts and a record of them.

Started as ``python -m lab.pytest_plugin.driver DESCRIPTOR``; the tests themselves run in the
process at the other end of that.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lab.analysis.run_status import job_complaints, run_status
from lab.build import Step
from lab.builder import Builder
from lab.config import LoadedConfig, load
from lab.config.kinds import PYTEST
from lab.config.model import GivenSuite, Suite
from lab.doctor import require
from lab.errors import LabError
from lab.execution.run import Runner
from lab.guest.wire import Wire, WireEnded
from lab.model.records import RunRecord, TestResult
from lab.model.variant import Variant
from lab.plan import JobPlan, Plan, plan_variants
from lab.process.interrupt import Interrupted, terminate
from lab.suites.pytest_player import Player, PytestPlayers, Row, rows_of
from lab.unforeseen import as_lab_error


class _Teller:
    """A listener that tells the other end; from any thread."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lock = threading.Lock()

    def tell(self, **message: object) -> None:
        with self._lock:
            self._wire.send(**message)

    def say(self, message: str) -> None:
        self.tell(say=message)

    def step(self, variant: str, step: Step) -> None:
        """How far a build is, is for who looks at it."""

    def result(self, result: TestResult) -> None:
        self.tell(result={**asdict(result), "as_expected": result.as_expected})


@dataclass(frozen=True)
class _Asked:
    """What a session asks for: its rows, in order, each with the path of its file."""

    rows: tuple[Row, ...]
    paths: Mapping[str, Path]
    command: tuple[str, ...]


def main(descriptor: int) -> int:
    """Run what the other end asks for."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, terminate)
    # Ctrl-C on its terminal is pytest's, which says when this is to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as end:
        wire = Wire(end)
        teller = _Teller(wire)
        try:
            teller.tell(finished=_finished(wire, teller))
        except WireEnded:
            return 1
    return 0


def _finished(wire: Wire, teller: _Teller) -> dict[str, object]:
    try:
        message = wire.receive()
        run = _run(load(Path(message["file"])), _asked(message), wire, teller)
    except Interrupted as stop:
        return _document(stop.run)
    except WireEnded:
        raise
    except Exception as error:
        return {"lost": f"lab: {as_lab_error(error)}"}
    return _document(run)


def _asked(message: Mapping[str, Any]) -> _Asked:
    rows = tuple(map(rows_of, message["rows"]))
    paths = {row["program"]: Path(row["path"]) for row in message["rows"]}
    return _Asked(rows, paths, tuple(map(str, message["command"])))


def _run(loaded: LoadedConfig, asked: _Asked, wire: Wire, teller: _Teller) -> RunRecord:
    require("test")
    PytestPlayers.external = Player(wire, asked.rows, essential=True)
    suites = {program: _suite(loaded, path) for program, path in asked.paths.items()}
    more = dict(suites.values())
    config = loaded.config.model_copy(
        # One after the other, in this process: there is one pytest.
        update={"suites": {**loaded.config.suites, **more}, "guests": 1}
    )
    loaded = replace(loaded, config=config)
    plan = _plan(loaded, asked.rows, {program: name for program, (name, _) in suites.items()})
    return Runner(Builder(loaded, teller)).run(plan, asked.command)


def _suite(loaded: LoadedConfig, path: Path) -> tuple[str, Suite]:
    """The suite of a file: one of ``lab.toml`` that names it, or one of its own."""
    known = loaded.config.suites
    if path.parent == loaded.root / "guest-tests":
        for name, section in known.items():
            if section.kind == PYTEST and path.name in section.programs:
                return name, section
    name = path.stem if path.stem not in known else f"pytest-{path.stem}"
    return name, GivenSuite(programs=(path.name,), kind=PYTEST, project=path.parent)


def _plan(loaded: LoadedConfig, rows: Sequence[Row], suites: Mapping[str, str]) -> Plan:
    """A job for each kernel, with what its tests need."""
    default = plan_variants(loaded, [row.variants[0] for row in rows[:1]]).jobs[0]
    jobs = []
    for variant in dict.fromkeys(row.variants[0] for row in rows):
        mine = [row for row in rows if row.variants[0] == variant]
        jobs.append(
            JobPlan(
                variant=Variant.parse(variant),
                config=default.config,
                machine=default.machine,
                fragments=default.fragments,
                filesystems=tuple(dict.fromkeys(row.filesystems[0] for row in mine)),
                suites=tuple(dict.fromkeys(suites[row.program] for row in mine)),
            )
        )
    return Plan("pytest", tuple(jobs))


def _document(run: RunRecord) -> dict[str, object]:
    errors = [(str(job.variant), str(job.error)) for job in run.jobs if job.error is not None]
    complaints = [
        f"{job.variant}: the kernel complained while no test ran: {noted.complaint}"
        for job, noted in job_complaints(run)
    ]
    return {
        "run": run.id,
        "folder": run.folder,
        "status": int(run_status(run)),
        "errors": errors,
        "told": [*complaints, *run.problems, *(f"{name}: {error}" for name, error in errors)],
    }


if __name__ == "__main__":
    try:
        sys.exit(main(int(sys.argv[1])))
    except LabError as error:
        sys.exit(f"lab: {error}")
