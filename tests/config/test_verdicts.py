# SPDX-License-Identifier: GPL-2.0-only
"""What ``lab.toml`` says of series: the kernels to verify them on, and the verdicts."""

from __future__ import annotations

import pytest

from lab.model.status import Outcome
from tests.config.conftest import Checker, Project

VERDICT = """
[[verdict]]
series = "mend"
kernels = ["old*"]
verdict = "no change"
reason = "a test"
"""


def test_what_a_series_is_about(project: Project) -> None:
    project.change('"mends it"', '"mends it"\nkernels = ["6.1+bug", "old"]\ntests = ["mlock.*"]')
    series = project.load().config.series
    assert series["mend"].kernels == ("6.1+bug", "old")
    assert series["mend"].tests == ("mlock.*",)
    assert (series["bug"].kernels, series["bug"].tests) == ((), ("*",))


@pytest.mark.parametrize(
    ("kernel", "what", "hint"),
    [
        ("odl", "no kernel is named 'odl'", "old (known: 6.1, old)"),
        ("old+bgu", "no series is named 'bgu'", "bug (known: bug, mend)"),
        ("old+mend+bug", "'old+mend+bug' has series 'mend' already", "old+bug"),
    ],
)
def test_kernels_of_a_series(
    project: Project, refuses: Checker, kernel: str, what: str, hint: str
) -> None:
    project.change('"mends it"', f'"mends it"\nkernels = [\n    "6.1",\n    "{kernel}",\n]')
    refuses(what, key="series.mend.kernels[1]", at=f'"{kernel}"', hint=hint)


def test_kernel_of_a_series_twice(project: Project, refuses: Checker) -> None:
    project.change('"mends it"', '"mends it"\nkernels = ["old",\n"old" ]')
    refuses(
        "kernel 'old' is listed twice", key="series.mend.kernels[1]", at='"old" ]', hint="it once"
    )


def test_matrix_of_a_series(project: Project) -> None:
    project.append('[matrix.history]\nseries = "mend"\nvariants = ["old", "6.1+bug"]\n')
    assert project.load().config.matrix["history"].series == "mend"


def test_matrix_of_an_unknown_series(project: Project, refuses: Checker) -> None:
    project.append('[matrix.history]\nseries = "mned"\nvariants = ["old"]\n')
    refuses(
        "no series is named 'mned'",
        key="matrix.history.series",
        at='"mned"',
        hint="mend (known: bug, mend)",
    )


def test_matrix_whose_variants_have_the_series(project: Project, refuses: Checker) -> None:
    project.append('[matrix.history]\nseries = "bug"\nvariants = ["old+bug"]\n')
    refuses(
        "'old+bug' has series 'bug' already",
        key="matrix.history.variants[0]",
        at='"old+bug"',
        hint="old",
    )


def test_matrix_of_a_series_is_no_part_of_another(project: Project, refuses: Checker) -> None:
    """Its variants alone would leave out every patched one, in silence."""
    project.append('[matrix.history]\nseries = "mend"\nvariants = ["old"]\n')
    project.append('[matrix.all]\ninclude = ["default", "history"]\n')
    refuses(
        "matrix 'history' verifies a series: it cannot be a part of another",
        key="matrix.all.include[1]",
        at='"default", "history"',
        hint="lab matrix history",
    )


def test_expected_verdict(project: Project) -> None:
    project.append(VERDICT)
    (verdict,) = project.load().config.verdict
    assert (verdict.series, verdict.kernels) == ("mend", ("old*",))
    assert verdict.verdict is Outcome.NO_CHANGE


def test_verdict_on_no_series(project: Project, refuses: Checker) -> None:
    project.append(VERDICT.replace('"mend"', '"mned"'))
    refuses(
        "no series is named 'mned'",
        key="verdict[0].series",
        at='"mned"',
        hint="mend (known: bug, mend)",
    )


def test_verdict_on_no_kernel(project: Project, refuses: Checker) -> None:
    project.append(VERDICT.replace('"old*"', '"old", "odl"'))
    refuses(
        "'odl' matches none of the kernels: it would expect nothing",
        key="verdict[0].kernels[1]",
        at='"odl"',
        hint="old (known: 6.1, old)",
    )


def test_verdict_on_a_kernel_with_a_series_beneath(project: Project) -> None:
    project.append(VERDICT.replace('"old*"', '"6.1+bug", "old+bug"'))
    assert len(project.load().config.verdict) == 1


@pytest.mark.parametrize("verdict", ["inconclusive", "fixd"])
def test_verdict_that_nobody_can_expect(project: Project, verdict: str) -> None:
    project.append(VERDICT.replace("no change", verdict))
    error = project.error()
    assert str(error.where).endswith("verdict[0].verdict")
