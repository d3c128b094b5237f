# SPDX-License-Identifier: GPL-2.0-only
"""One variant with two configs on two machines: four jobs, and none is taken for another."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from lab.analysis.bisect_status import BisectStatus, bisect_status
from lab.analysis.claims import find_pairs
from lab.analysis.compare import Change, compare
from lab.analysis.unmatched import unmatched
from lab.config import load
from lab.config.kinds import MACHINES
from lab.execution.resume import unfinished
from lab.guest.fake import FakeSpec, Script, Stage
from lab.guest.request import GuestRequest
from lab.model.job_error import Fault
from lab.model.job_name import Around
from lab.model.records import RunRecord, TestResult
from lab.model.status import Status
from lab.plan import Plan, plan_series, plan_variants
from lab.report import print_run, to_json
from lab.report.changes import comparison_lines
from lab.report.evidence import evidence_lines
from lab.report.export.forms import Place
from lab.report.export.github import github_text
from lab.report.export.junit import junit_text
from lab.report.export.kcidb import kcidb_document
from lab.report.export.ktap import ktap_text
from lab.report.repro import repro_script
from lab.report.site.page_data import make_report
from lab.report.site.site import pages
from lab.results import RunFolder, Store
from lab.results.past_endings import Trail
from lab.session import Lab
from tests.cli.test_cli import make_project, project
from tests.conftest import FAKES, copy_programs

__all__ = ["project"]

pytestmark = pytest.mark.slow

AXES = """
[configs.kasan]
fragments = ["tiny", "more"]
[machines.default]
kind = "played"
cpus = 2
[machines.numa]
kind = "played"
cpus = 4
[[expect]]
configs = ["kasan"]
machines = ["num*"]
tests = ["b"]
status = "fail"
reason = "told apart"
"""
#: Where the test b fails: with this config, on this many CPUs.
ODD = ("CONFIG_SMP=y", 4)
KASAN, NUMA = "config kasan", "machine numa"
FOUR = ("fake", f"fake {NUMA}", f"fake {KASAN}", f"fake {NUMA} {KASAN}")


def played(asked: GuestRequest) -> FakeSpec:
    """A guest in which b fails at one of the four places alone."""
    lines = {option.line for option in asked.built.job.options}
    odd = ODD[0] in lines and asked.machine.cpus == ODD[1]
    script = Script(("a", "b"), {"b": "fail"} if odd else {})
    return FakeSpec(asked.folder, Stage({"populate": script}))


@pytest.fixture(scope="module", autouse=True)
def played_machines() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MACHINES, "played", f"{__name__}:played")
        patch.setattr("lab.doctor.require", lambda _: None)
        yield


@pytest.fixture
def lab(project: Path, programs_at_hand: None) -> Lab:
    return with_axes(project)


def with_axes(project: Path) -> Lab:
    (project / "kconfigs" / "more.config").write_text("CONFIG_SMP=y\n")
    toml = project / "lab.toml"
    toml.write_text(f"guests = 1\n{toml.read_text()}{AXES}")
    return Lab.open(project)


def plan_of(lab: Lab, *variants: str, order: int = 1) -> Plan:
    machines, configs = ["default", "numa"][::order], ["default", "kasan"][::order]
    return plan_variants(
        lab.loaded, variants or ("fake",), suites=("populate",), machines=machines, configs=configs
    )


@pytest.fixture
def ran(lab: Lab) -> RunRecord:
    return lab.test(plan_of(lab), ["lab", "test"])


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> RunRecord:
    """Such a run for all tests that only look at it, and at its folder."""
    top = tmp_path_factory.mktemp("axes")
    copy_programs(compiled, top / "cache")
    kernel = shutil.copytree(FAKES / "kernel", top / "fake-kernel")
    lab = with_axes(make_project(top, kernel))
    return lab.test(plan_of(lab), ["lab", "test"])


def odd_ones(run: RunRecord) -> list[tuple[str, str, bool]]:
    return [
        (job.name, one.test, one.as_expected)
        for job in run.jobs
        for one in job.results
        if one.status is not Status.PASS
    ]


def test_each_has_a_job_of_its_own(lab: Lab, ran: RunRecord) -> None:
    assert tuple(job.name for job in ran.jobs) == FOUR
    assert len({job.evidence.build_key for job in ran.jobs}) == 2
    assert len({job.evidence.ktap_path for job in ran.jobs}) == 4
    assert odd_ones(ran) == [(FOUR[3], "b", True)]
    with Store.open(lab.database) as store:
        again = store.load(ran.id)
    assert [job.name for job in again.jobs] == list(FOUR)
    assert odd_ones(again) == odd_ones(ran)
    assert {row["config"] for row in to_json(ran)["results"] if row["status"] == "fail"} == {
        "kasan"
    }
    assert bisect_status(ran) is BisectStatus.GOOD
    assert list(unmatched(lab.loaded.config, ran)) == []


def test_an_expectation_is_of_its_config_and_machine(lab: Lab, ran: RunRecord) -> None:
    told = {(job.name, one.test): one.expected for job in ran.jobs for one in job.results}
    assert [place for place, status in told.items() if status is Status.FAIL] == [(FOUR[3], "b")]
    toml = lab.loaded.toml
    toml.write_text(toml.read_text().replace('"num*"', '"default"'))
    rule = load(toml).config
    found = ran.jobs[3].results[1]
    assert [what for _, what in unmatched(rule, ran)] == []
    assert found.as_expected


def test_the_table_has_a_heading_for_each(seen: RunRecord) -> None:
    stream = StringIO()
    print_run(seen, Console(file=stream, width=80), verbose=True)
    table = stream.getvalue()
    headings = [line for line in table.splitlines() if line.startswith("config ")]
    assert headings == [
        "config default, machine default",
        "config default, machine numa",
        "config kasan, machine default",
        "config kasan, machine numa",
    ]
    assert f"{FOUR[3]}  on ext4-dax" in table.partition("Not passed, as expected")[2]
    assert table.count(f"{FOUR[1]} on ext4-dax") == 1


def test_with_one_of_each_there_is_no_heading(seen: RunRecord) -> None:
    stream = StringIO()
    print_run(replace(seen, jobs=seen.jobs[3:]), Console(file=stream, width=80))
    assert f"fake  (6.1.7)  {NUMA}  {KASAN}" in stream.getvalue()
    assert "\nconfig " not in stream.getvalue()


def test_what_one_lost_is_not_the_others(seen: RunRecord) -> None:
    """The same results, the config's names changed round: each test changed."""
    swapped = tuple(
        replace(job, config={"default": "kasan", "kasan": "default"}[job.config])
        for job in seen.jobs
    )
    found = compare(seen, replace(seen, id="20260102-000000-abcd", jobs=swapped))
    changed = {(test.key.job_name, test.change) for test in found.tests if test.key.test == "b"}
    assert changed == {
        (FOUR[0], Change.SAME),
        (FOUR[1], Change.REGRESSED),
        (FOUR[2], Change.SAME),
        (FOUR[3], Change.FIXED),
    }
    assert f"  {FOUR[1]} on ext4-dax: 1" in list(comparison_lines(found))


