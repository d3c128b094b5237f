# SPDX-License-Identifier: GPL-2.0-only
"""What growth.py measures: work of the lab's at any size, made ready outside of its time."""

from __future__ import annotations

import json
import os
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from sqlalchemy import insert

from lab.analysis.compare import compare
from lab.analysis.series_verdict import judge_upstream
from lab.analysis.verdict import alone
from lab.analysis.verdict import compare as verdicts
from lab.build.workbench import Workbench
from lab.builder import Builds
from lab.builder.parallel_builds import FinishedBuilds
from lab.complaints import read
from lab.complaints.symbols import Symbols
from lab.config import load
from lab.execution.cause_of_death import cause_of_death
from lab.execution.complaint_watch import ComplaintWatch, charge
from lab.execution.job import Job
from lab.execution.jobs import Jobs
from lab.execution.same_kernel import Bases
from lab.execution.to_begin import ToBegin
from lab.gc import free, inventory, needs_of, plan_removal
from lab.model.complaint import Complaint, Frame, Kind
from lab.model.records import Evidence, JobRecord, PlacedComplaint, RunRecord, TestResult
from lab.model.status import Status
from lab.model.test_key import TestKey
from lab.model.variant import Variant
from lab.model.version import KernelVersion
from lab.nightly.rerun import rerun_plan, together
from lab.patches.fit import fit_series
from lab.patches.overlay import Overlay
from lab.patches.series import load_series
from lab.patches.standing import Standing, Standings
from lab.plan import JobPlan, Plan, plan_matrix
from lab.report.export.exporter import exported
from lab.report.site.log import Log
from lab.report.site.page_data import make_report
from lab.report.site.site import pages
from lab.results import Trail
from lab.results.database import open_engine
from lab.results.recover import unrecorded
from lab.results.rows import job_row, result_row, run_row
from lab.results.schema import JOBS, RESULTS, RUNS
from lab.results.store import Store
from lab.suites.judge import judge
from lab.suites.ktap import parse
from lab.trees import Entry, Tree, blob_digest, write_manifest

Work = Callable[[], object]
_MB = 1_000_000
_RELEASE = "6.1.192"
_STARTED = "2026-01-01T12:00:00+00:00"
_MARKS = ("lab: run ext4-dax mlock/p\n", "lab: ran ext4-dax mlock/p\n")


class Costs(Enum):
    """What is measured of a path."""

    CPU = "CPU time"
    MEMORY = "memory at its peak"


@dataclass(frozen=True)
class HotPath:
    """A path of the lab's that has more to do the more there is.

    Args:
        make: Gets all ready for a size, in a folder of its own, and returns the work.
        share: What the cost may grow by, as a multiple of the size's growth.
    """

    name: str
    about: str
    small: int
    large: int
    unit: str
    make: Callable[[int, Path], Work]
    share: float = 1.5
    costs: Costs = Costs.CPU

    @property
    def limit(self) -> float:
        """By how much the cost may grow."""
        return self.share * self.large / self.small


def _exhaust(values: Iterable[object]) -> None:
    deque(values, maxlen=0)


# Trees and patches.


def _tree(folder: Path, files: int, contents: dict[str, bytes]) -> Tree:
    """A tree that has so many files in its manifest, and these on disk."""
    entry = Entry(0o100644, blob_digest(b""))
    entries = {f"drivers/group-{n % 97}/part-{n % 13}/file-{n}.c": entry for n in range(files)}
    for name, content in contents.items():
        (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "tree" / name).write_bytes(content)
        entries[name] = Entry(0o100644, blob_digest(content))
    write_manifest(folder / "manifest", entries)
    version = KernelVersion.parse(_RELEASE)
    return Tree("6.1", folder / "tree", "test", version, folder / "manifest")


def manifest(files: int, folder: Path) -> Work:
    """What a build asks first: whether a workbench holds its tree."""
    tree = _tree(folder, files, {})
    bench = Workbench(folder / "bench")
    bench.source.mkdir(parents=True)
    bench.manifest.write_bytes(tree.manifest.read_bytes())

    def work() -> None:
        for path in (tree.manifest, bench.manifest):
            os.utime(path)  # nobody has read it yet
        assert bench.sync(tree, Overlay.empty()) == 0

    return work


