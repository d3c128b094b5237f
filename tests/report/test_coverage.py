# SPDX-License-Identifier: GPL-2.0-only
"""What ran of a series, as it is printed and as other tools have it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console

from lab.coverage.counted import Coverage, DiffLine, Hunk, LineCount, LineState
from lab.model.ran import Ran
from lab.model.records import RunRecord
from lab.report.coverage import (
    cobertura_text,
    coverage_lines,
    keep_coverage,
    lcov_text,
    read_coverage,
)
from lab.report.lines import print_lines
from lab.report.site.coverage import shown_coverage
from lab.report.site.render import render
from lab.results import RunFolder

TEST = Ran("ext4-dax", "mlock", "mlock", "mlock.shared-rw.4k")
OTHER = TEST._replace(test="mlock.private-rw.4k")


def line(number: int, state: LineState, count: int = 0, why: str = "") -> LineCount:
    tests = ((OTHER, 1), (TEST, count - 1)) if count > 1 else ()
    return LineCount(number, state, count, tests, why)


FOUND = Coverage(
    "6.1+bug",
    "default",
    "default",
    (
        Hunk(
            "mm/gup.c",
            (
                DiffLine("-", "\t\told();", line(5, LineState.FAILING, 6)),
                DiffLine("+", "\t\tif (!pages)", None, line(5, LineState.RAN, 6144)),
                DiffLine("+", "\t\t\tgoto next;", None, line(6, LineState.NEVER)),
                DiffLine("+", "\t\t/* why */", None, line(7, LineState.NOT_CODE)),
                DiffLine("+", "\t\tgone();", None, line(8, LineState.MERGED, why="into line 5")),
                DiffLine(" ", "\t\tboth();", line(6, LineState.RAN, 2), line(9, LineState.RAN, 3)),
            ),
        ),
    ),
    "a counter",
    ("only some were looked at",),
)


def printed(width: int = 80) -> str:
    out = io.StringIO()
    print_lines(Console(file=out, width=width), [coverage_lines(FOUND)])
    return out.getvalue()


def test_counts_are_in_the_margin_base_beside_patched() -> None:
    lines = [each.rstrip() for each in printed().splitlines()]
    assert "         6!           -         old();" in lines
    assert "                6,144 +         if (!pages)" in lines
    assert "                never +             goto next;" in lines
    assert "                      +         /* why */" in lines
    assert "               merged +         gone();" in lines
    assert "          2         3           both();" in lines
    assert "  only some were looked at" in lines


def test_it_says_why_a_line_has_no_count() -> None:
    assert "mm/gup.c:6  never ran" in printed()
    assert "mm/gup.c:8  compiled away: into line 5" in printed()


def test_lcov_has_the_lines_that_are_counted() -> None:
    assert lcov_text(FOUND).splitlines() == [
        "TN:",
        "SF:mm/gup.c",
        "DA:5,6144",
        "DA:6,0",
        "DA:9,3",
        "LF:3",
        "LH:2",
        "end_of_record",
    ]


def test_cobertura_has_the_same() -> None:
    top = ElementTree.fromstring(cobertura_text(FOUND))
    assert top.attrib["line-rate"] == "0.6667"
    [of_file] = top.iter("class")
    assert of_file.attrib["filename"] == "mm/gup.c"
    counts = [(each.attrib["number"], each.attrib["hits"]) for each in of_file.iter("line")]
    assert counts == [("5", "6144"), ("6", "0"), ("9", "3")]


def test_what_is_kept_with_a_run_is_read_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "20260101-000000-abcd")
    keep_coverage(folder, [FOUND])
    assert read_coverage(folder.coverage) == (FOUND,)
    assert sorted(path.name for path in folder.coverage.iterdir()) == [
        "6.1+bug.info",
        "6.1+bug.xml",
        "coverage.json",
    ]


def test_the_page_of_the_series_has_them(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "20260101-000000-abcd")
    hostile = DiffLine("+", "<script>x</script>", None, line(9, LineState.NEVER))
    hunks = (Hunk("mm/gup.c", (*FOUND.hunks[0].lines, hostile)),)
    keep_coverage(folder, [replace(FOUND, hunks=hunks)])
    run = RunRecord(id=folder.run_id, started="2026-01-01T00:00:00+00:00", folder=str(folder.path))
    [shown] = shown_coverage(run)
    text = render(
        "series.html.j2",
        root="../",
        run=run,
        nav=[],
        name="bug",
        digests=[],
        pairs=[],
        matrix="",
        histories=[],
        mutants=(),
        lines=[shown],
    )
    assert '<td class="num" title="line 5: ran; ext4-dax/mlock' in text
    assert "6,144</td><td><code>+         if (!pages)</code>" in text
    assert "<script>x" not in text


def test_a_run_that_counted_nothing_has_none(tmp_path: Path) -> None:
    assert read_coverage(tmp_path) == ()


def test_which_tests_ran_a_line_those_first_that_did_so_most() -> None:
    assert FOUND.tests_of("mm/gup.c", 5) == (TEST, OTHER)
    assert FOUND.tests_of("mm/gup.c", 6) == ()
    assert FOUND.tests_of("mm/other.c", 5) == ()