def test_baseline_is_a_run_of_the_same_configs(seen: RunRecord) -> None:
    only = replace(seen, id="20260102-000000-abcd", jobs=seen.jobs[2:3])
    other = replace(seen, id="20260101-000000-abcd", jobs=seen.jobs[:1])
    assert Trail((other, only)).baseline() is None
    assert Trail((other, seen, only)).baseline() == seen.id


def test_exports_name_each(seen: RunRecord) -> None:
    junit = ElementTree.fromstring(junit_text(seen))
    cases = [(one.get("classname"), one.get("name")) for one in junit.iter("testcase")]
    assert len(set(cases)) == len(cases) == 8
    assert (f"{FOUR[3]}.ext4-dax.populate", "b") in cases
    ktap = ktap_text(seen).splitlines()
    assert [line for line in ktap if re.match("(not )?ok ", line)] == [
        *(f"ok {number} {name}" for number, name in enumerate(FOUR[:3], 1)),
        f"not ok 4 {FOUR[3]}",
    ]
    document = kcidb_document(seen, "lab")
    builds = {one["id"]: one for one in document["builds"]}
    failed = [one for one in document["tests"] if one["status"] == "FAIL"]
    assert [builds[one["build_id"]]["config_name"] for one in failed] == ["kasan"]
    assert [one["environment"]["misc"]["machine"] for one in failed] == ["numa"]
    assert len({one["id"] for one in document["tests"]}) == 8
    surprised = [replace(job, results=_unexpected(job.results)) for job in seen.jobs]
    text = github_text(replace(seen, jobs=tuple(surprised)), Place("lab"))
    assert f"- `{FOUR[3]}` on `ext4-dax`: `populate.b` fail" in text
    assert f"Job 3: {FOUR[3]}," in "\n".join(evidence_lines(seen))


