# SPDX-License-Identifier: GPL-2.0-only
"""``--each`` takes what an earlier run has of the very same, and nothing that is only like it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.analysis.step_verdict import Step
from lab.build.warnings import Compiled
from lab.execution import each
from lab.execution.each import stairs_of, verify_each
from lab.execution.job import Job
from lab.model.complaint import Complaint, Kind
from lab.model.job_error import Fault, JobError
from lab.model.records import GuestUse, JobRecord, PlacedComplaint, RunRecord, TestResult
from lab.model.status import Status
from lab.model.variant import Variant
from lab.plan import Plan, plan_variants
from lab.results import Store
from lab.session import Lab
from tests.cli.test_cli import LAB_TOML, ROOT
from tests.conftest import FAKES
from tests.results.made import EVIDENCE

pytestmark = pytest.mark.slow

KERNEL = "fake"
DIFF = """\
diff --git a/{file} b/{file}
--- a/{file}
+++ b/{file}
@@ -1,5 +1,5 @@
 // SPDX-License-Identifier: GPL-2.0-only
 int {name}(void)
 {{
-\treturn 0;
+\treturn {what};
 }}
"""
OUT_OF_STEP = """
[[expect]]
tests = ["t"]
status = "fail"
reason = "known"
"""


def patch(name: str, what: str) -> str:
    file = {"gup": "mm/gup.c", "mlock": "mm/mlock.c", "dax": "fs/dax.c"}[name]
    return DIFF.format(file=file, name=name, what=what)


class Revisions:
    """Series on a kernel that builds in a moment; a guest is only played."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.toml = root / "lab.toml"
        self.began: list[str] = []
        self.change: Callable[[JobRecord], JobRecord] = lambda record: record
        monkeypatch.setattr("lab.execution.in_process.run_job", self._job)
        monkeypatch.setattr("lab.doctor.require", lambda _: None)
        monkeypatch.setattr(each, "compile_anew", lambda *_: Compiled((), ("o",)))

    def _job(self, job: Job, on_result: object, on_word: object) -> JobRecord:
        self.began.append(str(job.variant))
        evidence = replace(job.evidence, guests=(GuestUse("", "", ()),), proofs=EVIDENCE.proofs)
        made = TestResult(job.variant, job.release, "ext4-dax", "populate", "t", Status.PASS)
        return self.change(
            JobRecord(
                Variant(job.variant),
                job.release,
                job.machine,
                job.config,
                "then",
                1.0,
                evidence,
                (made,),
            )
        )

    def write(self, name: str, *patches: str) -> None:
        folder = self.root / "patches" / name
        folder.mkdir(exist_ok=True)
        files = [f"{number}.patch" for number in range(1, len(patches) + 1)]
        for file, text in zip(files, patches, strict=True):
            (folder / file).write_text(text)
        (folder / "series").write_text("".join(f"{file}\n" for file in files))

    def verify(
        self, name: str, *, again: bool = False, pattern: str | None = None
    ) -> tuple[tuple[Step, ...], RunRecord | None]:
        opened = Lab.open(self.root).with_series(name)
        stairs = stairs_of(opened.builder, name, Variant(KERNEL))
        for series in {series for variant in stairs.variants for series in variant.series}:
            opened = opened.with_series(series)
        plan = plan_variants(opened.loaded, stairs.variants, suites=("populate",), pattern=pattern)

        def test(asked: Plan) -> RunRecord:
            return opened.test(asked, ["lab"])

        self.began.clear()
        kernels, run = verify_each(opened.builder, [stairs], plan, test, again=again)
        return kernels[0].steps, run

    def tested(self, name: str, **how: object) -> list[str]:
        """What a guest is booted for."""
        self.verify(name, **how)  # type: ignore[arg-type]
        return list(self.began)


