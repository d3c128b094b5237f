# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that stands for the first of several."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import UserError
from lab.plan import plan_matrix, plan_series, plan_variants, settled
from tests.config.conftest import Project

FIRST = """
[kernels.mine]
kind = "dir"
path = "linux"

[kernels.any]
kind = "first"
of = ["mine", "6.1"]

[matrix.any]
variants = ["any", "any+bug", "mine"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_names_in_plans_are_those_of_the_kernel_taken(project: Project) -> None:
    project.append(FIRST)
    loaded = project.load()
    plan = plan_matrix(loaded, "any")
    assert [str(job.variant) for job in plan.jobs] == ["mine", "mine+bug"]
    assert plan.describe()[:2] == [
        "any: 2 builds, 2 guests, 4 suite runs",
        "  any is mine on this machine: the first that it has of mine, 6.1",
    ]
    series = plan_series(loaded, "mend", ["any+bug"])
    assert [str(kernel) for kernel in series.kernels] == ["mine+bug"]
    assert [str(job.variant) for job in series.plan.jobs] == ["mine+bug", "mine+bug+mend"]
    assert len(series.plan.choices) == 1
    assert settled(loaded, "any+bug") == "mine+bug"
    assert settled(loaded, "old") == "old"


def test_a_plan_that_leaves_nothing_open_says_nothing_of_it(project: Project) -> None:
    project.append(FIRST)
    assert plan_variants(project.load(), ["mine"]).choices == ()


def test_it_may_be_a_kernel_of_ones_own_instead(project: Project) -> None:
    project.append(FIRST)
    project.local('[kernels.any]\nkind = "dir"\npath = "linux"\n')
    plan = plan_matrix(project.load(), "any")
    assert [str(job.variant) for job in plan.jobs] == ["any", "any+bug", "mine"]


@pytest.mark.parametrize(
    ("of", "what"),
    [
        ('["6.1", "6.2"]', "no kernel is named '6.2'"),
        ('["6.1", "any"]', "no kernel is named 'any'"),
        ('["6.1", "6.1"]', "kernel '6.1' is listed twice"),
        ("[]", "should not be empty"),
    ],
)
def test_what_it_may_be_is_checked(project: Project, of: str, what: str) -> None:
    project.append(f'[kernels.any]\nkind = "first"\nof = {of}\n')
    assert what in project.error().what


def test_results_never_have_its_name(project: Project) -> None:
    project.append(FIRST + '[[expect]]\nvariants = ["any+*"]\nstatus = "fail"\nreason = "r"\n')
    assert "'any+*' matches none of the variants" in project.error().what


def test_results_have_the_names_of_what_it_may_be(project: Project) -> None:
    expect = '[[expect]]\nvariants = ["mine+bug"]\nstatus = "fail"\nreason = "r"\n'
    project.append(FIRST + expect)
    assert len(project.load().config.expect) == 1


def test_an_unknown_variant_is_still_told(project: Project) -> None:
    project.append(FIRST)
    with pytest.raises(UserError, match="no series is named 'bog'"):
        plan_variants(project.load(), ["any+bog"])


def test_what_no_distribution_here_has_is_passed_over(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    packaged = '[kernels.packaged]\nkind = "apt"\npackage = "linux-source-6.1"\n'
    project.append(FIRST.replace('["mine", "6.1"]', '["packaged", "mine"]') + packaged)
    loaded = project.load()
    # A machine without apt has no package.
    monkeypatch.setenv("PATH", str(tmp_path))
    assert settled(loaded, "any") == "mine"
