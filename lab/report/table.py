# SPDX-License-Identifier: GPL-2.0-only
"""A run as a person reads it: 80 columns on a terminal, whole lines in a pipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rich.console import Console
from rich.text import Text

from lab.analysis.job_names import jobs_apart
from lab.analysis.repeated import Repeated, pooled, repeated
from lab.analysis.run_status import (
    count_errors,
    is_broken_off,
    is_lab_error,
    is_unexpected,
    job_complaints,
    run_status,
    unbuilt_jobs,
    uncompiled_programs,
    unrun,
)
from lab.analysis.test_names import told_apart
from lab.errors import ExitStatus
from lab.model.job_name import Around, axes_of
from lab.model.records import (
    LEFT_CHANGED,
    REPETITION,
    JobRecord,
    PlacedComplaint,
    RunRecord,
    TestResult,
)
from lab.model.status import Status
from lab.report.cause import Cause, Spot, group_causes, group_results, name_lines, place_lines
from lab.report.lines import Line, block_lines, print_lines
from lab.report.lines import Signs as _Signs
from lab.report.lines import line as _line
from lab.report.lines import signs_for as _signs
from lab.report.lines import title as _title
from lab.report.metrics.view import tables

_WIDTH = 80
_NAME_WIDTH = 22
#: Beside a column more.
_SHORT_NAME = 14
_NOT_RUN = "not run"
_MOST_NAMES = 4
_MOST_FRAMES = 4
_MOST_ODD = 3


def print_run(run: RunRecord, console: Console, verbose: bool = False) -> None:
    """Print the run: a summary, what did not pass, errors, what was measured, a verdict.

    The colours only repeat what marks and words say.
    """
    whole = jobs_apart(told_apart(run))
    run = pooled(whole)
    signs = _signs(console)
    sections = [
        _header(run),
        _summary(run, signs, _width_of(console)),
        _all_tests(run) if verbose else iter(()),
        _repeated(whole),
        _expected(run),
        _unexpected(run, signs),
        _broken_off(run, signs),
        _complaints(run, signs),
        _unrun(run, signs),
        _unkept(run),
        _left_mounted(run),
        _left_changed(run),
        _errors(run, signs),
        *tables(run.results, signs, _width_of(console)),
        _verdict(run, signs),
    ]
    print_lines(console, sections)


def _header(run: RunRecord) -> Iterator[Line]:
    yield Line(Text("Run ", "bold"), Text(run.id, "bold") + Text(_duration(run), "default"))
    where = {
        f"{job.evidence.accelerator}, QEMU {job.evidence.qemu_version}"
        for job in run.jobs
        if job.evidence.accelerator
    }
    jobs = _count(len(run.jobs), "job")
    yield _line("    ", "; ".join([jobs, *sorted(where)]), text_style="dim")


def _duration(run: RunRecord) -> str:
    started = datetime.fromisoformat(run.started)
    if run.finished is None:
        return f", begun {started:%Y-%m-%d %H:%M}, NOT FINISHED"
    seconds = (datetime.fromisoformat(run.finished) - started).total_seconds()
    return f", {started:%Y-%m-%d %H:%M}, {seconds:.0f} s"


def _width_of(console: Console) -> int:
    """Columns to fill; nothing needs more than 80."""
    return min(console.width, _WIDTH) if console.is_terminal else _WIDTH


def _summary(run: RunRecord, signs: _Signs, width: int) -> Iterator[Line]:
    if not run.jobs:
        return
    columns = _Columns(bool(unrun(run)), signs)
    if width < _WIDTH:
        columns = _Counts(bool(unrun(run)), signs)
    yield from columns.head()
    axes = axes_of(job.around for job in run.jobs)
    for around, jobs in _by_around(run):
        if axes:
            yield _line(around.heading(axes), style="bold underline")
        for job in jobs:
            yield from _job_rows(job, columns, axes)


def _by_around(run: RunRecord) -> Iterable[tuple[Around, list[JobRecord]]]:
    """The jobs of each machine and config, in the plan's order."""
    found: dict[Around, list[JobRecord]] = {}
    for job in run.jobs_in_order:
        found.setdefault(job.around, []).append(job)
    return found.items()


def _job_rows(job: JobRecord, columns: _Columns, headed: Sequence[str]) -> Iterator[Line]:
    """A job's part of the table, below a heading that says of some axes what it is."""
    yield _title(_job_name(job, headed))
    for filesystem in dict.fromkeys(result.filesystem for result in job.results):
        results = [result for result in job.results if result.filesystem == filesystem]
        yield columns.row(filesystem, results)
    if job.error is not None:
        name = columns.rest if job.results else ""
        yield columns.empty(name, "cut short" if job.interrupted else "error")
    elif not job.results and job.evidence.untested:
        yield columns.untested(f"not tested: {job.evidence.untested}")
    elif not job.results:
        yield columns.empty("", "no test ran")