def _unexpected(results: Iterable[TestResult]) -> tuple[TestResult, ...]:
    return tuple(replace(one, expected=Status.PASS) for one in results)


def test_the_report_groups_its_rows(seen: RunRecord) -> None:
    folder = Path(seen.folder)
    report = make_report(seen, Trail((seen,)), None, [folder])
    made = dict(pages(report))
    matrix = made["index.html"].partition('<table class="matrix')[2].partition("</table>")[0]
    headings = re.findall(r'scope="rowgroup" colspan="2">([^<]+)<', matrix)
    assert headings == [
        f"config {config}, machine {machine}"
        for config in ("default", "kasan")
        for machine in ("default", "numa")
    ]
    assert matrix.count("<tbody>") == 4
    results = [name for name in made if name.startswith("results/")]
    assert len(results) == 4
    (failed,) = [made[name] for name in results if '<details class="result fail' in made[name]]
    assert f"fake {NUMA} {KASAN}" in failed
    assert "lab test fake -f ext4-dax -s populate --machine numa --config kasan -k b" in failed


def test_logs_and_recipes_are_its_own(seen: RunRecord) -> None:
    """Jobs are recorded as they end, and their folders numbered as planned."""
    turned = replace(seen, jobs=seen.jobs[::-1])
    report = make_report(turned, Trail((turned,)), None, [Path(seen.folder)])
    for job in report.jobs:
        place = Path(seen.folder) / job.record.evidence.ktap_path
        assert json.loads((place / "job.json").read_text())["machine"] == job.record.machine
        (log,) = [log for log in job.logs.all if "ktap" in log.title or "populate" in log.title]
        assert ("not ok" in "\n".join(map(log.line, range(log.first, log.last + 1)))) == (
            job.name == FOUR[3]
        )


def test_repro_takes_the_folder_of_the_job(ran: RunRecord) -> None:
    turned = replace(ran, jobs=ran.jobs[::-1])
    for number, job in enumerate(turned.jobs):
        place = Path(ran.folder) / job.evidence.ktap_path
        recipe = json.loads((place / "recipe.json").read_text())
        hardware = {"memory": 1, "cpus": 7, "accelerator": "tcg", "type": "pc", "nvdimm": 1 << 29}
        recipe["hardware"] = {**hardware, "memory": (1 + int(place.name[:2])) << 30}
        (place / "recipe.json").write_text(json.dumps(recipe))
        script = repro_script(turned, str(number))
        assert f"size={1024 * (1 + int(place.name[:2]))}M" in script


def test_a_killed_run_goes_on_with_what_it_lacks(lab: Lab, ran: RunRecord) -> None:
    """Two of the four had ended: the other two are done, and these are not."""
    plan = plan_of(lab)
    folder = RunFolder(lab.results, ran.id)
    folder.document.unlink()
    killed = replace(ran, jobs=(ran.jobs[3], ran.jobs[0]), finished=None)
    run = lab.going_on_with(killed).test(plan, ["lab", "test"])
    assert run.id == ran.id
    assert [job.name for job in run.jobs] == [FOUR[3], FOUR[0], FOUR[1], FOUR[2]]
    assert [job.evidence.ktap_path for job in run.jobs] == [
        ran.jobs[number].evidence.ktap_path for number in (3, 0, 1, 2)
    ]
    assert odd_ones(run) == [(FOUR[3], "b", True)]


