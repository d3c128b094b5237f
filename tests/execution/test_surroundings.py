# SPDX-License-Identifier: GPL-2.0-only
"""What names the setup of a job: databases have digests of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lab.analysis.setup import differences, is_same
from lab.execution.surroundings import surrounded
from lab.guest.fake import Script
from lab.model.records import Evidence
from lab.suites.manner import Manner
from lab.suites.pytest_programs import PytestPrograms
from lab.suites.scripts import Scripts
from tests.execution.conftest import MakeJob


def test_its_parts_stay_as_they_are(make_job: MakeJob) -> None:
    """Whoever finds better words for people puts them beside these."""
    job = surrounded(make_job({"p": Script(("a",))}, program_s=120.0, settle_s=0.1))
    assert dict(job.evidence.surroundings) == {
        "recipe of ext4-dax": "mkfs.ext4 ; mount -o dax",
        "CPU": "",
        "fresh": "job",
        "deadlines": "boot 30 s, setup 30 s, program 120 s, stall 0.15 s, settle 0.1 s",
        "preparation of the guest": "e3b0c44298fc1c149afbf4c8",
    }


def test_that_its_guests_count_is_a_part(make_job: MakeJob) -> None:
    """Who tests without that takes no result of it for one of its own."""
    evidence = Evidence(build_key="ab")
    plain = surrounded(make_job({"p": Script(("a",))}, evidence=evidence)).evidence
    counted = surrounded(make_job({"p": Script(("a",))}, evidence=evidence, counts=True)).evidence
    assert counted.setup != plain.setup
    assert not is_same([plain], [counted], "ext4-dax", "p")
    # Where one of two kernels could not be counted, the series has its verdict all the same.
    assert differences([plain], [counted]) == ()


def test_how_a_suite_runs_its_programs_is_a_part(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job({"p": Script(("a",))}, program_s=120.0)
    suite = Scripts(tmp_path, Manner(environment=(("A", "b"),), user="nobody", output="ltp"))
    unit = replace(job.units[0], kind=suite, output="ltp", prints="do.*ne", timeout_s=3.0)
    programs = (("/bin/bash", "ab" * 12), ("p", "cd" * 12))
    evidence = replace(job.evidence, programs=programs)
    (tmp_path / "guest-tests").mkdir()
    (tmp_path / "guest-tests" / "p").write_text("#!/bin/sh\n")
    around = dict(surrounded(replace(job, units=(unit,), evidence=evidence)).evidence.surroundings)
    assert around["timeout of s"] == "3 s"
    assert around["output of s"] == "ltp"
    assert around["prints of s"] == "do.*ne"
    assert around["command of p"].endswith(". nobody 65534 env -u LAB_MARKS A=b /lab/p")
    assert len(around["tools in the guest"]) == 24


def test_all_that_a_test_on_this_host_imports_is_a_part(make_job: MakeJob, tmp_path: Path) -> None:
    files = {
        "test_it.py": "import helper, package.inner",
        "conftest.py": "",
        "helper.py": "",
        "package/__init__.py": "",
        "package/inner.py": "",
    }
    for name in ("test_other.py", "other_test.py", "folder/data.py", *files):
        (path := tmp_path / "guest-tests" / name).parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files.get(name, ""))
    job = make_job({"test_it.py": Script(("a",))})
    unit = replace(job.units[0], kind=PytestPrograms(tmp_path))

    def sources() -> dict[str, str]:
        around = surrounded(replace(job, units=(unit,))).evidence.surroundings
        return {name: value for name, value in around if name.startswith("source ")}

    was = sources()
    assert set(was) == {f"source {name}" for name in files}
    (tmp_path / "guest-tests" / "helper.py").write_text("other = 1\n")
    assert {name for name, value in sources().items() if value != was[name]} == {"source helper.py"}


def test_the_line_for_people_is_no_part_of_it() -> None:
    evidence = Evidence(build_key="k", hardware="q35, 2 CPUs", machine_description="a machine")
    assert evidence.setup == replace(evidence, machine_description="another line").setup
    assert evidence.setup != replace(evidence, hardware="q35, 3 CPUs").setup
    # Of an older lab's record that line is all there is.
    older = replace(evidence, hardware="", machine_description="q35, 2 CPUs")
    assert older.setup == evidence.setup