def _job_name(job: JobRecord, headed: Sequence[str] = ()) -> str:
    """Its names and release; without what the heading above it says."""
    name = str(job.variant)
    if job.kernel_release:
        name += f"  ({job.kernel_release})"
    axes = [axis for axis in ("machine", "config") if axis not in headed]
    return "  ".join([name, *job.around.words(axes)])


class _Columns:
    """The table's: one for each status, and one for what nobody ran, if there is any."""

    def __init__(self, unrun: bool, signs: _Signs) -> None:
        self._names = [*(status.value for status in Status), *([_NOT_RUN] if unrun else [])]
        self._width = _SHORT_NAME if unrun else _NAME_WIDTH
        self._signs = signs
        #: The name of a row for what is missing.
        self.rest = "the rest" if unrun else "rest of the job"

    def head(self) -> Iterator[Line]:
        columns = "".join(f"{name:>{_width(name)}}" for name in self._names)
        yield _line(f"{'':{self._width}}{columns}   as expected", style="dim")

    def row(self, filesystem: str, results: list[TestResult]) -> Line:
        counts = _counted(results)
        text = Text(f"  {filesystem:{self._width - 2}}")
        for name in self._names:
            cell = f"{counts[name] or '-':>{_width(name)}}"
            text.append(cell, _style(name) if counts[name] else "dim")
        text.append("   ")
        return Line(text.append_text(_mark(results, self._signs)))

    def empty(self, name: str, why: str) -> Line:
        none = "".join(f"{'-':>{_width(name)}}" for name in self._names)
        text = Text(f"  {name:{self._width - 2}}").append(none, "dim").append("   ")
        return Line(text.append_text(self._none(why)))

    def untested(self, why: str) -> Line:
        """For a job that has no results, and needs none."""
        return _line(f"  {why}", style="dim")

    def _none(self, why: str) -> Text:
        return Text(f"{self._signs.no} {why}", "bold magenta")


class _Counts(_Columns):
    """The same where columns have no room: each count with its word, zeros left out."""

    def head(self) -> Iterator[Line]:
        yield _line("  as expected: how many", style="dim")

    def row(self, filesystem: str, results: list[TestResult]) -> Line:
        counts = _counted(results)
        parts = [
            Text(f"{counts[name]} {name}", _style(name)) for name in self._names if counts[name]
        ]
        mark = _mark(results, self._signs).append(": ", "default")
        return Line(Text(f"  {filesystem}  "), mark.append_text(Text(", ").join(parts)))

    def empty(self, name: str, why: str) -> Line:
        return Line(Text(f"  {name}  " if name else "  "), self._none(why))


def _counted(results: Iterable[TestResult]) -> Counter[str]:
    return Counter(result.status.value if result.ran else _NOT_RUN for result in results)


def _style(name: str) -> str:
    return "magenta" if name == _NOT_RUN else Status(name).style


def _mark(results: list[TestResult], signs: _Signs) -> Text:
    surprises = sum(not result.as_expected and result.ran for result in results)
    if not surprises and not all(result.ran for result in results):
        some = "part" if any(result.ran for result in results) else "none"
        return Text(f"{signs.no} {some} ran", "bold magenta")
    if surprises:
        return Text(f"{signs.no} no ({surprises})", "bold red")
    if all(result.status is Status.SKIP for result in results):
        return Text(f"{signs.yes} yes (skips)", "yellow")
    return Text(f"{signs.yes} yes", "green")


def _width(name: str) -> int:
    return max(len(name), 4) + 2


def _all_tests(run: RunRecord) -> Iterator[Line]:
    yield _title("All tests")
    for place, results in _by_place(run.results):
        yield _line(f"  {place}")
        for result in results:
            seconds = f"{result.duration_s:.2f} s"
            head = Text(f"    {result.status.value:8}", result.status.style)
            text = f"{result.test}  {seconds}  {result.message}".rstrip()
            yield Line(head, Text(text))


def _by_place(results: Iterable[TestResult]) -> list[tuple[str, list[TestResult]]]:
    places: dict[str, list[TestResult]] = {}
    for result in results:
        places.setdefault(f"{result.variant} on {result.filesystem}", []).append(result)
    return list(places.items())


def _repeated(run: RunRecord) -> Iterator[Line]:
    """Each test that ran again and again: how often it was as expected, and where it was not."""
    found = [one for job in run.jobs for one in repeated(job)]
    if not found:
        return
    yield _title("Repeated: as expected, of all times [with 95 % confidence]")
    for alike in group_causes(found, _how_often, _spot):
        first = alike.first
        yield _line("  ", first.line(), text_style="red" if first.surprises else "")
        yield from block_lines(alike, "    ")
        yield from (_line("      ", said) for said in _where_not(first))