def _lines(name: str) -> list[str]:
    return [f"{name} {number}\n" for number in range(40)]


def _patch(name: str) -> str:
    lines = [f" {line}" for line in _lines(name)[:7]]
    lines[3:4] = [f"-{name} 3\n", f"+{name} three\n"]
    head = f"diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n@@ -1,7 +1,7 @@\n"
    return head + "".join(lines)


def _series(folder: Path, names: list[str]) -> None:
    (folder / "fix").mkdir()
    for number, name in enumerate(names):
        (folder / "fix" / f"{number:04}.patch").write_text(_patch(name))
    text = "".join(f"{number:04}.patch\n" for number in range(len(names)))
    (folder / "fix" / "series").write_text(text)


def _fits(tree: Tree, folder: Path) -> Work:
    def work() -> None:
        os.utime(tree.manifest)
        assert fit_series(tree, load_series(folder, "fix")).applies

    return work


def series(patches: int, folder: Path) -> Work:
    """A series tried on a tree, each patch on a file of its own."""
    names = [f"mm/deep/er/file-{number}.c" for number in range(patches)]
    tree = _tree(folder, 8000, {name: "".join(_lines(name)).encode() for name in names})
    _series(folder, names)
    return _fits(tree, folder)


def fit(files: int, folder: Path) -> Work:
    """One patch on a tree of so many files: it asks for a file and the folders above it."""
    name = "mm/deep/er/file.c"
    tree = _tree(folder, files, {name: "".join(_lines(name)).encode()})
    _series(folder, [name])
    return _fits(tree, folder)


def base(trees: int, folder: Path) -> Work:
    """A series placed on trees in each of which its file is another blob."""
    name = "mm/deep/er/file.c"
    lines = "".join(_lines(name))
    made = [
        _tree(folder / f"{number}", 8000, {name: f"{lines}{number}\n".encode()})
        for number in range(trees)
    ]
    _series(folder, [name])

    def work() -> None:
        standings = Standings(load_series(folder, "fix"))
        for tree in made:
            os.utime(tree.manifest)  # nobody has read it yet
            assert standings.on(tree).standing is Standing.APPLIES

    return work


# Guests.


def ktap(tests: int, folder: Path) -> Work:
    """What a program printed, parsed and judged."""
    lines = [f"# said of {n}\nok {n} mlock.shared-rw.{n}" for n in range(1, tests)]
    nested = "    KTAP version 1\n    1..1\n    not ok 1 part\nnot ok"
    text = "\n".join(["KTAP version 1", f"1..{tests}", *lines, f"{nested} {tests} whole", ""])

    def work() -> None:
        assert len(judge("p", parse(text.encode()), 1)) >= tests

    return work


def _watched(folder: Path, text: Iterable[str], *, log: bool = True) -> Work:
    with (folder / "console.log").open("w") as stream:
        stream.writelines([_MARKS[0], *text, _MARKS[1]])

    def work() -> None:
        watch = ComplaintWatch(folder, folder, _RELEASE, ())
        # A guest that lives is waited for until no complaint is being printed.
        noted = watch.ran(alive=False)
        judged = judge("p", parse(b"KTAP version 1\n1..1\nok 1 a\n"), 0)
        charge("p", judged, noted, marked=watch.marked_tests())
        watch.rest((folder / "console.log").read_text() if log else "")

    return work


def console(megabytes: int, folder: Path) -> Work:
    """A console that says what kernels say, of a program with many marked tests."""
    said = "[    7.{:06}] ext4 filesystem being mounted at /mnt supports timestamps until 2038\n"
    step = "".join(said.format(n) for n in range(500)) + "lab: test mlock.{} begins\n"
    steps = megabytes * _MB // len(step)
    return _watched(folder, (step.format(n) for n in range(steps)), log=False)


def no_line_end(megabytes: int, folder: Path) -> Work:
    """A console of one line."""
    data = b"x" * (megabytes * _MB)
    return lambda: read(data)


