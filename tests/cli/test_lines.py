# SPDX-License-Identifier: GPL-2.0-only
"""Lines on a terminal are broken between words, and further to the right."""

from __future__ import annotations

import pytest

from lab.cli.lines import say_lines, wrapped
from lab.doctor.finding import Finding, render


def test_a_line_that_fits_is_left_alone() -> None:
    assert wrapped("    a  b", 8) == "    a  b"


def test_what_goes_on_hangs() -> None:
    text = wrapped("  20261128-201708-c10e  508 pass  lab verify dax-populate 6.1", 40)
    assert text.splitlines() == [
        "  20261128-201708-c10e  508 pass  lab",
        "    verify dax-populate 6.1",
    ]


def test_no_line_is_too_long_whatever_is_in_it() -> None:
    lines = wrapped(f"    {'x' * 90} y", 50).splitlines()
    assert max(map(len, lines)) == 50
    assert "".join(line.strip() for line in lines).startswith("x" * 90)


def test_a_pipe_gets_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    say_lines(["x" * 300, "", "y"])
    assert capsys.readouterr().out == f"{'x' * 300}\n\ny\n"


def test_findings_fit_as_well() -> None:
    found = Finding("QEMU's NVDIMM", False, "a detail " * 9, mend="sudo apt install qemu " * 5)
    assert max(map(len, render([found], 50))) <= 50
    assert max(map(len, render([found], 200))) <= 80