def _how_often(one: Repeated) -> tuple[object, ...]:
    # Two that failed at different times are two lines.
    return one.line(), tuple(_where_not(one))


def _spot(one: Repeated) -> Spot:
    return Spot(one.first.variant, one.first.filesystem, one.first.test)


def _where_not(one: Repeated) -> Iterator[str]:
    """The first repetitions that were not as expected, and how many more there are."""
    odd = one.surprises
    for result in odd[:_MOST_ODD]:
        where = next((d for d in result.diagnostics if d.startswith(REPETITION)), "")
        yield ": ".join(filter(None, (result.status.value, where)))
    if odd[_MOST_ODD:]:
        yield f"and {len(odd) - _MOST_ODD} more"


def _expected(run: RunRecord) -> Iterator[Line]:
    results = [
        result for result in run.results if result.as_expected and result.status is not Status.PASS
    ]
    if not results:
        return
    yield _title("Not passed, as expected")
    for found in sorted(group_results(results), key=lambda f: f.first.status is Status.SKIP):
        first = found.first
        head = Text(f"  {first.status.value}", first.status.style)
        yield Line(head, Text(f": {first.reason}" if first.reason else ""))
        yield from block_lines(found, "    ")
        if (sample := _sample(found)) and sample != first.reason:
            yield _line("      e.g. ", sample, style="dim", text_style="dim")


def _sample(found: Cause[TestResult]) -> str:
    """What was said most."""
    ((said, _),) = Counter(result.message for result in found.items).most_common(1)
    return said


def _unexpected(run: RunRecord, signs: _Signs) -> Iterator[Line]:
    results = [
        result for result in run.results if is_unexpected(result) and not is_broken_off(result)
    ]
    if not results:
        return
    yield _line(f"NOT AS EXPECTED ({len(results)})", style="bold red")
    for found in group_results(results):
        first = found.first
        text = Text(f"{first.status.value} (expected {first.expected.value})", first.status.style)
        text.append(f", {len(found.items)} results" if found.items[1:] else "", "default")
        text.append(f": {first.reason}" if first.reason else "", "default")
        yield Line(Text(f"  {signs.no} ", "bold red"), text)
        yield from block_lines(found, "      ")
        if said := _sample(found):
            yield _line("      e.g. " if found.items[1:] else "      ", said)


def _broken_off(run: RunRecord, signs: _Signs) -> Iterator[Line]:
    """Tests that say themselves that they could not test: nothing of ours, and no pass."""
    results = list(filter(is_broken_off, run.results))
    title = f"BROKE OFF, by the test's own word ({len(results)})"
    yield from _told(title, list(_test_lines(results)), signs, "bold red")


def _complaints(run: RunRecord, signs: _Signs) -> Iterator[Line]:
    found = job_complaints(run)
    if not found:
        return
    yield _line(f"THE KERNEL COMPLAINED while no test ran ({len(found)})", style="bold red")
    alike: dict[str, list[tuple[JobRecord, PlacedComplaint]]] = {}
    for job, noted in found:
        alike.setdefault(str(noted.complaint), []).append((job, noted))
    for said, each in alike.items():
        jobs = Counter(_job_name(job) for job, _ in each)
        where = ", ".join(f"{name}, {n} times" if n > 1 else name for name, n in jobs.items())
        yield Line(Text(f"  {signs.no} ", "bold red"), Text(f"{where}: {said}"))
        for frame in each[0][1].complaint.frames[:_MOST_FRAMES]:
            yield _line("        ", str(frame), style="dim", text_style="dim")


def _unrun(run: RunRecord, signs: _Signs) -> Iterator[Line]:
    """What did not run, by its cause: where, and what of it."""
    left = unrun(run)
    if not left:
        return
    yield _line(f"DID NOT RUN ({len(left)})", style="bold magenta")
    causes: dict[str, list[TestResult]] = {}
    for result in left:
        causes.setdefault(result.cause, []).append(result)
    for why, results in causes.items():
        yield Line(Text(f"  {signs.no} ", "bold magenta"), Text(why))
        for place, found in _by_place(results):
            names = [result.test for result in found[:_MOST_NAMES]]
            more = [f"and {len(found) - _MOST_NAMES} more"] if found[_MOST_NAMES:] else []
            yield _line("      ", f"{place}: {', '.join([*names, *more])}")


