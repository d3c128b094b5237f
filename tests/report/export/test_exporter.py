# SPDX-License-Identifier: GPL-2.0-only
"""Exports, read back by what others read them with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import junitparser
import pytest
from kcidb_io.schema import LATEST, V5_3

from lab.errors import UserError
from lab.model.complaint import Complaint, Kind
from lab.model.records import PlacedComplaint, RunRecord
from lab.model.status import Status
from lab.report.export.exporter import exported, keep_exports
from lab.report.export.forms import EXPORTERS, Place
from lab.suites.ktap import parse
from tests.doors.exporter import LINES
from tests.results.made import EVIDENCE, job, result, run, untested

BUILT = replace(EVIDENCE, build_key="k", tree_identity="git:" + "0123456789" * 4, compiler="gcc 12")

RUN = run(
    replace(
        job(
            result("a", diagnostics=("said", "not ok 1 this is no result")),
            result("b", Status.FAIL, message="SKIP of\n1024 # SKIP"),
            result("c", Status.CRASH, message="panic"),
            result("d", Status.TIMEOUT),
            result("e", Status.SKIP, message="no mlock2"),
            result("f", Status.ERROR, message="planned 40"),
            result("g # SKIP", Status.FAIL),
            result("a", Status.FAIL, expected=Status.FAIL, filesystem="xfs-dax", reason="a bug"),
            result("odd name/with.dots..", suite="x", message="\0"),
        ),
        evidence=BUILT,
    ),
    job(result("a"), variant="6.1+dax-populate", error="QEMU died\nand more"),
    replace(job(variant="v4.2", error="does not build"), evidence=replace(EVIDENCE, build_key="")),
)


def test_kcidb_takes_it() -> None:
    document = json.loads(exported(RUN, "kcidb"))
    V5_3.validate(document)
    assert LATEST.is_compatible(document)


def test_each_form_tells_what_was_proved() -> None:
    owes: dict[str, Any] = {
        "promises": (("plain", ()), ("ext4-dax", ("dax",)), ("xfs-dax", ("dax",))),
        "proofs": (("plain", ()), ("ext4-dax", (("dax", (("proved_by", "statx"),)),))),
    }
    record = run(replace(job(result()), evidence=replace(EVIDENCE, **owes)))
    proofs = {
        "plain": "nothing promised",
        "ext4-dax": "DAX: statx",
        "xfs-dax": "nothing proves that it was DAX",
    }
    (test,) = json.loads(exported(record, "kcidb"))["tests"]
    assert test["environment"]["misc"]["proofs"] == proofs
    root = ElementTree.fromstring(exported(record, "junit"))
    found = {one.get("name", ""): one.get("value") for one in root.iter("property")}
    assert {name: found.get(f"proofs.{name}") for name in proofs} == proofs


def test_kcidb_is_told_whose_fault_it_was() -> None:
    document = json.loads(exported(RUN, "kcidb", Place("mylab")))
    tests = {test["id"]: test for test in document["tests"]}
    assert len(tests) == len(RUN.results) + 2
    statuses = [test["status"] for test in list(tests.values())[:7]]
    assert statuses == ["PASS", "FAIL", "FAIL", "FAIL", "SKIP", "MISS", "FAIL"]
    assert tests[f"mylab:{RUN.id}.0.0"]["path"] == "ext4-dax.mlock.a"
    assert tests[f"mylab:{RUN.id}.1.lab"]["status"] == "MISS"
    assert [build.get("status") for build in document["builds"]] == ["PASS", "MISS", "MISS"]
    assert document["checkouts"][0]["git_commit_hash"] == "0123456789" * 4
    for origin in ("", "My Lab", "a:b"):
        with pytest.raises(UserError):
            exported(RUN, "kcidb", Place(origin))


def test_a_program_that_a_signal_killed_is_an_error_of_the_tests_own_code() -> None:
    record = run(job(result("t", Status.ERROR, signal="SIGBUS")))
    (test,) = json.loads(exported(record, "kcidb"))["tests"]
    assert test["status"] == "ERROR"


def test_ktap_says_the_same() -> None:
    report = parse(exported(RUN, "ktap").encode())
    assert report.problems == ()
    found = {name: test for name, test in report.walk() if not test.subtests}
    assert len(found) == len(RUN.results) + 2 + len(RUN.problems)
    for record in RUN.jobs[:1]:
        for expected in record.results[:6]:
            (test,) = [
                test for name, test in found.items()
                if name == f"6.1/{expected.filesystem}.mlock/{expected.test}"
            ]  # fmt: skip
            assert test.ok is (expected.status in (Status.PASS, Status.SKIP))
            assert (test.directive == "SKIP") is (expected.status is Status.SKIP)
    assert found["6.1/ext4-dax.mlock/b"].directive is None
    assert found["6.1/ext4-dax.mlock/g # SKIP"].directive is None


def test_names_stay_apart() -> None:
    names = ("a#b", "a-b", "a  b", "a b", "mmap[4k]", "mmap(4k)", r"a\b", "größe", "grö.e")
    record = run(replace(job(*map(result, names)), evidence=BUILT))
    report = parse(exported(record, "ktap").encode())
    found = [name.rpartition("/")[2] for name, test in report.walk() if not test.subtests]
    assert found == [*names]
    document = json.loads(exported(record, "kcidb"))
    V5_3.validate(document)
    assert len({test["path"] for test in document["tests"]}) == len(names)
    (suite,) = junitparser.JUnitXml.fromstring(exported(record, "junit").encode())
    assert [case.name for case in suite] == [*names]


def test_two_programs_with_a_test_of_one_name() -> None:
    open_ = (result("open", program="dup-a"), result("open", Status.FAIL, program="dup-b"))
    record = run(replace(job(*open_, result("shut", program="dup-b")), evidence=BUILT))
    names = ["dup-a: open", "dup-b: open", "shut"]
    report = parse(exported(record, "ktap").encode())
    found = [name.rpartition("/")[2] for name, test in report.walk() if not test.subtests]
    assert found == names
    (suite,) = junitparser.JUnitXml.fromstring(exported(record, "junit").encode())
    assert [case.name for case in suite] == names
    document = json.loads(exported(record, "kcidb"))
    V5_3.validate(document)
    assert len({test["path"] for test in document["tests"]}) == len(names)
    assert [test["misc"]["test"] for test in document["tests"]] == ["open", "open", "shut"]


def test_a_complaint_of_no_test_is_not_green() -> None:
    noted = PlacedComplaint(Complaint(Kind.WARNING, "WARNING in x", ("not ok 1 y", "line")))
    told = PlacedComplaint(noted.complaint, "ext4-dax", "mlock")
    record = run(replace(job(result("a")), evidence=BUILT, complaints=(noted, told)))
    document = json.loads(exported(record, "kcidb"))
    V5_3.validate(document)
    assert [test["status"] for test in document["tests"]] == ["PASS", "FAIL"]
    report = parse(exported(record, "ktap").encode())
    assert report.problems == ()
    ends = {name: test.ok for name, test in report.walk()}
    assert ends["6.1"] is False
    assert [ok for name, ok in ends.items() if "WARNING in x" in name] == [False]


def test_a_run_of_nothing_is_no_green_ktap() -> None:
    lines = exported(run(), "ktap").splitlines()
    assert lines == ["KTAP version 1", "1..1", "not ok 1 lab # ERROR no test ran"]


def test_what_needed_no_test_is_neither_a_pass_nor_an_error() -> None:
    record = run(job(result("a")), untested("6.1+fix"))
    text = exported(record, "ktap")
    assert parse(text.encode()).problems == ()
    assert text.splitlines()[-1] == "ok 2 6.1+fix # SKIP the binary is the same"
    assert "| `6.1+fix` | the binary is the same | - " in exported(record, "github")
    assert "no test ran" not in exported(record, "junit") + exported(record, "github")


@pytest.mark.parametrize("record", [RUN, run()])
def test_junit_is_read_by_others(record: RunRecord) -> None:
    read = junitparser.JUnitXml.fromstring(exported(record, "junit").encode())
    cases = [case for suite in read for case in suite]
    assert read.tests == len(cases)
    bad = read.failures + read.errors
    assert 0 < bad == sum(not case.is_passed and not case.is_skipped for case in cases)


def test_another_form_is_a_module_and_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="no format 'lines'") as caught:
        exported(RUN, "lines")
    *others, last = (name for name in EXPORTERS)
    assert caught.value.hint == f"{', '.join(others)} or {last}"
    monkeypatch.setitem(EXPORTERS, "lines", LINES)
    assert exported(RUN, "lines", Place("here")).splitlines()[:2] == [
        "here: pass a",
        "here: fail b",
    ]
    keep_exports(RUN, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"junit.xml", "lines.txt"}
    assert (tmp_path / "lines.txt").read_text() == exported(RUN, "lines")
