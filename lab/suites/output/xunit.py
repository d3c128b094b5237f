# SPDX-License-Identifier: GPL-2.0-only
"""The report of xfstests' ``check -R xunit``, as ``common/report`` writes it.

It comes from a guest, by ``cat`` after what ``check`` itself printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from lab.model.status import Status

_BEGINS = re.compile(r"^<\?xml [^\n]*\?>\s*$", re.MULTILINE)
_END = "</testsuite>"
#: What could make a small text large, or read files: a report has none.
_DECLARES = re.compile(r"<!(?:DOCTYPE|ENTITY)")
_SAID = ("system-err", "kernel-log", "system-out")
_KEPT_LINES = 40
_LONGEST = 200


@dataclass(frozen=True)
class Case:
    """A test of the report: the difference to its golden output, and its logs, are ``said``."""

    status: Status
    message: str
    said: tuple[str, ...]


def has_report(text: str) -> bool:
    """Whether one begins in what was printed."""
    return _BEGINS.search(text) is not None


def read_report(text: str) -> tuple[str, dict[str, Case], str]:
    """What is before a report, the report's tests by name, and what is wrong with it."""
    begins = _BEGINS.search(text)
    if begins is None:
        return text, {}, ""
    before, report = text[: begins.start()], text[begins.start() :]
    inside, end, after = report.rpartition(_END)
    if not end:
        return before, {}, "its report has no end"
    try:
        return before + after, *_read(inside + end)
    except ElementTree.ParseError as error:
        return before + after, {}, f"its report is no XML: {error}"


def _read(report: str) -> tuple[dict[str, Case], str]:
    if _DECLARES.search(_without_texts(report)):
        return {}, "its report declares entities"
    # Control characters are in none.
    root = ElementTree.fromstring(report)  # noqa: S314  # it declares no entities
    for element in root.iter():
        # xfstests' own namespace, which newer ones declare.
        element.tag = element.tag.rpartition("}")[2]
    cases: dict[str, Case] = {}
    problem = ""
    for element in root.iter("testcase"):
        name = element.get("name", "")
        problem = problem or (f"its report has {name} twice" if name in cases else "")
        cases[name] = _case(element)
    told = root.get("tests", "")
    # One that check was killed over counts none of what it has.
    if not problem and told.isdigit() and int(told) > len(cases):
        problem = f"its report counts {told} tests, and has {len(cases)}"
    return cases, problem or ("" if cases else "its report has no test")


def _without_texts(report: str) -> str:
    """Without what tests printed, which may be anything."""
    return re.sub(r"<!\[CDATA\[.*?\]\]>", "", report, flags=re.DOTALL)


def _case(element: ElementTree.Element) -> Case:
    said = tuple(_said(element))
    if (failure := element.find("failure")) is not None:
        return Case(Status.FAIL, failure.get("message", ""), said)
    if (skipped := element.find("skipped")) is not None:
        return Case(Status.SKIP, skipped.get("message", "").strip(), said)
    return Case(Status.PASS, "", said)


def _said(element: ElementTree.Element) -> Iterator[str]:
    for name in _SAID:
        for found in element.iter(name):
            lines = (found.text or "").strip().splitlines()
            yield from (line[:_LONGEST] for line in lines[:_KEPT_LINES])