GUP, MLOCK, DAX = patch("gup", "1"), patch("mlock", "1"), patch("dax", "1")
FIRST = ["fake", "fake+one@1", "fake+one@2", "fake+one"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Path:
    """A project to be copied; its copies share a cache."""
    above = tmp_path_factory.mktemp("reuse")
    shutil.copytree(compiled, above / "cache")
    shutil.copytree(FAKES / "kernel", above / "fake-kernel")
    folder = above / "project"
    (folder / "kconfigs").mkdir(parents=True)
    (folder / "kconfigs" / "tiny.config").write_text("CONFIG_BASE=y\n")
    (folder / "guest-tests").symlink_to(ROOT / "guest-tests")
    (folder / "patches" / "fix").mkdir(parents=True)
    (folder / "patches" / "fix" / "series").write_text("")
    places = {"kernel": above / "fake-kernel", "cache": above / "cache"}
    toml = LAB_TOML.format(**{name: json.dumps(str(path)) for name, path in places.items()})
    (folder / "lab.toml").write_text(f"guests = 1\n{toml}")
    return folder


@pytest.fixture(scope="module")
def tested(bare: Path) -> Path:
    """The same, where the first revision of three patches was tested."""
    folder = shutil.copytree(bare, bare.with_name("tested"), symlinks=True)
    with pytest.MonkeyPatch.context() as patched:
        found = Revisions(folder, patched)
        found.write("one", GUP, MLOCK, DAX)
        assert found.tested("one") == FIRST
    return folder


@pytest.fixture
def made(tested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Revisions:
    return Revisions(shutil.copytree(tested, tmp_path / "project", symlinks=True), monkeypatch)


def test_a_patch_that_did_not_change_keeps_its_verdict(made: Revisions) -> None:
    _, first = made.verify("one", again=True)
    assert first is not None
    made.write("two", GUP, patch("mlock", "2"), DAX)
    steps, run = made.verify("two")
    assert made.began == ["fake+two@2", "fake+two"]
    assert [step.reused for step in steps] == [first.id, first.id, "", ""]
    assert run is not None
    assert [job.variant for job in run.jobs] == ["fake+two@2", "fake+two"]
    # The tests of the second are compared with those that the first has.
    assert [(step.since, bool(step.tests), step.bad, step.unclear) for step in steps[1:]] == [
        (0, True, "", ""), (1, True, "", ""), (2, True, "", ""),
    ]  # fmt: skip


def test_all_of_it_is_known(made: Revisions) -> None:
    steps, run = made.verify("one")
    assert (made.began, run) == ([], None)
    assert all(step.reused for step in steps)
    assert made.tested("one", again=True) == FIRST


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(MLOCK.replace("\treturn 1;", "\treturn  1;"), id="a blank more"),
        pytest.param(MLOCK.replace("+\treturn 1;", "+ return 1;"), id="a tab turned to a blank"),
    ],
)
def test_white_space_is_another_patch(made: Revisions, second: str) -> None:
    """By patch-id it is the same one."""
    made.write("two", GUP, second, DAX)
    assert made.tested("two") == ["fake+two@2", "fake+two"]


def test_what_is_beneath_changes_all_above(made: Revisions) -> None:
    made.write("two", patch("gup", "2"), MLOCK, DAX)
    assert made.tested("two") == ["fake+two@1", "fake+two@2", "fake+two"]
    made.write("swapped", MLOCK, GUP, DAX)
    # What comes of all three is the same kernel, in whatever order.
    assert made.tested("swapped") == ["fake+swapped@1"]


def change_config(made: Revisions) -> None:
    (made.root / "kconfigs" / "tiny.config").write_text("# CONFIG_BASE is not set\n")


def change_program(made: Revisions) -> None:
    programs = made.root / "guest-tests"
    real = programs.resolve()
    programs.unlink()
    shutil.copytree(real, programs)
    text = (programs / "populate.c").read_text()
    (programs / "populate.c").write_text(f"{text}\nstatic const int more = 1;\n"
                                         "const int *also(void) { return &more; }\n")  # fmt: skip


def change_toml(made: Revisions, old: str, new: str) -> None:
    text = made.toml.read_text()
    assert old in text
    made.toml.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change_config, id="config"),
        pytest.param(change_program, id="program"),
        pytest.param(
            lambda made: change_toml(made, "[paths]", f"{OUT_OF_STEP}\n[paths]"), id="expectation"
        ),
        pytest.param(
            lambda made: change_toml(made, "[paths]", "[deadlines]\nsettle = 3.0\n[paths]"),
            id="deadline",
        ),
        pytest.param(
            lambda made: change_toml(made, "[paths]", "[machines.default]\ncpus = 1\n[paths]"),
            id="machine",
        ),
        pytest.param(
            lambda made: change_toml(made, 'type = "ext4"', 'type = "ext4"\nmkfs = ["-b", "1024"]'),
            id="filesystem",
        ),
    ],
)
def test_another_setup_is_tested_anew(made: Revisions, change: Callable[[Revisions], None]) -> None:
    change(made)
    assert made.tested("one") == FIRST


