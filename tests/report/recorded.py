# SPDX-License-Identifier: GPL-2.0-only
"""Runs as they are recorded, of any size: the database and the folders that guests leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab.model.log_mark import program_mark
from lab.model.metric import Metric
from lab.model.records import Evidence, Host, JobRecord, RunRecord, TestResult
from lab.model.status import Status
from lab.model.variant import Variant
from lab.results import Store, write_text

KINDS = ("shared-rw", "shared-ro", "private-ro", "private-rw")
CALLS = {
    "populate": ("populate", "map-locked", "madvise-populate-read", "control"),
    "mlock": ("mlock", "mlock-part", "munlock-mlock", "mlockall-current", "mlockall-future"),
    "first-access": ("first-access",),
}
BUG = "6.1+reintroduce-bug"
#: Where the last night's guest dies.
CRASHED = ("6.1", "xfs-dax", "mlock")
#: A console line and a test's name that would run a script, were they not escaped.
HOSTILE = "<script>document.title='owned'</script>"
BOOT = (
    "Linux version 6.1.192 (lab@lab) (gcc (Debian 12.2.0-14+deb12u1) 12.2.0)",
    "Command line: console=ttyS0,115200 panic=-1 oops=panic",
    "nd_pmem namespace0.0: unable to guarantee persistence of writes",
    "Run /init as init process",
)
OOPS = (
    "BUG: unable to handle page fault for address: ffffc90000a3f008",
    "#PF: supervisor write access in kernel mode",
    "Oops: 0002 [#1] PREEMPT SMP NOPTI",
    "CPU: 1 PID: 143 Comm: mlock Not tainted 6.1.192 #1",
    "RIP: 0010:follow_page_pte+0x1c4/0x5a0",
    "Call Trace:",
    " <TASK>",
    " follow_page_mask+0x31a/0x6b0",
    " __get_user_pages+0x123/0x580",
    " populate_vma_page_range+0x5f/0x90",
    " </TASK>",
    "---[ end trace 0000000000000000 ]---",
    "Kernel panic - not syncing: Fatal exception",
)


@dataclass(frozen=True)
class Shape:
    """How much is recorded."""

    variants: tuple[str, ...] = ("6.1", BUG, f"{BUG}+dax-populate")
    filesystems: tuple[str, ...] = ("ext4-dax", "xfs-dax")
    sizes: tuple[str, ...] = ("4k", "2m")

    def tests(self, suite: str) -> list[str]:
        """The names of a suite's tests."""
        return [f"{call}.{k}.{s}" for call in CALLS[suite] for k in KINDS for s in self.sizes]


def record(
    results: Path, nights: int = 3, shape: Shape | None = None, *, quiet: bool = False
) -> str:
    """Record a run a night; the last one goes wrong unless ``quiet``; returns its id."""
    shape = shape or Shape()
    first = datetime(2026, 11, 25, 3, 0, tzinfo=UTC) - timedelta(days=nights - 1)
    with Store.open(results / "lab.db") as store:
        for night in range(nights):
            started = first + timedelta(days=night)
            wrong = night == nights - 1 and not quiet
            run_id = _record_run(store, results, started, shape, wrong)
    return run_id


def _record_run(store: Store, results: Path, started: datetime, shape: Shape, wrong: bool) -> str:
    run_id = f"{started:%Y%m%d-%H%M%S}-ab12"
    folder = results / run_id
    store.begin(
        RunRecord(
            id=run_id,
            started=started.isoformat(),
            command=("lab", "test"),
            lab_version="0.1.0",
            host=Host(2, "night", "Linux"),
            plan=("3 builds, 3 guests",),
            folder=str(folder),
        )
    )
    for number, variant in enumerate(shape.variants):
        job = _job(variant, started + timedelta(seconds=number), shape, wrong)
        write_logs(folder / "jobs" / f"{number:02d}-{variant}", job)
        store.add_job(run_id, job)
    store.finish(run_id)
    return run_id


