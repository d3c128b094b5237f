# SPDX-License-Identifier: GPL-2.0-only
"""Runs as JUnit XML, the form CI systems read.

A test that ends as ``lab.toml`` expects is a passing testcase, even when it
failed: its ``system-out`` says so.  An expected skip is ``<skipped>``; one where
another result was expected is ``<failure type="skip">``, since CI systems take
``<skipped>`` for success.  What must not look green has a testcase of its own:
a job the lab could not do, a run in which nothing ran.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from itertools import groupby
from xml.etree import ElementTree

from lab.model.proof import proof_lines
from lab.model.records import JobRecord, PlacedComplaint, RunRecord, TestResult
from lab.model.status import Status
from lab.report.export.forms import Place

# XML 1.0, production 2: characters that may not occur, not even escaped.
_FORBIDDEN = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_text(run: RunRecord, _place: Place | None = None) -> str:
    """The run as an XML document; a suite for each job and filesystem."""
    buffer = io.BytesIO()
    root = _root(run)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(buffer, encoding="utf-8", xml_declaration=True)
    return buffer.getvalue().decode() + "\n"


def _root(run: RunRecord) -> ElementTree.Element:
    suites = [suite for job in run.jobs for suite in _job_suites(job)]
    if run.problems:
        suites.append(_suite("lab", [_error_case("lab", text) for text in run.problems]))
    root = _element("testsuites", name=f"lab {run.id}", **_totals(suites))
    root.extend(suites)
    return root


def _job_suites(job: JobRecord) -> list[ElementTree.Element]:
    ordered = sorted(job.results, key=lambda result: result.filesystem)
    suites = []
    for filesystem, results in groupby(ordered, key=lambda result: result.filesystem):
        name = f"{job.name}.{filesystem}"
        suites.append(_suite(name, [_case(name, result) for result in results], job))
    for noted in job.complaints:
        if noted.of_job:
            suites.append(_suite(job.name, [_complaint_case(job.name, noted)], job))
    if job.error is not None:
        suites.append(_suite(job.name, [_error_case(job.name, str(job.error))], job))
    return suites


def _suite(
    name: str, cases: list[ElementTree.Element], job: JobRecord | None = None
) -> ElementTree.Element:
    suite = _element("testsuite", name=name, **_count(cases))
    if job is not None:
        # Consumers want the time without an offset (Jenkins' junit-10.xsd); it is UTC.
        suite.set("timestamp", _legal(job.started[:19]))
        suite.append(_properties(job))
    suite.extend(cases)
    return suite


def _properties(job: JobRecord) -> ElementTree.Element:
    properties = _element("properties")
    evidence = job.evidence
    for name, value in {
        "kernel_release": job.kernel_release,
        "machine": job.machine,
        "config": job.config,
        "accelerator": evidence.accelerator,
        "qemu": evidence.qemu_version,
        "build": evidence.build_key,
        "console": evidence.console_path,
        **{f"proofs.{filesystem}": said for filesystem, said in proof_lines(evidence)},
    }.items():
        properties.append(_element("property", name=name, value=value))
    return properties


def _case(suite: str, result: TestResult) -> ElementTree.Element:
    classname = f"{suite}.{result.suite}"
    case = _element(
        "testcase", classname=classname, name=result.test, time=f"{result.duration_s:.3f}"
    )
    verdict = _verdict(result)
    if verdict is not None:
        case.append(verdict)
    said = list(result.diagnostics)
    if result.as_expected and result.status not in {Status.PASS, Status.SKIP}:
        said.insert(0, _explanation(result))
    if said:
        case.append(_element("system-out", text="\n".join(said)))
    return case


def _verdict(result: TestResult) -> ElementTree.Element | None:
    expected, kind = result.status.row.junit
    if result.as_expected:
        return _element(expected, message=_explanation(result)) if expected else None
    message = f"{result.status} (expected {result.expected})"
    if result.message:
        message += f": {result.message}"
    return _element(kind, type=result.status.value, message=message, text=result.message)


def _explanation(result: TestResult) -> str:
    reason = f" because {result.reason}" if result.reason else ""
    message = f": {result.message}" if result.message else ""
    return f"{result.status}, as expected{reason}{message}"


def _complaint_case(classname: str, noted: PlacedComplaint) -> ElementTree.Element:
    """What no result tells of must not look green."""
    complaint = noted.complaint
    case = _element("testcase", classname=classname, name="kernel", time="0.000")
    text = "\n".join(complaint.lines)
    kind = complaint.kind.value
    case.append(_element("failure", type=kind, message=str(complaint), text=text))
    return case


def _error_case(classname: str, message: str) -> ElementTree.Element:
    case = _element("testcase", classname=classname, name="lab", time="0.000")
    case.append(_element("error", type="lab", message=message.partition("\n")[0], text=message))
    return case


_COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def _count(cases: list[ElementTree.Element]) -> dict[str, str]:
    counts = {
        name: sum(case.find(tag) is not None for case in cases) for name, tag in _COUNTED.items()
    }
    seconds = sum(float(case.get("time", "0")) for case in cases)
    return {
        "tests": str(len(cases)),
        **{name: str(count) for name, count in counts.items()},
        "time": f"{seconds:.3f}",
    }


def _totals(suites: Iterable[ElementTree.Element]) -> dict[str, str]:
    return _count([case for suite in suites for case in suite.iter("testcase")])


def _element(tag: str, text: str = "", **attributes: str) -> ElementTree.Element:
    element = ElementTree.Element(tag, {key: _legal(value) for key, value in attributes.items()})
    element.text = _legal(text) or None
    return element


def _legal(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