def test_another_order_is_another_plan(lab: Lab, ran: RunRecord) -> None:
    RunFolder(lab.results, ran.id).document.unlink()
    told: list[str] = []
    assert unfinished(lab.loaded, plan_of(lab, order=-1), told.append) is None
    assert unfinished(lab.loaded, plan_of(lab), told.append) is not None


def test_verdict_for_each_config_and_machine(lab: Lab) -> None:
    """The series does nothing that a test sees: where b fails before, it fails after.

    What is of lib/ may be in what unpacks a kernel, and so is tested.
    """
    folder = lab.loaded.root / "patches" / "fix"
    (folder / "series").write_text("a.patch\n")
    (folder / "a.patch").write_text("--- /dev/null\n+++ b/lib/new\n@@ -0,0 +1 @@\n+new\n")
    series = plan_series(
        lab.loaded,
        "fix",
        ["fake"],
        suites=["populate"],
        machines=["default", "numa"],
        configs=["default", "kasan"],
    )
    assert series.arounds == tuple(Around(m, c) for c, m in _pairs())
    found = lab.verify(series, ["lab", "verify"])
    assert [(one.name, one.why) for one in found.kernels] == [
        *((name, "no test fails without it; 2 pass before and after") for name in FOUR[:3]),
        (FOUR[3], "1 test fails before and after, 1 pass before and after"),
    ]
    assert {test.on for test in found.kernels[3].tests} == {FOUR[3]}
    assert found.run is not None
    turned = replace(found.run, jobs=found.run.jobs[::-1])
    (pair,) = find_pairs([turned], ("fix", lab.builder.series("fix").digest), ["fake"]).values()
    assert (pair.base.name, pair.patched.name) == ("fake", "fake+fix")


def _pairs() -> Iterator[tuple[str, str]]:
    yield from (("default", "default"), ("default", "numa"))
    yield from (("kasan", "default"), ("kasan", "numa"))


def test_a_config_is_for_some_kernels(lab: Lab) -> None:
    """Of another kernel it would be less than its name says: that one is not tested."""
    toml = lab.loaded.toml
    toml.write_text(toml.read_text().replace('"more"]', '"more"]\nversions = ">=6.2"'))
    opened = Lab.open(toml)
    run = opened.test(plan_of(opened), ["lab", "test"])
    errors = {job.name: job.error for job in run.jobs if job.error is not None}
    assert list(errors) == [FOUR[2], FOUR[3]]
    for error in errors.values():
        assert error.fault is Fault.USER
        assert error.line.endswith("config kasan is for kernels >=6.2, and this is 6.1.7")
    assert [job.name for job in run.jobs if job.results] == [FOUR[0], FOUR[1]]


def test_a_slower_config_has_longer_deadlines(lab: Lab, ran: RunRecord) -> None:
    toml = lab.loaded.toml
    toml.write_text(toml.read_text().replace('"more"]', '"more"]\nslower = 3'))
    opened = Lab.open(toml)
    run = opened.test(plan_of(opened), ["lab", "test"])
    before, after = (
        {job.name: dict(job.evidence.surroundings)["deadlines"] for job in one.jobs}
        for one in (ran, run)
    )
    assert [name for name in FOUR if before[name] != after[name]] == [FOUR[2], FOUR[3]]
    assert "program 120 s, stall 10 s" in before[FOUR[2]]
    assert "program 360 s, stall 30 s" in after[FOUR[2]]


def test_no_job_is_taken_for_that_of_the_variant(seen: RunRecord) -> None:
    with pytest.raises(ValueError, match="fake has several jobs"):
        seen.by_variant()
    assert list(replace(seen, jobs=seen.jobs[2:3]).by_variant()) == ["fake"]
