# SPDX-License-Identifier: GPL-2.0-only
"""How programs that print KTAP are called, and what is made of the names they list."""

from __future__ import annotations

import pytest

from lab.suites.judge import Ended
from lab.suites.ktap_programs import KtapPrograms

PROGRAMS = KtapPrograms()


@pytest.mark.parametrize(
    ("pattern", "test", "picked"),
    [("", "", []), ("a*", "", ["-k", "a*"]), ("a*", "b", ["-k", "[b]"]), ("", "b", ["-k", "[b]"])],
)
def test_the_command(pattern: str, test: str, picked: list[str]) -> None:
    assert PROGRAMS.command("p", "/mnt/d", pattern, test) == ["/lab/p", "/mnt/d", *picked]


def test_the_command_that_lists() -> None:
    assert PROGRAMS.listing("p", "/mnt/d", "a*") == ["/lab/p", "/mnt/d", "-k", "a*", "-l"]


@pytest.mark.parametrize(
    ("stdout", "status", "names"),
    [
        ("a\n\nb\n", 0, ("a", "b")),
        ("", 0, ()),
        ("a\n", 1, None),
        # It ran instead: a report is no list.
        ("KTAP version 1\n", 0, None),
        ("a\nTAP version 13\n", 0, None),
        ("a\n1..2\n", 0, None),
        ("not 1..2\nXTAP version 1\n", 0, ("not 1..2", "XTAP version 1")),
    ],
)
def test_names_that_were_listed(stdout: str, status: int, names: tuple[str, ...] | None) -> None:
    assert PROGRAMS.listed(stdout, status) == names


def test_the_report_comes_with_its_results() -> None:
    output = b"KTAP version 1\n1..2\nok 1 a\n"
    ran = PROGRAMS.judge("p", output, None, ended=Ended.TIMEOUT, detail="30 s", selected=False)
    assert ran.report.planned == 2
    assert [(one.test, one.status.value) for one in ran.judged] == [("a", "pass"), ("p", "timeout")]
    assert "(30 s)" in ran.judged[1].message


@pytest.mark.parametrize(("selected", "judged"), [(True, []), (False, ["error"])])
def test_none_of_its_tests_is_fine_where_they_were_picked(
    selected: bool, judged: list[str]
) -> None:
    nothing = b"KTAP version 1\n1..0\n"
    ran = PROGRAMS.judge("p", nothing, 0, ended=Ended.EXITED, detail="", selected=selected)
    assert [one.status.value for one in ran.judged] == judged