def _unkept(run: RunRecord) -> Iterator[Line]:
    for job in run.jobs:
        if job.evidence.unkept:
            more = _count(job.evidence.unkept, "complaint")
            yield _line(
                f"{_job_name(job)}: {more} more, too many to keep; each test counts as it is"
            )


def _left_mounted(run: RunRecord) -> Iterator[Line]:
    """It makes no result another one; a reader may want to know why nothing complained."""
    for job in run.jobs:
        for _, said in job.evidence.left_mounted:
            yield _line(f"{_job_name(job)}: a filesystem could not be unmounted: ", said)


def _left_changed(run: RunRecord) -> Iterator[Line]:
    """No result is another one for that; but the guest was another for what came after."""
    alike: dict[str, list[TestResult]] = {}
    for result in run.results:
        for note in result.diagnostics:
            if note.startswith(LEFT_CHANGED):
                alike.setdefault(note, []).append(result)
    for note, results in alike.items():
        for place, found in _by_place(results):
            names = list(dict.fromkeys(result.test for result in found))
            more = [f"and {len(names) - _MOST_NAMES} more"] if names[_MOST_NAMES:] else []
            yield _line(f"{place}: {', '.join([*names[:_MOST_NAMES], *more])} ", note)


def _errors(run: RunRecord, signs: _Signs) -> Iterator[Line]:
    unbuilt = [(_job_name(job), str(job.error)) for job in unbuilt_jobs(run)]
    unbuilt += [(f"guest-tests: {name}", why) for name, why in uncompiled_programs(run).items()]
    yield from _told("AT FAULT: what the lab was given, and no kernel", unbuilt, signs)
    errors = [*_run_errors(run), *_test_lines(filter(is_lab_error, run.results))]
    yield from _told("ERRORS OF THE LAB, not of the kernel", errors, signs)


def _told(
    title: str, lines: Sequence[tuple[str, str]], signs: _Signs, style: str = "bold magenta"
) -> Iterator[Line]:
    if not lines:
        return
    yield _line(title, style=style)
    alike: dict[str, list[str]] = {}
    for place, message in lines:
        # Without a message, the place is all that there is to tell.
        alike.setdefault(message or place, []).append(place)
    for message, places in alike.items():
        for place in places:
            yield Line(Text(f"  {signs.no} ", style), Text(place))
        for text in message.splitlines() if places != [message] else ():
            yield _line("        ", text)


def _run_errors(run: RunRecord) -> Iterator[tuple[str, str]]:
    for problem in run.problems:
        yield problem, ""
    for job in run.jobs:
        if job.lab_error is not None:
            yield _job_name(job), str(job.lab_error)


def _test_lines(results: Iterable[TestResult]) -> Iterator[tuple[str, str]]:
    """What stopped several programs alike is said once."""
    for found in group_results(results):
        for block in found.blocks:
            names = [f"{head}{rest}" for head, rest in name_lines(block.tests)]
            yield f"{'; '.join(place_lines(block))}: {', '.join(names)}", _sample(found)


def _verdict(run: RunRecord, signs: _Signs) -> Iterator[Line]:
    counts = Counter(result.status for result in run.results if result.ran)
    parts = [f"{counts[status]} {status.value}" for status in Status if counts[status]]
    if left := unrun(run):
        parts.append(f"{len(left)} not run")
    total = _count(len(run.results), "result")
    status = run_status(run)
    good = status is ExitStatus.EXPECTED
    text = Text(f"{total}: {', '.join(parts)}. " if parts else "No results. ")
    text.append(_sentence(run, status), "bold green" if good else "bold red")
    mark = Text(f"{signs.yes if good else signs.no} ", "bold green" if good else "bold red")
    yield Line(mark, text)
    if run.folder:
        yield _line("  ", run.folder, text_style="dim")


def _sentence(run: RunRecord, status: ExitStatus) -> str:
    if status is ExitStatus.EXPECTED:
        return "All as expected."
    errors = count_errors(run)
    said = f"{_count(errors, 'error')} of the lab."
    if not errors and unrun(run):
        said = "Not all ran."
    if status is ExitStatus.INFRASTRUCTURE:
        return f"{said} That is no verdict on the kernel."
    parts = []
    if status is ExitStatus.UNEXPECTED:
        broken = sum(map(is_broken_off, run.results))
        unexpected = sum(map(is_unexpected, run.results)) - broken + len(job_complaints(run))
        parts += [f"{unexpected} not as expected."] if unexpected else []
        parts += [f"{broken} broke off."] if broken else []
    if unbuilt := unbuilt_jobs(run):
        parts.append(f"{_count(len(unbuilt), 'kernel')} not built.")
    if programs := uncompiled_programs(run):
        parts.append(f"{', '.join(programs)} at fault.")
    return " ".join([*parts, *([said] if errors else [])])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
