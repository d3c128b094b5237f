# SPDX-License-Identifier: GPL-2.0-only
"""How often the lines of a series ran, as people and other tools read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich.text import Text

from lab.coverage.counted import COUNTED, Coverage, DiffLine, Hunk, LineCount, LineState
from lab.process.stored import read_stored
from lab.report.lines import Line, line, title
from lab.results import RunFolder, slug, write_json, write_text
from lab.text import replace_controls

#: Of one side: as many columns as 1,000,000 has.
_WIDTH = 9
_WORDS = {
    LineState.NEVER: "never",
    LineState.MERGED: "merged",
    LineState.NOT_CODE: "",
    LineState.NOT_BUILT: "no object",
    LineState.UNKNOWN: "?",
}
_STYLES = {
    LineState.RAN: "green",
    LineState.FAILING: "yellow",
    LineState.NEVER: "red",
    LineState.UNKNOWN: "magenta",
}
_SIGNS = {"+": "green", "-": "red"}
_MOST_TESTS = 3
_TAB = 4


def shown(count: LineCount | None) -> str:
    """A count in a margin: in a word or a number; "!" after it: in failing tests alone."""
    if count is None:
        return ""
    if count.state in _WORDS:
        return _WORDS[count.state]
    return f"{count.count:,}{'!' if count.state is LineState.FAILING else ''}"


def coverage_lines(coverage: Coverage) -> Iterator[Line]:
    """The series' lines, with how often each ran in the margin, base beside patched."""
    yield title(f"lines of {coverage.kernel}, by {coverage.means}")
    for note in coverage.notes:
        yield line("  ", note, text_style="yellow")
    for hunk in coverage.hunks:
        yield line(f"  {'base':>{_WIDTH}} {'patched':>{_WIDTH}}   ", hunk.file, text_style="bold")
        for each in hunk.lines:
            yield _margin(each)
    yield from _told(coverage)
    yield from (line("  ", check, text_style="dim") for check in coverage.checks)


def _margin(each: DiffLine) -> Line:
    head = Text("  ")
    for count in (each.base, each.patched):
        style = _STYLES.get(count.state, "dim") if count is not None else ""
        head.append(f"{shown(count):>{_WIDTH}}", style).append(" ")
    text = replace_controls(each.text.expandtabs(_TAB))
    head.append(f"{each.change} ", _SIGNS.get(each.change, ""))
    return Line(head, Text(text, _SIGNS.get(each.change, "")))


def _told(coverage: Coverage) -> Iterator[Line]:
    """Of the added lines that ran in no test that passes, or have no count of their own: why."""
    found: dict[tuple[str, str], list[int]] = {}
    for file, count in coverage.added:
        words = "never ran" if count.state is LineState.NEVER else count.state.value
        why = f"{words}: {count.why}" if count.why else words
        if count.state not in (LineState.RAN, LineState.NOT_CODE) or count.why:
            found.setdefault((file, why), []).append(count.number)
    for (file, why), numbers in found.items():
        yield line(f"  {file}:{_ranges(numbers)}  ", why, text_style="dim")


def _ranges(numbers: Iterable[int]) -> str:
    """``3-5,9``."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number, number])
    return ",".join(f"{a}-{b}" if a != b else str(a) for a, b in spans)


def tests_line(count: LineCount) -> str:
    """Which tests ran a line, those first that did so most."""
    ordered = sorted(count.tests, key=lambda pair: -pair[1])
    named = [f"{test.unit} {times:,}" for test, times in ordered[:_MOST_TESTS]]
    more = f", {len(ordered) - _MOST_TESTS} more" if len(ordered) > _MOST_TESTS else ""
    return f"{', '.join(named)}{more}"


def coverage_to_json(coverage: Coverage) -> dict[str, Any]:
    """As values that the ``json`` module knows; of a line's tests, names and how often."""
    return asdict(coverage)


def keep_coverage(folder: RunFolder, found: Iterable[Coverage]) -> None:
    """Keep what ran with a run: as JSON, and of each kernel with the series LCOV and Cobertura.

    Raises:
        InfrastructureError: It cannot be written.
    """
    kept = tuple(found)
    write_json(folder.coverage / "coverage.json", [coverage_to_json(each) for each in kept])
    for each in kept:
        around = "".join(f"-{name}" for name in (each.machine, each.config) if name != "default")
        name = slug(f"{each.kernel}{around}")
        write_text(folder.coverage / f"{name}.info", lcov_text(each))
        write_text(folder.coverage / f"{name}.xml", cobertura_text(each))


def read_coverage(folder: Path) -> tuple[Coverage, ...]:
    """What was kept with a run; nothing where nobody counted."""
    return tuple(read_stored(folder / "coverage.json", list[Coverage]) or ())


def _counted(hunks: Iterable[Hunk]) -> dict[str, dict[int, int]]:
    """Counts of the kernel with the series, by file and line."""
    found: dict[str, dict[int, int]] = {}
    for hunk in hunks:
        for each in hunk.lines:
            if each.patched is not None and each.patched.state in COUNTED:
                found.setdefault(hunk.file, {})[each.patched.number] = each.patched.count
    return found


def lcov_text(coverage: Coverage) -> str:
    """The counts as LCOV has them (geninfo(1)): paths are from the top of the tree."""
    lines = []
    for file, counts in _counted(coverage.hunks).items():
        lines += [
            "TN:",
            f"SF:{file}",
            *(f"DA:{number},{count}" for number, count in counts.items()),
        ]
        hit = sum(count > 0 for count in counts.values())
        lines += [f"LF:{len(counts)}", f"LH:{hit}", "end_of_record"]
    return "".join(f"{each}\n" for each in lines)


def cobertura_text(coverage: Coverage) -> str:
    """The counts as Cobertura's coverage-04.dtd has them, which GitLab and diff-cover read."""
    files = _counted(coverage.hunks)
    all_counts = [count for counts in files.values() for count in counts.values()]
    top = ElementTree.Element("coverage", _rates(all_counts) | _WHOLE)
    ElementTree.SubElement(ElementTree.SubElement(top, "sources"), "source").text = "."
    packages = ElementTree.SubElement(top, "packages")
    package = ElementTree.SubElement(
        packages, "package", {"name": coverage.kernel, **_rate(all_counts), **_NO_BRANCHES}
    )
    classes = ElementTree.SubElement(package, "classes")
    for file, counts in files.items():
        one = {"name": file, "filename": file, **_rate(counts.values()), **_NO_BRANCHES}
        of_file = ElementTree.SubElement(classes, "class", one)
        ElementTree.SubElement(of_file, "methods")
        lines = ElementTree.SubElement(of_file, "lines")
        for number, count in counts.items():
            ElementTree.SubElement(lines, "line", {"number": str(number), "hits": str(count)})
    return f'<?xml version="1.0"?>\n{ElementTree.tostring(top, encoding="unicode")}\n'


_NO_BRANCHES = {"branch-rate": "0", "complexity": "0"}
_WHOLE = {"branches-covered": "0", "branches-valid": "0", "version": "1", "timestamp": "0"}


def _rate(counts: Iterable[int]) -> dict[str, str]:
    found = list(counts)
    hit = sum(count > 0 for count in found)
    return {"line-rate": f"{hit / len(found) if found else 1:.4f}"}


def _rates(counts: list[int]) -> dict[str, str]:
    hit = sum(count > 0 for count in counts)
    numbers = {"lines-covered": str(hit), "lines-valid": str(len(counts))}
    return {**_rate(counts), **_NO_BRANCHES, **numbers}
