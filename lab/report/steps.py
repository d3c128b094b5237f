# SPDX-License-Identifier: GPL-2.0-only
"""Each patch of a series on those before it, as a person and as a program reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lab.analysis.step_verdict import TURNED, KernelSteps, Step, Warnings
from lab.analysis.verdict import TestVerdict
from lab.text import plain

_PATCH = 24
_MOST_NAMED = 3


def steps_to_json(series: str, kernels: Sequence[KernelSteps], run: str | None) -> dict[str, Any]:
    """All that is known of each step; ``run`` is None where all results are of earlier runs."""
    return {
        "run": run,
        "series": series,
        "kernels": [
            {
                "kernel": each.kernel,
                "exit_status": int(each.status),
                "steps": [_row(step) for step in each.steps],
            }
            for each in kernels
        ],
    }


def _row(step: Step) -> dict[str, Any]:
    warnings = step.warnings
    return {
        "number": step.number,
        "patch": step.patch,
        "subject": step.subject,
        "variant": step.variant,
        "builds": step.builds,
        "boots": step.boots,
        "warnings": None
        if warnings is None
        else {
            "new": list(warnings.new),
            "compiled": list(warnings.compiled),
            "not_compiled": list(warnings.left_out),
            "since": warnings.since,
            "unknown": warnings.unknown,
        },
        "since": step.since,
        "turned": [_test(test) for test in step.tests if test.verdict in TURNED],
        "bad": step.bad,
        "unclear": step.unclear,
        "why": step.why,
        "reused": step.reused or None,
    }


def _test(test: TestVerdict) -> dict[str, Any]:
    return {
        "filesystem": test.filesystem,
        "suite": test.suite,
        "test": test.test,
        "base": test.base,
        "patched": test.patched,
        "verdict": test.verdict,
        "why": test.why,
    }


def step_lines(series: str, kernels: Sequence[KernelSteps]) -> Iterator[str]:
    """A table of 80 columns for each kernel, and below it what is wrong."""
    for each in kernels:
        yield f"{each.kernel}: each patch of {series} on those before it"
        yield f"      {'patch':<{_PATCH}}  builds  warnings  boots  tests"
        for step in each.steps:
            yield _table_line(step)
            yield from (f"        {line}" for line in _below(step))
        yield _last(each)


def _table_line(step: Step) -> str:
    name = step.subject or step.patch if step.number else "(none)"
    short = plain(name) if len(name) <= _PATCH else f"{plain(name)[: _PATCH - 1]}…"
    warnings = "-" if step.warnings is None else str(step.warnings)
    turned = step.turned if step.number else "-"
    return (
        f"  {step.number:>2}  {short:<{_PATCH}}  {_yes(step.builds):<6}  {warnings:<8}  "
        f"{_yes(step.boots):<5}  {turned}"
    )


def _yes(known: bool | None) -> str:
    return "?" if known is None else ("yes" if known else "no")


def _below(step: Step) -> Iterator[str]:
    if step.reused:
        yield f"results of {step.reused}, of the same build and setup (--again: anew)"
    if step.why:
        yield step.why
    if step.warnings is not None:
        yield from _warned(step, step.warnings)
    for verdict in TURNED:
        named = [test for test in step.tests if test.verdict is verdict]
        if named:
            more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
            names = ", ".join(f"{one.test} on {one.filesystem}" for one in named[:_MOST_NAMED])
            why = f" ({named[0].why})" if named[0].why else ""
            yield f"{verdict}: {names}{more}{why}"


def _warned(step: Step, warnings: Warnings) -> Iterator[str]:
    yield from warnings.new
    if warnings.unknown:
        yield warnings.unknown
    if warnings.left_out:
        yield f"compiled nowhere with this config: {', '.join(warnings.left_out)}"
    if step.tests and step.since != step.number - 1:
        yield f"compared with patch {step.since}, the last before it that was tested"


def _last(found: KernelSteps) -> str:
    bad = [f"patch {step.number} {step.bad}" for step in found.steps if step.bad]
    unclear = [f"patch {step.number}" for step in found.steps if step.unclear and not step.bad]
    if bad:
        return f"  bad: {'; '.join(bad)}"
    if unclear:
        return f"  not known of: {', '.join(unclear)}"
    return "  every patch builds, boots, adds no warning and breaks no test"
