# SPDX-License-Identifier: GPL-2.0-only
"""What is recorded of a run: plain frozen values that can be pickled."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from lab.model.complaint import Complaint
from lab.model.job_error import Fault, JobError
from lab.model.job_name import Around, job_name
from lab.model.metric import Metric
from lab.model.planned import JobPlan, Planned
from lab.model.proof import Proofs
from lab.model.ran import Ran, ran_of
from lab.model.status import Status
from lab.model.unrun import Unrun
from lab.model.variant import Variant


@dataclass(frozen=True)
class GuestUse:
    """A guest of a job, and what ran in it.

    Args:
        folder: Where its console and kernel log are, relative to the job's folder.
        state: The key of the saved state it started from; "" when it was booted.
        units: ``FILESYSTEM/SUITE.PROGRAM``, in the order they ran: ``ran``, as people read it.
        timeline: (what was reached, seconds since QEMU's start) pairs.
        ran: What ran, by its names; empty in records of older labs.
    """

    folder: str
    state: str
    units: tuple[str, ...]
    timeline: tuple[tuple[str, float], ...] = ()
    ran: tuple[Ran, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What proves a job's results, and what it takes to repeat them.

    Args:
        accelerator: ``kvm`` or ``tcg``, as it really ran.
        machine_description: The QEMU hardware, in a line for people.
        hardware: The same as setups are told apart by it; "" in records of older labs, of
            which the line for people is that.
        cmdline: The kernel's command line.
        promises: (filesystem, names of what it promised to be) pairs; not in runs of before,
            whose filesystems promised DAX.
        proofs: For each filesystem that was mounted, what was said for each of its promises.
        build_key: The hash that names the build.
        tree_identity: Commit, tarball digest or package version.
        tree_signature: Of a tarball: who signed it, or why that was not checked.
        series_digests: (series, digest) pairs, in the order applied.
        patches: (SERIES/PATCH, digest) pairs of them; empty in runs of before.
        console_path, ktap_path, kernel_log_path: Relative to the run's folder;
            ``ktap_path`` is the folder that holds the job's KTAP files.
        timeline: (what was reached, seconds since QEMU's start) pairs, of the first guest.
        guests: All its guests.
        programs_digest: The hash that names the guest programs' binaries, all together.
        programs: (name, digest) pairs of them; empty in runs of before.
        image_digest: SHA-256 of the part of the initramfs that guests share.
        cost: (what, amount) pairs: ``cpu_s`` of the host's CPUs, QEMU's above all, ``build_s`` of
            the build when this run made it, ``store_bytes`` that came when it had it from a store.
        surroundings: (what, value) pairs of all else that shapes a result: how
            filesystems are made and mounted, deadlines, the CPU, rules for complaints.
        unkept: How many more complaints there were than are kept: each is of a kind
            that is kept of the same test.
        left_mounted: (guest's folder, what was said) pairs of those that could not unmount
            all they had mounted; what unmounting shows is not shown of that.
        host: The name of the host that its guests ran on; "" is that of the run.
        untested: Why it has no results, and needs none; "" where it has to have some.
        build_from: The store that its build was had from, who put it there and when, or the
            host that made it; "" where it was made on this one.
    """

    accelerator: str = ""
    qemu_version: str = ""
    machine_description: str = ""
    cmdline: str = ""
    promises: tuple[tuple[str, tuple[str, ...]], ...] = ()
    proofs: tuple[tuple[str, Proofs], ...] = ()
    build_key: str = ""
    tree_identity: str = ""
    tree_signature: str = ""
    config_digest: str = ""
    series_digests: tuple[tuple[str, str], ...] = ()
    patches: tuple[tuple[str, str], ...] = ()
    compiler: str = ""
    console_path: str = ""
    ktap_path: str = ""
    kernel_log_path: str = ""
    timeline: tuple[tuple[str, float], ...] = ()
    guests: tuple[GuestUse, ...] = ()
    programs_digest: str = ""
    programs: tuple[tuple[str, str], ...] = ()
    image_digest: str = ""
    cost: tuple[tuple[str, float], ...] = ()
    unkept: int = 0
    surroundings: tuple[tuple[str, str], ...] = ()
    hardware: str = ""
    left_mounted: tuple[tuple[str, str], ...] = ()
    untested: str = ""
    host: str = ""
    build_from: str = ""

    @property
    def machine(self) -> str:
        """What tells its hardware from other hardware."""
        return self.hardware or self.machine_description

    @property
    def setup(self) -> str:
        """Names all that a result depends on but chance; "" when nothing was built.

        Two results of a test with one setup that differ are the test's, or the
        kernel's, unsteadiness, and no change of the kernel.  What it is made of is in
        databases: no part of it is worded anew.
        """
        if not self.build_key:
            return ""
        parts = (
            self.build_key,
            self.accelerator,
            self.qemu_version,
            self.machine,
            self.programs_digest,
            self.image_digest,
            *(f"{name}={value}" for name, value in self.surroundings),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


#: What the message of a result begins with that stands for a test nobody ran.
DID_NOT_RUN = "did not run: "
#: Of a run as a whole.
UNFINISHED, NOTHING_RAN = "the run did not finish: tests may be missing", "no test ran"
#: How a line among a result's diagnostics begins that says which repetition it was, and where
#: its guest's console is.
REPETITION = "repetition "
#: And one that says what its program left otherwise than it found it.
LEFT_CHANGED = "left the guest changed"
#: Stands for the suite of what the kernel complains of while no test runs.
KERNEL = "kernel"


def is_as_expected(status: Status, expected: Status) -> bool:
    """Whether a result is no surprise.

    A skip is one where a pass was expected: what did not run proved nothing, and
    ``lab.toml`` says where a test cannot run.
    """
    return status is expected


@dataclass(frozen=True)
class TestResult:
    """One test on one filesystem of one job.

    ``message`` is what the guest or the lab says of it; ``reason`` is why
    ``lab.toml`` expects what it expects, ``""`` for a plain pass.  ``program`` is the
    guest program that reported it, ``""`` in records of labs that did not keep that.
    With ``users_fault`` an error lies in what the lab was given: its program does not compile.
    ``unrun`` is what sort of reason there is that nobody ran it, None where somebody did.
    ``complaint`` is what the kernel complained of last while it ran, as a Complaint's text has
    it, with the place in the source: what made the result what it is; "" where it did not.
    ``signal`` is what killed its program, by name; "" where none did.
    ``broke_off`` is its program's own word for that it could not test: ``TBROK``; "" for none.
    """

    # pytest takes a class of such a name for tests.
    __test__ = False

    variant: str
    kernel_release: str
    filesystem: str
    suite: str
    test: str
    status: Status
    expected: Status = Status.PASS
    duration_s: float = 0.0
    message: str = ""
    diagnostics: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    reason: str = ""
    program: str = ""
    users_fault: bool = False
    unrun: Unrun | None = None
    complaint: str = ""
    signal: str = ""
    broke_off: str = ""

    @property
    def as_expected(self) -> bool:
        """See is_as_expected()."""
        return is_as_expected(self.status, self.expected)

    @property
    def ran(self) -> bool:
        """Whether it says anything of the test; else only why nobody ran it."""
        return self.unrun is None

    @property
    def has_word(self) -> bool:
        """Whether it is a word on the kernel, good or bad: the lab's own errors are none.

        That a signal killed a program, or that it broke off, is the kernel's doing or the
        program's, never ours.
        """
        return self.status is not Status.ERROR or self.stopped

    @property
    def stopped(self) -> bool:
        """Whether it is an error because a signal killed the program, or it broke off."""
        return self.status is Status.ERROR and bool(self.signal or self.broke_off)

    @property
    def stopped_by(self) -> str:
        """What stopped it, for people."""
        return f"{self.signal} killed the program" if self.signal else f"it says {self.broke_off}"

    @property
    def cause(self) -> str:
        """The message; of what did not run, without the words that each of these begins with."""
        return self.message if self.ran else self.message.removeprefix(DID_NOT_RUN)


@dataclass(frozen=True)
class PlacedComplaint:
    """A complaint of the kernel, and what ran when it came.

    Args:
        filesystem, program: "" where it came while no program ran, or was found when
            that one's results were out already.
        test: "" where no test ran that said so.
        benign: Why it says nothing of the kernel; "" for all others.
        doubtful: ``benign`` is that nobody can tell: the host may be the cause, and so no
            result is earned meanwhile.
    """

    complaint: Complaint
    filesystem: str = ""
    program: str = ""
    test: str = ""
    benign: str = ""
    doubtful: bool = False

    @property
    def of_job(self) -> bool:
        """Whether no result tells of it, and it counts."""
        return not self.program and not self.benign


@dataclass(frozen=True)
class JobRecord:
    """One build on one machine, all its filesystems and suites.

    ``started`` is ISO 8601, UTC; ``error`` says why the lab could not do the
    job, or not all of it: results from before that stay.
    ``complaints`` are all that its kernels complained of.
    """

    variant: Variant
    kernel_release: str
    machine: str
    config: str
    started: str
    duration_s: float
    evidence: Evidence = Evidence()
    results: tuple[TestResult, ...] = ()
    error: JobError | None = None
    complaints: tuple[PlacedComplaint, ...] = ()

    @property
    def names(self) -> tuple[str, str, str]:
        """What tells it from others of its run: variant, machine, config."""
        return self.variant, self.machine, self.config

    @property
    def around(self) -> Around:
        """Its machine and config."""
        return Around(self.machine, self.config)

    @property
    def name(self) -> str:
        """The same for a reader."""
        return job_name(*self.names)

    @cached_property
    def ran(self) -> tuple[Ran, ...]:
        """What ran in its guests, in order."""
        found: list[Ran] = []
        for use in self.evidence.guests:
            known = {(one.suite, one.program) for one in self.results} if not use.ran else ()
            found += use.ran or (ran_of(unit, known) for unit in use.units)
        return tuple(found)

    @property
    def fault(self) -> Fault | None:
        """Whose fault its error is, if it has one."""
        return None if self.error is None else self.error.fault

    @property
    def users_fault(self) -> bool:
        """Whether its error lies in what the lab was given."""
        return self.fault is Fault.USER

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended it: it is done again when its run goes on."""
        return self.fault is Fault.INTERRUPTED

    @property
    def lab_error(self) -> JobError | None:
        """The error, if it is the lab's or the machine's own."""
        return self.error if self.fault is Fault.MACHINE else None


@dataclass(frozen=True)
class Host:
    """The machine that ran the guests."""

    cpus: int = 0
    name: str = ""
    system: str = ""

    @classmethod
    def this(cls) -> Host:
        """The host this process runs on; CPUs are those it may use."""
        system = f"{platform.system()} {platform.release()} {platform.machine()}"
        return cls(len(os.sched_getaffinity(0)), platform.node(), system)


def command_line(command: Sequence[str]) -> str:
    """A command as one would type it; "" for none."""
    if not command:
        return ""
    name = Path(command[0]).name
    # The lab's own start is lab/__main__.py, whatever it was called by.
    return shlex.join(["lab" if name == "__main__.py" else name, *command[1:]])


@dataclass(frozen=True)
class RunRecord:
    """A run: its jobs, and what was asked for.

    ``finished`` is None while it goes on, and for ever when it was killed;
    ``plan`` are the lines shown before it started, and ``planned`` what they say; None in
    records that do not tell.  ``folder`` holds its files;
    ``troubles`` say what of it could not be recorded, or read again; they are not recorded.
    """

    id: str
    started: str
    finished: str | None = None
    command: tuple[str, ...] = ()
    lab_version: str = ""
    host: Host = field(default_factory=Host)
    plan: tuple[str, ...] = ()
    folder: str = ""
    jobs: tuple[JobRecord, ...] = ()
    troubles: tuple[str, ...] = ()
    planned: Planned | None = None

    @property
    def results(self) -> tuple[TestResult, ...]:
        """All jobs' results, in the order recorded."""
        return tuple(result for job in self.jobs for result in job.results)

    @property
    def question(self) -> frozenset[JobPlan]:
        """What was asked: the plan's jobs, whatever order they are in and whatever they came to."""
        return frozenset(self.planned.jobs if self.planned else ())

    def by_variant(self) -> dict[Variant, JobRecord]:
        """The job of each variant, where each has one machine and config.

        Raises:
            ValueError: One has several, of which none is to be taken for another.
        """
        found: dict[Variant, JobRecord] = {}
        for job in self.jobs:
            if found.setdefault(job.variant, job).around != job.around:
                raise ValueError(f"{job.variant} has several jobs in run {self.id}")
            found[job.variant] = job
        return found

    @property
    def jobs_in_order(self) -> tuple[JobRecord, ...]:
        """The jobs as the plan has them, whichever ended first."""
        planned = self.planned
        if planned is None:
            return self.jobs
        return tuple(sorted(self.jobs, key=lambda job: planned.place(job.names)))

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the run as a whole proves nothing, or less than it seems to.

        Nothing that ran is no success (pixie-io/pixie#1085).
        """
        found = list(self.troubles)
        if self.finished is None:
            found.append(UNFINISHED)
        if not self.results:
            # Where each job says why, that is enough.
            if not self.jobs or any(job.error is None for job in self.jobs):
                found.append(NOTHING_RAN)
        elif all(result.status is Status.SKIP for result in self.results):
            found.append("every test was skipped, so nothing was tested")
        for job in self.jobs if self.results else ():
            if not job.results and job.error is None and not job.evidence.untested:
                found.append(f"{job.name}: no test ran")
        return tuple(found)


def now() -> str:
    """The time as records have it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_run_id() -> str:
    """``YYYYMMDD-HHMMSS-xxxx``, UTC: sorts by time, names a folder."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
