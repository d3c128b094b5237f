# SPDX-License-Identifier: GPL-2.0-only
"""What a job has found so far: results, complaints, proofs, and the guests it had."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.errors import LabError, UserError
from lab.execution.complaint_watch import ComplaintWatch
from lab.execution.guest_trouble import status_of
from lab.execution.hang import Hangs, Signature
from lab.execution.host_players import HostPlayers
from lab.execution.job import Job
from lab.execution.unit import Unit
from lab.guest.guest import Guest, GuestSpec
from lab.model.job_error import JobError
from lab.model.proof import Proofs
from lab.model.records import (
    DID_NOT_RUN,
    REPETITION,
    Evidence,
    GuestUse,
    PlacedComplaint,
    TestResult,
)
from lab.model.status import Status
from lab.model.unrun import ENOUGH, FAILED, Stop, Unrun
from lab.results.folder import KERNEL_LOG
from lab.suites.judge import Judged

STAYS_MOUNTED = "a filesystem could not be unmounted"


@dataclass
class Findings:
    """What a job has found so far; each result is told when it is taken in.

    Attributes:
        error: What of it the lab could not do.
        failed: How many results are not as expected.
        proofs: What each filesystem proved to be, by its name; those alone that were mounted.
        command: What started the first guest.
        complaints: Each once, in the order they came: a dict, since there may be thousands.
        left_mounted: What stayed mounted, of each guest that could not unmount all.
        guest: The folder of the one that is at work, relative to the job's.
        repetition: Which of a job's is under way, from 1; 0 in a job without any.
        host: Who plays tests that run on this host.
    """

    job: Job
    on_result: Callable[[TestResult], None] = lambda _: None
    on_word: Callable[[str], None] = lambda _: None
    error: JobError | None = None
    failed: int = 0
    command: tuple[str, ...] = ()
    hangs: Hangs = field(default_factory=Hangs)
    results: list[TestResult] = field(default_factory=list)
    proofs: dict[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    used: list[GuestUse] = field(default_factory=list)
    complaints: dict[PlacedComplaint, None] = field(default_factory=dict)
    watches: list[ComplaintWatch] = field(default_factory=list)
    left_mounted: dict[str, str] = field(default_factory=dict)
    guest: str = ""
    repetition: int = 0
    host: HostPlayers = field(default_factory=HostPlayers)

    def begin(self, units: Sequence[Unit]) -> None:
        """Units have their turn; what hung in a repetition before is asked about once more."""
        repetition = units[0].repetition if units else 0
        if repetition != self.repetition:
            self.hangs, self.repetition = Hangs(), repetition

    @property
    def over(self) -> Stop | None:
        """Why nothing more is to run; None while it goes on."""
        if self.hangs.over:
            return Stop(self.hangs.over)
        if not 0 < self.job.max_fail <= self.failed:
            return None
        return ENOUGH if self.job.repeat == 1 else FAILED

    def watch(self, guest: GuestSpec) -> ComplaintWatch:
        """Somebody who looks at the guest's console."""
        watch = ComplaintWatch(guest.folder, guest.kernel.parent, self.job.release, self.job.benign)
        self.watches.append(watch)
        return watch

    def tell(self, word: str) -> None:
        """Tell what the kernel complains of, at once."""
        self.on_word(f"{self.job.name}: {word}")

    def note(self, noted: Sequence[PlacedComplaint]) -> Sequence[PlacedComplaint]:
        """Keep complaints; guests of one saved state have those of its boot in common."""
        self.complaints.update(dict.fromkeys(noted))
        return noted

    def note_error(self, error: JobError) -> None:
        """Keep what the lab could not do; the first is the cause of the others."""
        self.error = self.error or error

    def note_use(self, guest: Guest, units: Sequence[Unit]) -> None:
        """Keep which guest ran what."""
        ran = tuple(unit.ran for unit in units)
        names, marks = tuple(one.unit for one in ran), tuple(guest.timeline.marks)
        self.used.append(GuestUse(self.place_of(guest), guest.state, names, marks, ran))

    def note_left(self, guest: Guest, said: str) -> None:
        """Tell and keep what a guest could not unmount; it makes no result another one."""
        place = self.place_of(guest)
        if place not in self.left_mounted:
            self.left_mounted[place] = said
            self.tell(f"{STAYS_MOUNTED}: {said}")

    def place_of(self, guest: Guest) -> str:
        """The guest's folder, relative to the job's."""
        return str(guest.spec.folder.relative_to(self.job.guest.folder))

    def note_hang(self, unit: Unit, test: str, hang: Signature) -> None:
        """Keep a hang, unless it was foretold."""
        if self.job.expected(unit.filesystem.name, unit.suite, test)[0] is not Status.TIMEOUT:
            self.hangs.note(hang)

    def add(self, unit: Unit, judged: Judged, duration_s: float) -> None:
        """Take a result in, and tell it."""
        status, reason = self.job.expected(unit.filesystem.name, unit.suite, judged.test)
        odd = self._which(unit) if judged.status is not status and judged.unrun is None else ()
        result = TestResult(
            variant=self.job.variant,
            kernel_release=self.job.release,
            filesystem=unit.filesystem.name,
            suite=unit.suite,
            test=judged.test,
            status=judged.status,
            expected=status,
            duration_s=round(duration_s, 3),
            message=judged.message,
            diagnostics=(*judged.diagnostics, *unit.remarks(), *odd),
            metrics=judged.metrics,
            reason=reason,
            program=unit.program,
            users_fault=judged.users_fault,
            unrun=judged.unrun,
            complaint=judged.complaint,
            signal=judged.signal,
            broke_off=judged.broke_off,
        )
        self.results.append(result)
        self.on_result(result)
        self.failed += not result.as_expected and result.ran

    def _which(self, unit: Unit) -> Iterator[str]:
        """Where to look at a repetition that did not end as the others should."""
        if unit.repetition:
            console = Path(self.guest) / "console.log"
            yield f"{REPETITION}{unit.repetition} of {self.job.repeat}: {console}"

    def add_unrun(self, unit: Unit, why: str, kind: Unrun = Unrun.LOST) -> None:
        """Results for what of a program nobody ran."""
        for name in unit.unrun_names():
            said = f"{DID_NOT_RUN}{why}"
            self.add(unit, Judged(name, Status.ERROR, said, unrun=kind), 0.0)

    def add_trouble(self, units: Iterable[Unit], error: LabError) -> None:
        """The same trouble for programs that could not run."""
        where = f" ({error.where})" if error.where else ""
        what = f"{error.what}{where}"
        said = tuple((error.detail or "").splitlines())
        users_fault = isinstance(error, UserError)
        for unit in units:
            if unit.rest is not None:
                self.add_unrun(unit, what)
                continue
            name = unit.test or unit.program
            self.add(unit, Judged(name, status_of(error), what, said, users_fault=users_fault), 0.0)

    def evidence(self, cpu_s: float) -> Evidence:
        """The job's evidence, with what came of its guests.

        Args:
            cpu_s: CPU time of the host's that the job took.
        """
        evidence = self.job.evidence
        # Of a guest that did not come so far there is none.
        kept = (self.job.guest.folder / KERNEL_LOG).exists()
        return replace(
            evidence,
            kernel_log_path=evidence.kernel_log_path if kept else "",
            cmdline=shlex.join(self.command),
            promises=tuple(
                (filesystem.name, tuple(proof.name for proof in filesystem.prove()))
                for filesystem in self.job.filesystems
            ),
            proofs=tuple((name, _stored(proofs)) for name, proofs in self.proofs.items()),
            timeline=self.used[0].timeline if self.used else (),
            guests=tuple(self.used),
            cost=(("cpu_s", round(cpu_s, 3)), *evidence.cost),
            unkept=sum(watch.unkept for watch in self.watches),
            left_mounted=tuple(self.left_mounted.items()),
        )


def _stored(proofs: Mapping[str, Mapping[str, str]]) -> Proofs:
    return tuple((name, tuple(said.items())) for name, said in proofs.items())