def _job(variant: str, started: datetime, shape: Shape, wrong: bool) -> JobRecord:
    found: list[TestResult] = []
    for filesystem in shape.filesystems:
        for suite in CALLS:
            found += _suite(variant, filesystem, suite, shape, wrong)
    return JobRecord(
        variant=Variant(variant),
        kernel_release="6.1.192",
        machine="default",
        config="default",
        started=started.isoformat(),
        duration_s=12.5,
        evidence=Evidence(
            accelerator="tcg",
            qemu_version="7.2.22",
            machine_description="pc, 2 CPUs, 1024 MiB of RAM, 512 MiB NVDIMM, tcg",
            cmdline="console=ttyS0",
            proofs=tuple((f, (("dax", (("mount", "rw,dax=always"), ("statx_dax", "yes"))),))
                         for f in shape.filesystems),
            # Builds of two nights differ, so that a change is no flakiness.
            config_digest="cd" * 32,
            build_key=f"{started:%m%d}-{variant}",
            tree_identity="apt:linux-source-6.1=6.1.192-2",
            series_digests=tuple((name, "ab" * 32) for name in Variant(variant).series),
            compiler="gcc 12.2.0",
            timeline=(("ready", 1.6 + len(variant) / 100), ("ssh", 1.9 + len(variant) / 90)),
            cost=(("build_s", 40.0 + len(variant)), ("cpu_s", 20.0)),
        ),
        results=tuple(found),
    )  # fmt: skip


def _suite(
    variant: str, filesystem: str, suite: str, shape: Shape, wrong: bool
) -> Iterator[TestResult]:
    for number, test in enumerate(shape.tests(suite)):
        result = _result(variant, filesystem, suite, test)
        if wrong and number == 6 and (variant, filesystem, suite) == CRASHED:
            died = "the guest died: Kernel panic - not syncing: Fatal exception"
            crash = replace(result, test="mlock", status=Status.CRASH, diagnostics=())
            yield replace(crash, message=f"the guest died while it ran ({died})")
            return
        if wrong and variant == "6.1" and test == "populate.shared-ro.2m":
            result = replace(result, status=Status.FAIL, message="1 of 1024 pages present")
        yield result
    if wrong and variant == "6.1" and suite == "populate":
        yield _result(variant, filesystem, suite, f"x{HOSTILE}", Status.FAIL, HOSTILE)


def _result(
    variant: str,
    filesystem: str,
    suite: str,
    test: str,
    status: Status = Status.PASS,
    message: str = "",
) -> TestResult:
    bug = variant == BUG and suite != "first-access" and ".private-rw." not in test
    bug = bug and not test.startswith("control")
    known = Status.FAIL if bug else Status.PASS
    result = TestResult(
        variant, "6.1.192", filesystem, suite, test, status, duration_s=0.02, message=message,
        diagnostics=("mapped by: pte", "before the touch: 1024 of 1024 pages present"),
    )  # fmt: skip
    if bug:
        result = replace(result, status=known, expected=known, message="1 of 1024 pages present")
        result = replace(result, reason="the 2015 mail: MAP_POPULATE stops at the first page")
    return (
        replace(result, metrics=_metrics(bug or variant == BUG)) if suite[:5] == "first" else result
    )


def _metrics(slow: bool) -> tuple[Metric, ...]:
    name = "first_access_ns_per_page"
    return (
        Metric(name, (("populate", "no"),), 5690.0),
        Metric(name, (("populate", "yes"),), 5600.0 if slow else 127.3),
    )


def write_logs(folder: Path, job: JobRecord) -> None:
    """The console and the KTAP of a job's guest."""
    console = [f"[{0.1 * n:12.6f}] {line}" for n, line in enumerate(BOOT)]
    console.append(f"[    1.500000] said by the guest: {HOSTILE}")
    clock = 2.0
    for filesystem in dict.fromkeys(result.filesystem for result in job.results):
        for suite in dict.fromkeys(r.suite for r in job.results if r.filesystem == filesystem):
            clock += 0.5
            console.append(f"[{clock:12.6f}] {program_mark(filesystem, suite, suite)}")
            mine = [r for r in job.results if (r.filesystem, r.suite) == (filesystem, suite)]
            if any(result.status is Status.CRASH for result in mine):
                console += [f"[{clock + 0.1:12.6f}] {line}" for line in OOPS]
            write_text(folder / filesystem / f"{suite}.{suite}.ktap", _ktap(mine))
    write_text(folder / "console.log", "\r\n".join(console) + "\r\n")


def _ktap(results: Sequence[TestResult]) -> str:
    lines = ["KTAP version 1", f"1..{len(results)}"]
    for number, result in enumerate(results, 1):
        if result.status is Status.CRASH:
            break
        lines += [f"# {line}" for line in result.diagnostics]
        word = "ok" if result.status is Status.PASS else "not ok"
        lines.append(f"{word} {number} {result.test}")
    return "\n".join(lines) + "\n"
