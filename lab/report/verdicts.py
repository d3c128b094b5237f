# SPDX-License-Identifier: GPL-2.0-only
"""A series verified, as a person and as a program reads it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from lab.analysis.series_verdict import KernelVerdict, Verification
from lab.analysis.verdict import TestVerdict, Verdict
from lab.binary.difference import Difference
from lab.binary.image import Name
from lab.errors import ExitStatus
from lab.model.scale import exit_of
from lab.model.status import Outcome, Status
from lab.report.cause import Cause, Spot, cause_in, cause_of, group_causes
from lab.report.coverage import coverage_lines, coverage_to_json
from lab.report.document import to_json
from lab.report.lines import Line, Signs, block_lines, line, print_lines, signs_for, title

#: Kernels' names have a column of their own where this is left of the line.
_LEAST_VERDICT = 24
#: Functions and data that the series changed.
_NAMED = 5
#: What is told of a series' tests, the worst first.
_TOLD = (Verdict.REGRESSED, Verdict.INCONCLUSIVE, Verdict.FIXED, Verdict.STILL_FAILING)


def verification_status(verification: Verification) -> ExitStatus:
    """EXPECTED only when each verdict is the one that ``lab.toml`` expects.

    INFRASTRUCTURE when only verdicts are wanting that the lab or the machine lost.
    """
    return exit_of(kernel.ours for kernel in verification.kernels if not kernel.as_expected)


def verification_to_json(verification: Verification) -> dict[str, Any]:
    """The run, as to_json() has it, with ``series``, ``kernels`` and ``verdicts``.

    Without a run, ``run`` is None and there are no results.
    """
    run = to_json(verification.run) if verification.run else {"run": None, "results": []}
    return {
        **run,
        "exit_status": int(verification_status(verification)),
        "series": verification.series,
        "doubt": verification.doubt,
        "kernels": [_kernel(kernel) for kernel in verification.kernels],
        "verdicts": [_test(test) for test in verification.tests],
    }


def _kernel(kernel: KernelVerdict) -> dict[str, Any]:
    return {
        "kernel": kernel.kernel,
        "machine": kernel.machine,
        "config": kernel.config,
        "verdict": kernel.outcome.value,
        "why": kernel.why,
        "expected": kernel.expected.value,
        "as_expected": kernel.as_expected,
        "reason": kernel.reason,
        "commit": kernel.commit,
        "patches": [{"patch": patch, "fit": fit} for patch, fit in kernel.patches],
        "binary": kernel.binary and _binary(kernel.binary),
        "lines": kernel.lines and coverage_to_json(kernel.lines),
    }


def _binary(found: Difference) -> dict[str, Any]:
    kinds = {
        "changed": found.changed,
        "added": found.added,
        "gone": found.gone,
        "elsewhere": found.elsewhere,
    }
    return {"same": found.same, **{kind: [*map(_symbol, names)] for kind, names in kinds.items()}}


def _symbol(name: Name) -> str:
    """As gdb has it where its file is known."""
    return f"{name.file}:{name.name}" if name.file else name.name


def _test(test: TestVerdict) -> dict[str, Any]:
    return {
        "kernel": test.kernel,
        "machine": test.machine,
        "config": test.config,
        "filesystem": test.filesystem,
        "suite": test.suite,
        "program": test.program,
        "test": test.test,
        "base": test.base,
        "patched": test.patched,
        "verdict": test.verdict.value,
        "why": test.why,
    }


def print_verification(verification: Verification, console: Console, verbose: bool = False) -> None:
    """Print one line a kernel, then what differs between base and patched."""
    signs = signs_for(console)
    sections = [
        _header(verification),
        _kernels(verification, signs, console.width if console.is_terminal else 0),
        _differences(verification, signs, verbose),
        *(coverage_lines(kernel.lines) for kernel in verification.kernels if kernel.lines),
        _end(verification, signs),
    ]
    print_lines(console, sections)


def _header(verification: Verification) -> Iterator[Line]:
    about = f": {verification.description}" if verification.description else ""
    yield Line(Text(verification.series, "bold"), Text(about))
    if verification.doubt:
        yield line("  ", verification.doubt, text_style="bold yellow")


def _kernels(verification: Verification, signs: Signs, columns: int) -> Iterator[Line]:
    width = max(len(kernel.name) for kernel in verification.kernels) + 2
    if columns and columns - width < _LEAST_VERDICT:
        width = 0
    for kernel in verification.kernels:
        good = kernel.as_expected
        mark = Text(f"{signs.yes if good else signs.no} ", "green" if good else "bold red")
        text = Text(_outcome(kernel), kernel.outcome.style)
        text.append(f": {kernel.why}" if kernel.why else "", "default")
        name = f"{kernel.name:{width}}" if width else f"{kernel.name}  "
        yield Line(Text(f"  {name}") + mark, text)
        if not good:
            yield line(" " * (width + 4), _expectation(kernel))
        if kernel.binary and not kernel.binary.same:
            yield line(" " * (width + 4), _changed(kernel.binary))


def _outcome(kernel: KernelVerdict) -> str:
    if kernel.outcome is Outcome.UPSTREAM:
        return f"{kernel.outcome} ({kernel.commit})"
    return kernel.outcome.value


def _changed(binary: Difference) -> str:
    elsewhere = dict.fromkeys(each.name for each in binary.elsewhere)
    own = [name for name in binary.names if name not in elsewhere]
    said = _named(own) or ("" if elsewhere else "no function or datum that has a name")
    through = f"through what they inline or include: {_named([*elsewhere])}" if elsewhere else ""
    return f"binary: {'; '.join(filter(None, (said, through)))}"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _expectation(kernel: KernelVerdict) -> str:
    reason = f": {kernel.reason}" if kernel.reason else ""
    return f"expected {kernel.expected}{reason}"


def _differences(verification: Verification, signs: Signs, verbose: bool) -> Iterator[Line]:
    told = _TOLD if not verbose else tuple(Verdict)
    for verdict in told:
        tests = [test for test in verification.tests if test.verdict is verdict]
        if tests:
            yield title(f"{verdict.value} ({len(tests)})")
            for found in group_causes(tests, _cause, _spot):
                yield from _paragraph(found, signs)


def _cause(test: TestVerdict) -> Hashable:
    # What a series mends has one cause, however each test noticed; what it breaks may not.
    regressed = test.verdict is Verdict.REGRESSED
    said = cause_of(test.complaint, test.said[1], test.test) if regressed else ""
    return test.base, test.patched, cause_in(test.why, test.test), said


def _spot(test: TestVerdict) -> Spot:
    return Spot(test.on, test.filesystem, test.test or f"{test.suite} (all of it)")


def _paragraph(found: Cause[TestVerdict], signs: Signs) -> Iterator[Line]:
    first = found.first
    way = f"{_side(first.base)} {signs.arrow} {_side(first.patched)}"
    yield line("  ", f"{way}: {first.why}" if first.why else way)
    yield from block_lines(found, "    ")
    for name, said in zip(("base", "patched"), first.said, strict=True):
        if said:
            yield line(f"      {name}, e.g. ", said, style="dim", text_style="dim")


def _side(status: Status | None) -> str:
    return status.value if status else "none"


def _end(verification: Verification, signs: Signs) -> Iterator[Line]:
    surprises = sum(not kernel.as_expected for kernel in verification.kernels)
    total = len(verification.kernels)
    kernels = f"{total} kernel{'' if total == 1 else 's'}"
    style = "bold red" if surprises else "bold green"
    text = f"{surprises} not as expected." if surprises else "All as expected."
    mark = Text(f"{signs.no if surprises else signs.yes} ", style)
    yield Line(mark, Text(f"{kernels}: ").append(text, style))
    if verification.run is not None and verification.run.folder:
        yield line("  ", verification.run.folder, text_style="dim")