def test_other_tests_are_asked_for(made: Revisions) -> None:
    assert made.tested("one", pattern="t*") == FIRST


def test_another_lab_or_host_is_asked_anew(
    made: Revisions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("lab.__version__", "another")
        assert made.tested("one") == FIRST
    assert made.tested("one") == FIRST
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    assert made.tested("one") == FIRST


OOPS = Complaint(Kind.WARNING, "WARNING: at mm/gup.c")


def with_result(**changes: object) -> Callable[[JobRecord], JobRecord]:
    def change(record: JobRecord) -> JobRecord:
        (one,) = record.results
        return replace(record, results=(replace(one, **changes),))  # type: ignore[arg-type]

    return change


@pytest.mark.parametrize(
    "change",
    [
        with_result(status=Status.CRASH),
        with_result(status=Status.TIMEOUT),
        with_result(status=Status.ERROR),
        lambda record: replace(record, results=()),
        lambda record: replace(record, error=JobError("no disk", fault=Fault.MACHINE)),
        lambda record: replace(record, complaints=(PlacedComplaint(OOPS),)),
        lambda record: replace(
            record, complaints=(PlacedComplaint(OOPS, benign="the host", doubtful=True),)
        ),
        lambda record: replace(
            record, evidence=replace(record.evidence, left_mounted=(("", "busy"),))
        ),
    ],
)
def test_what_did_not_end_well_is_tested_anew(
    bare: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[JobRecord], JobRecord],
) -> None:
    folder = shutil.copytree(bare, tmp_path / "project", symlinks=True)
    made = Revisions(folder, monkeypatch)
    made.write("one", GUP)
    made.change = change
    both = ["fake", "fake+one"]
    assert made.tested("one") == both
    made.change = lambda record: record
    assert made.tested("one") == both


def test_two_runs_that_differ_say_nothing(made: Revisions) -> None:
    made.change = with_result(status=Status.FAIL)
    assert made.tested("one", again=True) == FIRST
    assert made.tested("one") == FIRST


def test_a_run_that_did_not_end_has_its_own_way(made: Revisions) -> None:
    """It goes on as it is; what it had is no other run's."""
    with Store.open(Lab.open(made.root).database) as store:
        whole = store.load()
        setup = whole.jobs[0].evidence.setup
        assert [run.id for run, _ in store.of_setup(setup, 9)] == [whole.id]
        store.begin(replace(whole, id="20260101-120000-ab12"))
        store.add_job("20260101-120000-ab12", whole.jobs[0])
        assert [run.id for run, _ in store.of_setup(setup, 9)] == [whole.id]
        (found,) = store.of_setup(setup, 1)
        assert found[1] == whole.jobs[0]
        assert store.of_setup("other", 9) == ()


def test_what_the_database_finds_is_looked_at(made: Revisions) -> None:
    """By its setup, which has a column of its own: what the evidence says of that counts."""
    with sqlite3.connect(made.root / "results" / "lab.db") as database:
        new = ('"build_key": "', '"build_key": "0')
        database.execute("UPDATE jobs SET evidence = replace(evidence, ?, ?)", new)
    assert made.tested("one") == FIRST


def test_it_is_told(made: Revisions) -> None:
    from lab.analysis.step_verdict import KernelSteps
    from lab.report.steps import step_lines, steps_to_json

    steps, _ = made.verify("one")
    found = KernelSteps(KERNEL, steps)
    whence = steps[0].reused
    told = [line for line in step_lines("one", [found]) if f"results of {whence}" in line]
    assert len(told) == len(FIRST)
    document = json.loads(json.dumps(steps_to_json("one", [found], None)))
    assert document["run"] is None
    assert [row["reused"] for row in document["kernels"][0]["steps"]] == [whence] * len(FIRST)
