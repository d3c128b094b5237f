# SPDX-License-Identifier: GPL-2.0-only
"""JUnit XML, read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.model.records import JobRecord, RunRecord
from lab.model.status import Status
from lab.report.export.exporter import keep_exports
from tests.results.made import job, noted, result, run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "junit.xml"


def written(record: RunRecord, path: Path) -> ElementTree.Element:
    keep_exports(record, path.parent)
    return ElementTree.parse(path).getroot()


def verdict(record: JobRecord, path: Path) -> list[str]:
    case = written(run(record), path).find("testsuite/testcase")
    assert case is not None
    return [child.tag for child in case if child.tag != "system-out"]


@pytest.mark.parametrize(
    ("status", "expected", "tags"),
    [
        (Status.PASS, Status.PASS, []),
        (Status.FAIL, Status.PASS, ["failure"]),
        (Status.CRASH, Status.PASS, ["failure"]),
        (Status.TIMEOUT, Status.PASS, ["failure"]),
        (Status.ERROR, Status.PASS, ["error"]),
        (Status.ERROR, Status.FAIL, ["error"]),
        (Status.SKIP, Status.SKIP, ["skipped"]),
        (Status.SKIP, Status.PASS, ["failure"]),
        (Status.SKIP, Status.FAIL, ["failure"]),
        (Status.FAIL, Status.FAIL, []),
        (Status.PASS, Status.FAIL, ["failure"]),
        (Status.PASS, Status.SKIP, ["failure"]),
        (Status.ERROR, Status.ERROR, []),
    ],
)
def test_verdicts(status: Status, expected: Status, tags: list[str], path: Path) -> None:
    assert verdict(job(result(status=status, expected=expected)), path) == tags


def test_an_expected_failure_says_so(path: Path) -> None:
    failed = result(
        status=Status.FAIL, expected=Status.FAIL, reason="the bug", message="1 of 1024 present"
    )
    out = written(run(job(failed)), path).findtext(".//system-out")
    assert out == "fail, as expected because the bug: 1 of 1024 present"


def test_a_skip_says_whether_it_was_expected(path: Path) -> None:
    unexpected = result("a", Status.SKIP, message="no mlock2")
    expected = replace(unexpected, test="b", expected=Status.SKIP, reason="4.3 has none")
    root = written(run(job(result(), unexpected, expected)), path)
    failure, skipped = root.find(".//failure"), root.find(".//skipped")
    assert failure is not None
    assert failure.attrib == {"type": "skip", "message": "skip (expected pass): no mlock2"}
    assert skipped is not None
    assert skipped.get("message") == "skip, as expected because 4.3 has none: no mlock2"
    assert (root.get("failures"), root.get("skipped")) == ("1", "1")


def test_a_suite_for_each_job_and_filesystem(path: Path) -> None:
    results = [
        result("a"),
        result("b", filesystem="xfs-dax", status=Status.FAIL),
        result("c", status=Status.SKIP, expected=Status.SKIP),
        result("d", status=Status.ERROR, message="no plan"),
    ]
    root = written(run(job(*results), job(result(), variant="6.12")), path)
    counts = [
        tuple(suite.get(key) for key in ("name", "tests", "failures", "errors", "skipped", "time"))
        for suite in root
    ]
    assert counts == [
        ("6.1.ext4-dax", "3", "0", "1", "1", "0.375"),
        ("6.1.xfs-dax", "1", "1", "0", "0", "0.125"),
        ("6.12.ext4-dax", "1", "0", "0", "0", "0.125"),
    ]
    assert root.get("tests") == "5"


def test_what_did_not_run_is_not_green(path: Path) -> None:
    for record in (run(), run(job()), run(job(result()), finished=None)):
        assert written(record, path).get("errors") == "1"
    root = written(run(job(result()), job(variant="v4.2", error="no space\nat all")), path)
    error = root.find("testsuite[@name='v4.2']/testcase/error")
    assert error is not None
    assert (error.get("message"), error.text) == ("no space", "no space\nat all")


def test_an_empty_error_is_still_one(path: Path) -> None:
    assert written(run(job(result()), job(variant="v4.2", error="")), path).get("errors") == "1"


def test_characters_xml_forbids(path: Path) -> None:
    every = "".join(map(chr, [*range(0x20), 0xD800, 0xFFFE, 0xFFFF, 0x1F600]))
    odd = result(every, Status.FAIL, message=every, diagnostics=(every,))
    case = written(run(job(odd)), path).find(".//testcase")
    assert case is not None
    assert "\U0001f600" in case.get("name", "")
    assert "\x00" not in case.get("name", "")


def test_a_complaint_while_no_test_ran_is_not_green(path: Path) -> None:
    record = run(job(result(), complaints=(noted(), noted(benign="known"))))
    root = written(record, path)
    (failure,) = root.iter("failure")
    assert failure.get("message") == "warning: WARNING in foo"
    assert "WARNING: at\nfoo" in (failure.text or "")
    assert root.get("failures") == "1"
