# SPDX-License-Identifier: GPL-2.0-only
"""Times what is done with 10,000 recorded results, what recording costs a run, and a store's use.

Usage: records.py [compare] [history] [recording] [writers] [pullers]   (all without a name)

Needs hyperfine; nothing is asserted, since a busy machine is no bug.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import Part, Row, run
from made_builds import made_build_job, made_of

from lab.build import BuildJob, Toolchain
from lab.build.brought import keep_build as keep_made
from lab.build.shared import pull_build, push_build
from lab.execution.artifacts import keep_build, keep_programs
from lab.execution.programs import Programs
from lab.model.records import Evidence, JobRecord, RunRecord, TestResult, now
from lab.model.status import Status
from lab.model.url import Url
from lab.model.variant import Variant
from lab.plan import plan_variants
from lab.results import Recorder, RunFolder, write_json
from lab.results.job_file import job_document
from lab.results.store import Store
from lab.session import Lab
from lab.store.settings import StoreSettings
from lab.store.store import Store as BuildStore
from tests.results.server import postgresql

ROOT = Path(__file__).resolve().parents[1]
LAB = Path(sys.executable).with_name("lab")
#: Labs that record at once, the results of each job, and how many seconds one takes: as fleet.py
#: has them, twice as quick.
_WRITERS, _RESULTS, _JOB_S, _SPEED = 64, 78, 38.0, 2.0
_RUNS, _VARIANTS, _FILESYSTEMS, _TESTS = 2, 10, 5, 100
#: Labs that ask one store at once, how many builds each wants, and the bytes of a kernel.
_PULLERS, _PULLED, _IMAGE = 64, 16, 1 << 20


def made_job(variant: str, build: str, tests: int = _TESTS, worse: bool = False) -> JobRecord:
    """A job with results on five filesystems, some of which fail in ``worse`` runs."""
    results = tuple(
        TestResult(
            variant, "6.1.192", f"fs-{filesystem}", "populate", f"populate.test-{number}.4k",
            Status.FAIL if worse and number % 7 == 0 else Status.PASS,
            duration_s=0.01,
            message="before the touch: 1 of 1024 pages present" if worse else "",
            diagnostics=("mapped by: pte", "before the touch: 1024 of 1024 pages present"),
        )
        for filesystem in range(_FILESYSTEMS)
        for number in range(tests)
    )  # fmt: skip
    evidence = Evidence(build_key=build, accelerator="tcg", qemu_version="7.2")
    return JobRecord(
        Variant(variant), "6.1.192", "default", "default", now(), 9.0, evidence, results
    )


def fill(database: Path, runs: int = _RUNS) -> None:
    """Record 5,000 results a run."""
    with Store.open(database) as store:
        for number in range(runs):
            run_id = store.begin(RunRecord(id=f"20260101-{number:06}-abcd", started=now()))
            for variant in range(_VARIANTS):
                store.add_job(
                    run_id, made_job(f"6.1+series-{variant}", f"k{number}", worse=number % 2 == 1)
                )
            store.finish(run_id)


def _project(folder: Path) -> None:
    for name in ("lab.toml", "kconfigs", "patches", "guest-tests"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "lab.local.toml").write_text(f'[paths]\nresults = "{folder}/results"\n')


def _seconds(folder: Path, *arguments: str) -> tuple[float, float]:
    """Mean wall-clock and CPU seconds of a lab command."""
    # A comparison that finds something ends with 1: an error must not pass for it.
    command = [str(LAB), *arguments, "-C", f"{folder}/lab.toml"]
    tried = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=False)
    assert tried.returncode in (0, 1)
    assert json.loads(tried.stdout)
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run(
            ["hyperfine", "-i", "-w", "2", "-r", "10", "--export-json", out.name,
             " ".join(command)],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        found = json.loads(Path(out.name).read_text())["results"][0]
    return found["mean"], found["user"] + found["system"]


def compare(folder: Path) -> Iterator[Row]:
    """``lab compare`` of two runs of 5,000 results each."""
    fill(folder / "results" / "lab.db")
    wall, cpu = _seconds(folder, "compare", "latest~1", "latest")
    row = Row.alone("`lab compare`, two runs of 5,000 results", wall, 1.0)
    yield replace(row, beside=f"CPU {cpu:.2f} s")


def history(folder: Path) -> Iterator[Row]:
    """``lab history`` and ``lab runs`` with 10,000 results recorded."""
    fill(folder / "results" / "lab.db")
    for arguments in (("history", "populate.test-7.4k"), ("runs",)):
        wall, cpu = _seconds(folder, *arguments)
        row = Row.alone(f"`lab {arguments[0]}`, 10,000 results", wall)
        yield replace(row, beside=f"CPU {cpu:.2f} s")


def recording(folder: Path) -> Iterator[Row]:
    """What a run of [matrix.default] spends on being recorded, beside its own time."""
    lab = Lab.open(folder / "lab.toml")
    plan = plan_variants(lab.loaded, ("6.1",))
    before = time.monotonic()
    done = lab.test(plan, ["lab", "test", "6.1"])
    whole = time.monotonic() - before
    store_run = replace(done, id=f"{done.id}0", finished=None, jobs=())
    with Recorder(folder / "again.db", store_run) as recorder:
        # Opened while a guest boots: nobody waits for that.
        recorder._store.result()
        before = time.monotonic()
        for job in done.jobs:
            recorder.add_job(job)
        recorder.finish()
        took = time.monotonic() - before
    built = lab.builder.build(plan.jobs[0].variant, plan.jobs[0].config)
    files = RunFolder(folder, "kept")
    before = time.monotonic()
    keep_programs(files, Programs.of(lab.loaded, plan.jobs[0].suites))
    keep_build(files.job(0, "6.1"), built)
    write_json(files.job(0, "6.1").record, job_document(done.jobs[0]))
    took += time.monotonic() - before
    yield Row.against("a run recorded", took, whole, 0.02, what="the run")


def writers(folder: Path) -> Iterator[Row]:
    """10,000 results that 64 labs record into one PostgreSQL, while jobs of theirs run."""
    context = multiprocessing.get_context("fork")
    with postgresql() as server:
        url = server.new_database()
        with Store.open(url):
            pass
        with context.Pool(_WRITERS) as pool:
            took = [one for some in pool.starmap(_write, [(url, n) for n in range(_WRITERS)])
                    for one in some]  # fmt: skip
        database = url.partition("@/")[2].partition("?")[0]
        there = int(server.sql(database, "SELECT count(*) FROM results"))
    asked = _RESULTS * len(took)
    mean, longest = sum(took) / len(took), max(took)
    row = Row.against(f"a job recorded, {_WRITERS} labs at once", mean, _JOB_S, 0.02, what="a job")
    lost = asked - there
    yield replace(
        row,
        part=f"{row.part}: {asked} results, {lost} lost, the longest {longest:.2f} s",
        ratio=f"{mean / _JOB_S:.4f}",
        holds=row.holds and not lost,
    )


def _write(url: str, number: int) -> list[float]:
    """A lab that records two jobs as they end; seconds that each took it."""
    pace, took = random.Random(number), []
    run_record = RunRecord(id=f"20260101-{number:06}-abcd", started=now())
    with Recorder(url, run_record) as recorder:
        # Opened while a guest boots: nobody waits for that.
        recorder._store.result()
        for job in range(2):
            time.sleep(pace.uniform(0.0, 2 * _JOB_S / _SPEED))
            done = made_job(f"6.1+series-{job}", "k", tests=_RESULTS)
            done = replace(done, results=done.results[:_RESULTS])
            before = time.monotonic()
            recorder.add_job(done)
            took.append(time.monotonic() - before)
        assert not recorder.finish().troubles
    return took


def pullers(folder: Path) -> Iterator[Row]:
    """Builds that 64 labs want of one store, a folder, at the same moment."""
    settings = StoreSettings(Url((folder / "store").as_uri()), push=True)
    (folder / "store").mkdir()
    toolchain = Toolchain.probe("gcc", 2)
    variants = [Variant(f"6.1+series-{number}") for number in range(_PULLED)]
    jobs = [made_build_job(folder / "pusher", one, (), toolchain) for one in variants]
    store = BuildStore(settings)
    assert all(push_build(keep_made(job, made_of(job, 1.0, _IMAGE)), store) for job in jobs)
    context = multiprocessing.get_context("fork")
    together = context.Barrier(_PULLERS)
    asked = [(folder, settings, jobs, number) for number in range(_PULLERS)]
    with context.Pool(_PULLERS, _meet, (together,)) as pool:
        came = pool.starmap(_pull, asked, chunksize=1)
    took = max(one.ended for one in came) - min(one.began for one in came)
    builds, lost = _PULLERS * _PULLED, sum(one.lost for one in came)
    yield Row(
        f"a build had from a store, {_PULLERS} labs at once: {builds} of {_IMAGE >> 20} MiB, "
        f"{lost} not had",
        f"{sum(one.ended - one.began for one in came) / builds:.2f} s",
        f"all of them {took:.2f} s, {sum(one.size for one in came) / took / 1e6:.0f} MB/s",
        holds=not lost and not any(one.told for one in came),
    )


@dataclass(frozen=True)
class _Pulled:
    """What came to one lab, of how many bytes, from when to when, and what did not.

    Attributes:
        told: What it was told of the store.
    """

    began: float
    ended: float
    size: int
    lost: int
    told: tuple[str, ...]


_TOGETHER: list[Barrier] = []


def _meet(together: Barrier) -> None:
    _TOGETHER.append(together)


def _pull(folder: Path, settings: StoreSettings, jobs: list[BuildJob], number: int) -> _Pulled:
    """A lab with a cache of its own, which has all of it brought there."""
    told: list[str] = []
    store = BuildStore(settings, told.append)
    mine = [replace(job, cache=folder / f"puller-{number}") for job in jobs]
    random.Random(number).shuffle(mine)
    _TOGETHER[0].wait()
    began = time.time()
    lost = sum(pull_build(job, store) is None for job in mine)
    return _Pulled(began, time.time(), store.account.read, lost, tuple(told))


def _part(measure: Callable[[Path], Iterator[Row]]) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="lab-bench-") as folder:
        _project(Path(folder))
        yield from measure(Path(folder))


PARTS: dict[str, Part] = {
    measure.__name__: partial(_part, measure)
    for measure in (compare, history, recording, writers, pullers)
}


if __name__ == "__main__":
    sys.exit(run(PARTS, sys.argv[1:]))
