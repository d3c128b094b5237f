# SPDX-License-Identifier: GPL-2.0-only
"""Tables of marks: kernels down and suites across, tests down and kernels across.

Put together from strings: ten thousand cells take a template ten times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from lab.model.job_name import Around, axes_of
from lab.report.site.page_data import Cell, Group, Job, Report, test_page
from lab.report.site.page_names import count
from lab.report.site.render import broken, safe


def matrix(report: Report, jobs: Sequence[Job], root: str = "") -> Markup:
    """Kernels down, filesystems and their suites across; a tick for each test."""
    head = "".join(
        f'<th scope="colgroup" colspan="{len(suites)}">{safe(filesystem)}</th>'
        for filesystem, suites in report.columns.items()
    )
    below = "".join(
        f'<th scope="col"{_first(not place)}>{safe(suite)}</th>'
        for suites in report.columns.values()
        for place, suite in enumerate(suites)
    )
    return Markup(  # noqa: S704  # each part went through safe()
        '<table class="matrix grid"><thead>'
        f'<tr><td rowspan="2"></td>{head}</tr><tr>{below}</tr></thead>'
        f"{_bodies(report, jobs, root)}</table>"
    )


def _bodies(report: Report, jobs: Sequence[Job], root: str) -> str:
    """The rows: below a heading for each machine and config, where these differ."""
    axes = axes_of(job.record.around for job in jobs)
    groups: dict[Around, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.record.around, []).append(job)
    width = 1 + sum(map(len, report.columns.values()))
    return "".join(
        f"<tbody>{_heading(around.heading(axes), width) if axes else ''}"
        f"{''.join(_row(report, job, axes, root) for job in found)}</tbody>"
        for around, found in groups.items()
    )


def _heading(text: str, width: int) -> str:
    return f'<tr class="around"><th scope="rowgroup" colspan="{width}">{safe(text)}</th></tr>'


def suite_table(report: Report, suite: str) -> Markup:
    """The tests of a suite down, kernels and filesystems across."""
    filesystems = [name for name, suites in report.columns.items() if suite in suites]
    jobs = [job for job in report.jobs if any(group.suite == suite for group in job.groups)]
    columns = [(job.number, filesystem) for job in jobs for filesystem in filesystems]
    head = "".join(
        f'<th scope="colgroup" colspan="{len(filesystems)}">'
        f'<a href="{safe(job.kernel_page)}">{broken(job.name)}</a></th>'
        for job in jobs
    )
    below = "".join(
        f'<th scope="col"{_first(not place)}>{safe(name)}</th>'
        for _ in jobs
        for place, name in enumerate(filesystems)
    )
    rows = "".join(
        _test_row(suite, test, cells, columns, len(filesystems))
        for (of, test), cells in report.tests.items()
        if of == suite
    )
    return Markup(  # noqa: S704  # each part went through safe()
        '<table class="tests grid"><thead>'
        f'<tr><td rowspan="2"></td>{head}</tr><tr>{below}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _row(report: Report, job: Job, headed: Sequence[str], root: str) -> str:
    axes = [axis for axis in ("machine", "config") if axis not in headed]
    name = " ".join([job.record.variant, *job.record.around.words(axes)])
    release = f"<small>{safe(job.record.kernel_release)}</small>"
    kernel = f'<a href="{root}{safe(job.kernel_page)}">{broken(name)}</a>'
    cells = "".join(
        _group(job.group(filesystem, suite), root, place == 0)
        for filesystem, suites in report.columns.items()
        for place, suite in enumerate(suites)
    )
    if job.record.error is not None:
        release += f'<span class="m error odd" title="{safe(str(job.record.error))}">E</span>'
    if job.untold:
        said = "; ".join(told.title for told in job.untold)
        release += f'<span class="m crash odd" title="while no test ran: {safe(said)}">C</span>'
    return f'<tr><th scope="row">{kernel}{release}</th>{cells}</tr>'


def _group(group: Group | None, root: str, first: bool) -> str:
    if group is None:
        return f"<td{_first(first)}>{'<span class=none>not run</span>'}</td>"
    css = "g ch" if any(cell.change for cell in group.cells) else "g"
    return (
        f'<td{_first(first)}><a href="{root}{safe(group.href)}" class="{css}" '
        f'title="{safe(_words(group))}">{_label(group)}{_ticks(group)}</a></td>'
    )


def _label(group: Group) -> str:
    passed = sum(cell.mark.quiet for cell in group.cells)
    parts = []
    if group.odd:
        worst = group.odd[0].mark
        parts.append(f'<b class="m {worst.css}">{worst.sign} {len(group.odd)}</b>')
    if passed:
        parts.append(f'<span class="m pass">✓ {passed}</span>')
    if group.known:
        known = next(c.mark for c in group.cells if not c.mark.odd and not c.mark.quiet)
        parts.append(f'<span class="m {known.css}">{known.sign} {group.known}</span>')
    return f'<span class="n">{" ".join(parts)}</span>'


def _words(group: Group) -> str:
    parts = [count(len(group.cells), "test")]
    if group.odd:
        parts.append(f"{len(group.odd)} not as expected")
    if group.known:
        parts.append(f"{group.known} not passed, as expected")
    return ", ".join(parts)


def _ticks(group: Group) -> str:
    """A stroke for each test in its order: short for a pass, tall for what is not."""
    strokes: dict[str, list[str]] = {}
    for place, cell in enumerate(group.cells):
        top = 0 if cell.mark.odd else 6 if cell.mark.quiet else 3
        strokes.setdefault(cell.mark.css, []).append(f"M{place} {top}h.7V10h-.7z")
    paths = "".join(f'<path class="{css}" d="{"".join(d)}"/>' for css, d in strokes.items())
    # A few tests are as wide as many: a stroke, no block.
    width = max(24, len(group.cells))
    return (
        f'<svg class="ticks" viewBox="0 0 {width} 10" preserveAspectRatio="none" '
        f'aria-hidden="true">{paths}</svg>'
    )


def _test_row(
    suite: str,
    test: str,
    cells: dict[tuple[int, str], list[Cell]],
    columns: Sequence[tuple[int, str]],
    every: int,
) -> str:
    flags = _flags(cell for some in cells.values() for cell in some)
    head = f'<th scope="row"><a href="{safe(test_page(suite, test))}">{safe(test)}</a></th>'
    row = "".join(
        f"<td{_first(place % every == 0)}>{''.join(map(_cell, cells.get(column, ())))}</td>"
        for place, column in enumerate(columns)
    )
    return f'<tr class="t{flags}">{head}{row}</tr>'


def _flags(cells: Iterable[Cell]) -> str:
    odd = bad = changed = False
    for cell in cells:
        odd = odd or cell.mark.odd
        bad = bad or not cell.mark.quiet
        changed = changed or cell.change is not None
    return f"{' odd' if odd else ''}{' bad' if bad else ''}{' chg' if changed else ''}"


def _cell(cell: Cell) -> str:
    mark = cell.mark
    if mark.quiet and cell.change is None:
        # Reached with the arrow keys, not one by one with Tab.
        return f'<a class="m pass" tabindex="-1" href="{safe(cell.href)}">✓</a>'
    words = mark.word + (f"; {cell.change.change}" if cell.change else "")
    css = f"m {mark.css}{' ch' if cell.change else ''}"
    return f'<a class="{css}" title="{safe(words)}" href="{safe(cell.href)}">{mark.sign}</a>'


def _first(first: bool) -> str:
    return ' class="f"' if first else ""
