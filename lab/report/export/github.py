# SPDX-License-Identifier: GPL-2.0-only
"""Runs as a step of GitHub's Actions shows them: Markdown, and annotations of patches.

One text for the step's summary and for its log: the annotations are lines of an HTML comment,
which a page does not show, and which the runner reads in a log.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from lab.analysis.run_status import job_complaints, run_status
from lab.analysis.verdict import Verdict
from lab.errors import ExitStatus, LabError, UserError
from lab.model.job_name import job_name
from lab.model.records import JobRecord, RunRecord, TestResult
from lab.model.status import Outcome, Status
from lab.patches.diff import first_line
from lab.patches.patch import load_patch
from lab.report.export.annotation import MOST, Annotation, harmless, in_repository
from lab.report.export.forms import Place
from lab.report.export.verified import Steps, Turned, Verdicts, read_steps, read_verdicts
from lab.results.folder import RunFolder
from lab.text import plain

_ENDS = {
    ExitStatus.EXPECTED: "all as expected",
    ExitStatus.UNEXPECTED: "not as expected",
    ExitStatus.USER: "what the lab was given is at fault",
    ExitStatus.INFRASTRUCTURE: "no verdict: this machine or the lab itself is at fault",
}
_WORST = (ExitStatus.UNEXPECTED, ExitStatus.USER, ExitStatus.INFRASTRUCTURE)
_TOLD = (Verdict.REGRESSED, Verdict.INCONCLUSIVE, Verdict.STILL_FAILING)
#: A summary of more than 1 MiB is not kept at all.
_MOST_TESTS = 50
_LONGEST = 300
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&$!])")


@dataclass(frozen=True)
class _Blamed:
    """A patch with which something got worse, and what."""

    series: str
    patch: str
    kernel: str
    why: str


def github_text(run: RunRecord, place: Place) -> str:
    """The run for ``tee -a "$GITHUB_STEP_SUMMARY"``.

    Raises:
        UserError: What the run's folder says of a series cannot be read.
    """
    folder = RunFolder(place.results, run.id) if place.results is not None else None
    verdicts, steps = read_verdicts(folder), read_steps(folder)
    verified = bool(verdicts or steps)
    blamed = [*_of_verdicts(verdicts), *_of_steps(steps)]
    lines = [
        *_head(run, verdicts, steps),
        *_verdicts(verdicts),
        *_steps(steps),
        *_table(run, verified),
        # Without the patch a test is to fail: the verdict says what of it counts.
        *(() if verified else _surprises(run)),
        *_troubles(run),
        *_annotated(run, blamed, place),
    ]
    return "\n".join(lines) + "\n"


def _head(run: RunRecord, verdicts: Verdicts | None, steps: Steps | None) -> Iterator[str]:
    status = run_status(run)
    if verdicts is not None:
        status = verdicts.exit_status
    elif steps is not None:
        found = {kernel.exit_status for kernel in steps.kernels}
        status = next((one for one in _WORST if one in found), ExitStatus.EXPECTED)
    if run.problems and status is ExitStatus.EXPECTED:
        status = ExitStatus.INFRASTRUCTURE
    yield f"## lab: {_ENDS[status]}"
    yield ""
    yield f"Run {_code(run.id)}"


def _verdicts(found: Verdicts | None) -> Iterator[str]:
    if found is None:
        return
    yield from ("", f"### {_code(found.series)}", "")
    if found.doubt:
        yield from (f"**{_prose(found.doubt)}**", "")
    for row in found.kernels:
        why = f": {_prose(row.why)}" if row.why else ""
        wanted = "" if row.as_expected else f" (expected {row.expected})"
        name = job_name(row.kernel, row.machine, row.config)
        yield f"- {_code(name)}: **{row.verdict}**{wanted}{why}"
    for verdict in _TOLD:
        yield from _tests(verdict, [test for test in found.verdicts if test.verdict == verdict])


def _tests(verdict: Verdict, tests: Sequence[Turned]) -> Iterator[str]:
    if tests:
        yield from ("", f"### {verdict.capitalize()} ({len(tests)})", "")
    for test in tests[:_MOST_TESTS]:
        where = (
            f"{_code(job_name(test.kernel, test.machine, test.config))} on {_code(test.filesystem)}"
        )
        why = f": {_prose(test.why)}" if test.why else ""
        name = _code(f"{test.suite}.{test.test}")
        yield f"- {where}: {name} {test.base or 'none'} → {test.patched or 'none'}{why}"
    if len(tests) > _MOST_TESTS:
        yield f"- and {len(tests) - _MOST_TESTS} more"


def _steps(found: Steps | None) -> Iterator[str]:
    for kernel in found.kernels if found is not None else ():
        yield from ("", f"### {_code(kernel.kernel)}: each patch on those before it", "")
        for step in kernel.steps:
            said = step.bad or (f"unclear: {step.unclear}" if step.unclear else "ok")
            why = f": {_prose(step.why)}" if step.bad and step.why else ""
            yield f"- {step.number} {_code(step.patch or 'none')}: {_prose(said)}{why}"
            yield from (f"  - {_prose(line)}" for line in _worse(step.turned))


def _table(run: RunRecord, verified: bool) -> Iterator[str]:
    if not run.jobs:
        return
    names = [status.value for status in Status]
    last = [] if verified else ["as expected"]
    heads = ["kernel", "filesystem", *names, "not run", *last]
    yield from ("", _row(heads), _row(["---"] * len(heads)))
    for job in run.jobs_in_order:
        yield from (_row(cells[: len(heads)]) for cells in _rows(job))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rows(job: JobRecord) -> Iterator[list[str]]:
    name = _cell(job.name)
    ordered = sorted(job.results, key=lambda result: result.filesystem)
    for filesystem, group in groupby(ordered, key=lambda result: result.filesystem):
        results = list(group)
        counts = Counter(result.status for result in results if result.ran)
        told = [counts[status] for status in Status] + [sum(not one.ran for one in results)]
        good = all(result.as_expected for result in results)
        cells = [str(count or "-") for count in told]
        yield [name, _cell(filesystem), *cells, "yes" if good else "**no**"]
    if job.error is not None or not job.results:
        what = "error" if job.error is not None else job.evidence.untested or "no test ran"
        owes = job.error is not None or not job.evidence.untested
        yield [name, what, *["-"] * (len(Status) + 1), "**no**" if owes else "-"]


def _surprises(run: RunRecord) -> Iterator[str]:
    found = [(job, one) for job in run.jobs for one in job.results if not one.as_expected]
    if found:
        yield from ("", f"### Not as expected ({len(found)})", "")
    yield from (_result(job, result) for job, result in found[:_MOST_TESTS])
    if len(found) > _MOST_TESTS:
        yield f"- and {len(found) - _MOST_TESTS} more: {_code(f'lab show {run.id} -v')}"


def _result(job: JobRecord, result: TestResult) -> str:
    where = f"{_code(job.name)} on {_code(result.filesystem)}"
    said = f": {_prose(result.message)}" if result.message else ""
    name = _code(f"{result.suite}.{result.test}")
    return f"- {where}: {name} {result.status}, expected {result.expected}{said}"


def _troubles(run: RunRecord) -> Iterator[str]:
    errors = [f"{_code(job.name)}: {_prose(str(job.error))}" for job in run.jobs if job.error]
    errors += [
        f"{_code(job.name)}: {_prose(str(noted.complaint))}"
        for job, noted in job_complaints(run)[:_MOST_TESTS]
    ]
    errors += [_prose(problem) for problem in run.problems]
    if errors:
        yield from ("", "### Errors and complaints", "")
    yield from (f"- {error}" for error in errors)


def _of_verdicts(found: Verdicts | None) -> Iterator[_Blamed]:
    for row in found.kernels if found is not None else ():
        if found is not None and row.verdict is Outcome.REGRESSED and not row.as_expected:
            here = (row.kernel, row.machine, row.config)
            tests = [
                test for test in found.verdicts if (test.kernel, test.machine, test.config) == here
            ]
            why = "\n".join([row.why, *_worse(tests)])
            name = job_name(*here)
            yield from (_Blamed(found.series, one.patch, name, why) for one in row.patches)


def _of_steps(found: Steps | None) -> Iterator[_Blamed]:
    for kernel in found.kernels if found is not None else ():
        for step in kernel.steps:
            if found is not None and step.bad and step.patch:
                why = "\n".join(filter(None, [step.bad, step.why, *_worse(step.turned)]))
                yield _Blamed(found.series, step.patch, kernel.kernel, why)


def _worse(tests: Sequence[Turned]) -> list[str]:
    worse = [test for test in tests if test.verdict == Verdict.REGRESSED]
    said = [f"{one.test} on {one.filesystem}: {one.base} → {one.patched}" for one in worse[:MOST]]
    return [*said, f"and {len(worse) - MOST} more"] if len(worse) > MOST else said


def _annotated(run: RunRecord, blamed: Sequence[_Blamed], place: Place) -> Iterator[str]:
    """The first hunk of each: which line of a patch did it, no test says."""
    found: list[Annotation] = []
    for one in blamed:
        try:
            found.append(_annotation(run, one, place))
        except LabError as error:
            yield from ("", f"No line is marked of {_code(one.patch)}: {_prose(error.what)}")
    if len(found) > MOST:
        yield from ("", f"{len(found) - MOST} more patches got worse than are marked.")
    if found:
        yield from ("", "<!--", *map(str, found[:MOST]), "-->")


def _annotation(run: RunRecord, blamed: _Blamed, place: Place) -> Annotation:
    if place.patches is None:
        raise UserError("nobody says where it is")
    patch = load_patch(place.patches / blamed.series / blamed.patch)
    name = f"{blamed.series}/{blamed.patch}"
    tested = {
        digest
        for job in run.jobs
        for tested, digest in job.evidence.patches
        # NAME@2 are the first two patches of NAME.
        if re.sub("@[0-9]+/", "/", tested, count=1) == name
    }
    # One that never built has left no evidence.
    if tested - {patch.digest}:
        raise UserError("it is not what was tested")
    title = f"lab: {blamed.series} on {blamed.kernel}"
    return Annotation(in_repository(patch.path), first_line(patch.diff[0]), title, blamed.why)


def _code(text: str) -> str:
    """A name as Markdown has it, whatever is in it."""
    said = harmless(" ".join(plain(text).split()))[:_LONGEST]
    fence = "`" * (max(map(len, re.findall("`+", said)), default=0) + 1)
    space = " " if said.startswith("`") or said.endswith("`") else ""
    return f"{fence}{space}{said}{space}{fence}" if said else ""


def _cell(text: str) -> str:
    # An escaped one would be seen as its backslash where a reader is no GitHub.
    return _code(text.replace("|", "\N{BROKEN BAR}"))


def _prose(text: str) -> str:
    """A sentence, of which no sign is Markdown's."""
    said = " ".join(plain(text).split())
    short = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
    return _SPECIAL.sub(r"\\\1", short)