def console_end(megabytes: int, folder: Path) -> Work:
    """The end of a console: what a dead guest said last, and what a report shows of it."""
    line = b"[    7.000000] " + b"x" * 84 + b"\n"
    (folder / "console.log").write_bytes(line * (megabytes * _MB // len(line)))

    def work() -> None:
        cause_of_death(folder)
        Log.read(folder / "console.log", "page", "Console")

    return work


def _warning(number: int, caller: str = "") -> str:
    stamp = f"[{number // 100 + 10:5}.{number % 100:06}]" + (f"[{caller:>6}]" if caller else "")
    lines = (
        "------------[ cut here ]------------",
        f"WARNING: CPU: 0 PID: {number} at mm/gup.c:12 fun_{number}+0x1/0x20",
        "Call Trace:",
        f" fun_{number}+0x3/0x40",
        " common+0x3/0x40",
        *([] if caller else ["---[ end trace 0000000000000000 ]---"]),
    )
    return "".join(f"{stamp} {line}\n" for line in lines)


def complaints(number: int, folder: Path) -> Work:
    """A kernel that complains without end, each time of something else."""
    return _watched(folder, map(_warning, range(number)), log=False)


def kernel_log(number: int, folder: Path) -> Work:
    """As complaints(), with a kernel log that has them all once more."""
    return _watched(folder, map(_warning, range(number)))


def callers(number: int, folder: Path) -> Work:
    """As complaints(), each by a caller that says nothing else and does not come to an end."""
    return _watched(folder, (_warning(n, f"T{n}") for n in range(number)), log=False)


def programs(number: int, folder: Path) -> Work:
    """Many programs of one guest, each with a complaint."""
    for name in ("console.log", "source"):
        (folder / name).write_text("")

    def work() -> None:
        (folder / "console.log").write_text("")
        watch = ComplaintWatch(folder, folder, _RELEASE, ())
        noted: dict[PlacedComplaint, None] = {}
        with (folder / "console.log").open("a") as stream:
            for n in range(number):
                stream.write(_MARKS[0] + _warning(n) + _MARKS[1])
                stream.flush()
                noted.update(dict.fromkeys(watch.ran(alive=True)))

    return work


_FRAMES = """\
__attribute__((noinline)) int callee(int x)
{
	return x / (x - 1);
}
int main(int argc, char **argv)
{
	return callee(argc);
}
"""


def addr2line(number: int, folder: Path) -> Work:
    """The source lines of complaints that share their functions: one question for all."""
    (folder / "fault.c").write_text(_FRAMES)
    command = ["gcc", "-g", "-O1", "-o", "vmlinux", "fault.c"]
    subprocess.run(command, cwd=folder, check=True)
    names = subprocess.run(["nm", "-n", "vmlinux"], cwd=folder, check=True, capture_output=True)
    (folder / "System.map").write_bytes(names.stdout)
    stacks = [(Frame("callee", n % 8, 0), Frame("main", n % 8, 0)) for n in range(number)]

    def work() -> None:
        located = Symbols(folder).locate_all(stacks)
        assert all(frame.file for frame in located[0])

    return work


# Records.


def _results(
    number: int,
    variant: str = "6.1",
    status: Status = Status.PASS,
    suite: str = "mlock",
    message: str = "",
) -> tuple[TestResult, ...]:
    return tuple(
        TestResult(
            variant, _RELEASE, "ext4-dax", suite, f"{suite}.case-{n}.4k", status, message=message
        )
        for n in range(number)
    )


def _job(results: tuple[TestResult, ...], variant: str = "6.1", key: str = "a") -> JobRecord:
    evidence = Evidence(
        build_key=key,
        proofs=(("ext4-dax", (("dax", (("statx", "DAX"),)),)),),
        series_digests=(("fix", "ab" * 32),) if "+" in variant else (),
    )
    return JobRecord(
        Variant(variant), _RELEASE, "default", "default", _STARTED, 4.5, evidence, results
    )


def _run(*jobs: JobRecord, name: str = "20260101-120000-ab12") -> RunRecord:
    return RunRecord(name, _STARTED, _STARTED, ("lab", "test"), jobs=jobs)


def rerun(tests: int, folder: Path) -> Work:
    """A night whose every test is doubted, and the repetitions that show nothing of them."""
    night = _run(_job(_results(tests, status=Status.CRASH)))
    again = _run(*[_job(_results(tests // 10, suite="other")) for _ in range(3)])
    keys = [TestKey.of(night.jobs[0], result) for result in night.results]
    job = JobPlan(Variant("6.1"), "default", "default", ("ext4-dax",), ("mlock", "other"))

    def work() -> None:
        assert rerun_plan(Plan("night", (job,)), keys, 3) is not None
        assert len(together(night, again, keys).results) >= tests

    return work


def night(jobs: int, folder: Path) -> Work:
    """A night of many jobs, put together with their repetitions."""
    names = [f"6.1+series-{n}" for n in range(jobs)]
    run = _run(*[_job(_results(20, name, Status.FAIL), name) for name in names])
    keys = [TestKey.of(job, result) for job in run.jobs for result in job.results]
    return lambda: together(run, run, keys)


def verdict(names: int, folder: Path) -> Work:
    """A series whose tests are on one side only: each asks what became of its suite."""
    base = _job(_results(names, status=Status.CRASH))
    patched = _job(_results(names, "6.1+fix", suite="mlock")[: names // 2], "6.1+fix", "b")
    renamed = replace(
        patched, results=tuple(replace(one, test=f"new-{one.test}") for one in patched.results)
    )
    asked = [("ext4-dax", f"suite-{n}") for n in range(names // 100)]

    def work() -> None:
        found = verdicts(base, renamed, ("fix", "ab" * 32), asked)
        assert len(found) == names + names // 2 + len(asked)

    return work


def upstream(tests: int, folder: Path) -> Work:
    """A kernel that has the fix, and fails in much that the series is not about."""
    failing = _job((*_results(tests, status=Status.FAIL), *_results(tests, suite="own")))
    found = alone(failing)
    return lambda: judge_upstream(found, ["own.*"])


def comparison(tests: int, folder: Path) -> Work:
    """Two runs side by side."""
    before = _run(_job(_results(tests)))
    after = _run(_job(_results(tests, status=Status.FAIL), key="b"))
    return lambda: compare(before, after)


def export(tests: int, folder: Path) -> Work:
    """A run as JUnit and as KTAP."""
    run = _run(_job(_results(tests, status=Status.FAIL, message="not as it was")))
    return lambda: (exported(run, "junit"), exported(run, "ktap"))


def _complained(number: int) -> tuple[PlacedComplaint, ...]:
    return tuple(
        PlacedComplaint(
            Complaint(Kind.WARNING, f"WARNING in fun_{n}", tuple(_warning(n).splitlines())),
            *(("ext4-dax", "p", f"mlock.case-{n}.4k") if n % 2 else ()),
        )
        for n in range(number)
    )


def report(tests: int, folder: Path) -> Work:
    """The pages of a run in which each test died, with a complaint each, on its console."""
    results = tuple(
        replace(result, message=f"it died (WARNING in fun_{n}, or so)")
        for n, result in enumerate(_results(tests, status=Status.CRASH))
    )
    job = replace(_job(results), complaints=_complained(tests))
    place = folder / "jobs" / "00-6.1"
    place.mkdir(parents=True)
    (place / "console.log").write_text(_MARKS[0] + "".join(map(_warning, range(tests))))
    run = _run(job)
    trail = Trail((_run(),))
    return lambda: _exhaust(pages(make_report(run, trail, None, [folder])))


def _run_name(number: int) -> str:
    return f"2026{number // 250 + 1:02}{number % 250 // 10 + 1:02}-{number % 10:06}-ab12"


def _fill(store: Store, runs: int) -> None:
    job = _job(_results(3))
    for number in range(runs):
        run_id = store.begin(_run(name=_run_name(number)))
        store.add_job(run_id, job)
        store.finish(run_id)


def _fill_at_once(database: Path, runs: int) -> None:
    """As _fill(), in a fiftieth of the time."""
    with Store.open(database):
        pass  # it has its tables now
    job = _job(_results(3))
    numbers = range(1, runs + 1)
    _, engine = open_engine(database)
    with engine.begin() as connection:
        rows = [{**run_row(_run(name=_run_name(n))), "number": n} for n in numbers]
        connection.execute(insert(RUNS), rows)
        rows = [{**job_row(job), "run_number": n, "number": n} for n in numbers]
        connection.execute(insert(JOBS), rows)
        rows = [{**result_row(one), "job_number": n} for n in numbers for one in job.results]
        connection.execute(insert(RESULTS), rows)
    engine.dispose()


def record(runs: int, folder: Path) -> Work:
    """Runs recorded in a new database."""

    def work() -> None:
        with Store.open(folder / "new.db") as store:
            _fill(store, runs)
        for path in folder.glob("new.db*"):
            path.unlink()

    return work


def runs(number: int, folder: Path) -> Work:
    """What is asked of a database of so many runs: all of them, and one test's history."""
    _fill_at_once(folder / "lab.db", number)
    with Store.open(folder / "lab.db") as store:
        names = store.known()
    for name in names:
        (folder / "results" / name / "run").mkdir(parents=True)

    def work() -> None:
        with Store.open(folder / "lab.db") as store:
            assert len(store.runs(number)) == number
            assert len(store.history("mlock.case-1.4k")) > 0
            store.trail(limit=number)
            unrecorded(folder / "results", store.known())

    return work


# Plans and the disk.


def _config(folder: Path, kernels: int) -> Path:
    """A project with so many kernels, two variants of each, and expectations of some."""
    tables = "".join(
        f'[kernels."6.{n}"]\nkind = "apt"\npackage = "linux-source-6.{n}"\n\n'
        f'[[expect]]\nvariants = ["6.{n}"]\ntests = ["mlock.*"]\nstatus = "fail"\nreason = "so"\n\n'
        for n in range(1, kernels + 1)
    )
    variants = ", ".join(f'"6.{n}", "6.{n}+fix"' for n in range(1, kernels + 1))
    _series(folder / "patches", ["a.c"])
    (folder / "kconfigs").mkdir()
    (folder / "kconfigs/base.config").write_text("CONFIG_PCI=y\n")
    (folder / "guest-tests").mkdir()
    (folder / "guest-tests/p.c").write_text("int main(void) { return 0; }\n")
    (folder / "lab.toml").write_text(
        f'[paths]\ncache = "cache"\n\n{tables}'
        '[series.fix]\ndescription = "fixes"\n\n[configs.default]\nfragments = ["base"]\n\n'
        '[machines.default]\nmemory = "1G"\n\n[filesystems.ext4-dax]\ntype = "ext4"\n\n'
        '[suites.mlock]\nprograms = ["p"]\n\n'
        f"[matrix.default]\nvariants = [{variants}]\n"
    )
    return folder / "lab.toml"


def plan(variants: int, folder: Path) -> Work:
    """A project read, and its matrix planned and described."""
    (folder / "patches").mkdir()
    path = _config(folder, variants // 2)

    def work() -> None:
        planned = plan_matrix(load(path), "default")
        assert len(planned.jobs) == len(planned.builds) == variants
        planned.describe()

    return work


def begun(jobs: int, folder: Path) -> Work:
    """A run's jobs, all built: each is looked up as the next, and beside its base."""
    base, patched = Variant("6.1"), Variant("6.1+fix")
    planned = tuple(
        JobPlan(variant, "default", f"machine-{number}", ("ext4-dax",), ("mlock",))
        for number in range(jobs // 2)
        for variant in (base, patched)
    )
    plan, bases = Plan("p", planned), Bases({patched: base})
    nothing = cast(Builds, FinishedBuilds(dict.fromkeys(job.build for job in planned)))
    made = cast(Mapping[int, Job], dict.fromkeys(range(jobs), SimpleNamespace(evidence=Evidence())))
    run = cast(Jobs, SimpleNamespace(plan=plan, bases=bases, builds=nothing))

    def work() -> None:
        left, count = ToBegin(run, range(jobs), {}), 0
        while (number := left.next()) is not None:
            count += not bases.is_again(plan, number, made, nothing)
        assert count == jobs

    return work


def gc(things: int, folder: Path) -> Work:
    """A cache of builds, trees, states and runs of so many in all: what is to go, and gone."""
    (folder / "patches").mkdir()
    loaded, cache = load(_config(folder, 5)), folder / "cache"
    with Store.open(loaded.database) as store:
        _fill(store, 5)
        needs = needs_of(store, loaded)

    def fill() -> None:
        for n in range(things):
            kind = ("builds", "trees", "states", "workbenches")[n % 4]
            path = cache / kind / f"6.{n % 5}-{n}"
            path.mkdir(parents=True)
            record = {"variant": f"6.{n % 5}", "config": "default", "identity": f"apt:{n}"}
            name = "tree.json" if kind == "trees" else "build.json"
            (path / name).write_text(json.dumps(record))

    def work() -> None:
        fill()
        found = inventory(loaded, cache, needs)
        freed = free(plan_removal(found, (cache, loaded.results), 0))
        assert len(freed.items) >= things

    return work


def _all() -> Iterator[HotPath]:
    # 8,000 entries fit into a CPU's cache, 80,000 do not: each costs twice as much there.  What
    # searches from the start for each of them costs a hundred times as much.
    yield HotPath("manifest", "a workbench asked for its tree", 8000, 80_000, "files", manifest,
                  share=2.5)  # fmt: skip
    yield HotPath("fit", "a patch tried on a tree", 8000, 80_000, "files", fit, share=0.5)
    yield HotPath("series", "a series tried on a tree", 10, 100, "patches", series)
    yield HotPath("base", "a series placed on trees", 4, 40, "trees", base)
    yield HotPath("ktap", "a report parsed and judged", 1000, 10_000, "tests", ktap)
    yield HotPath("console", "a console watched", 2, 20, "MB", console)
    yield HotPath("no-line-end", "a console of one line", 1, 10, "MB", no_line_end)
    yield HotPath("console-end", "the end of a console", 20, 200, "MB", console_end, share=0.15,
                  costs=Costs.MEMORY)  # fmt: skip
    yield HotPath("complaints", "complaints of one program", 1000, 10_000, "complaints", complaints)
    yield HotPath(
        "kernel-log", "a kernel log beside its console", 200, 2000, "complaints", kernel_log
    )
    yield HotPath("callers", "complaints of as many callers", 500, 5000, "callers", callers)
    yield HotPath("programs", "programs with a complaint each", 100, 1000, "programs", programs)
    yield HotPath("addr2line", "source lines of stacks", 20, 200, "stacks", addr2line, share=0.5)
    yield HotPath("rerun", "doubted tests repeated", 640, 6400, "tests", rerun)
    yield HotPath("night", "a night's jobs repeated", 10, 100, "jobs", night)
    yield HotPath("verdict", "a series judged by name", 1600, 16_000, "names", verdict)
    yield HotPath("upstream", "a fixed kernel judged", 1000, 10_000, "tests", upstream)
    yield HotPath("compare", "two runs compared", 1000, 10_000, "tests", comparison)
    yield HotPath("export", "a run as JUnit and KTAP", 1000, 10_000, "tests", export)
    yield HotPath("report", "pages of dead tests", 100, 1000, "tests", report)
    yield HotPath("record", "runs recorded", 20, 200, "runs", record)
    yield HotPath("runs", "recorded runs asked for", 100, 1000, "runs", runs)
    yield HotPath("plan", "a matrix read and planned", 10, 100, "variants", plan)
    # A heap has more to do for each, and 1,000 fit into a CPU's cache.
    yield HotPath("begun", "a run's jobs begun", 1000, 10_000, "jobs", begun, share=2.5)
    yield HotPath("gc", "things in a cache removed", 100, 1000, "things", gc)


PATHS = {path.name: path for path in _all()}
