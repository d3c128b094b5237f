# SPDX-License-Identifier: GPL-2.0-only
"""Plans to verify a series: each kernel without it and with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.config import LoadedConfig
from lab.errors import UserError
from lab.model.variant import Variant
from lab.plan import SeriesPlan, plan_series, plan_series_matrix
from tests.plan.test_plan import TOML, write

HISTORY = """
[matrix.history]
series = "mend"
variants = ["old", "6.1+bug"]
suites = ["mlock"]
filesystems = ["xfs-dax"]
config = "small"
"""


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedConfig:
    own = '"mends it"\nkernels = ["6.1+bug"]'
    return write(tmp_path, TOML.replace('"mends it"', own) + HISTORY)


def variants(plan: SeriesPlan) -> list[str]:
    return [str(job.variant) for job in plan.plan.jobs]


def test_the_kernels_of_the_series(loaded: LoadedConfig) -> None:
    plan = plan_series(loaded, "mend")
    assert plan.kernels == (Variant("6.1", ("bug",)),)
    assert variants(plan) == ["6.1+bug", "6.1+bug+mend"]
    assert plan.plan.name == "verify mend"
    (kernel,) = plan.kernels
    assert str(plan.patched(kernel)) == "6.1+bug+mend"


def test_what_is_asked_for(loaded: LoadedConfig) -> None:
    plan = plan_series(loaded, "mend", ["old", "6.1", "old"], ["ext4-dax"], ["mlock"], "mlock.*")
    assert variants(plan) == ["old", "old+mend", "6.1", "6.1+mend"]
    for job in plan.plan.jobs:
        assert (job.filesystems, job.suites, job.pattern) == (("ext4-dax",), ("mlock",), "mlock.*")
        # All else is [matrix.default]'s.
        assert (job.machine, job.config) == ("big", "default")


def test_a_part_of_a_plan(loaded: LoadedConfig) -> None:
    plan = plan_series(loaded, "mend", ["old", "6.1"])
    kept = plan.keeping({Variant("old"), Variant("6.1", ("mend",))})
    assert [str(job.variant) for job in kept.jobs] == ["old", "6.1+mend"]


def test_a_matrix_of_a_series(loaded: LoadedConfig) -> None:
    plan = plan_series_matrix(loaded, "history", "mlock.*")
    assert plan is not None
    assert (plan.series, plan.plan.name) == ("mend", "history")
    assert variants(plan) == ["old", "old+mend", "6.1+bug", "6.1+bug+mend"]
    for job in plan.plan.jobs:
        assert (job.suites, job.filesystems, job.config) == (("mlock",), ("xfs-dax",), "small")
        assert job.pattern == "mlock.*"


def test_other_matrices_verify_nothing(loaded: LoadedConfig) -> None:
    assert plan_series_matrix(loaded, "default") is None
    assert plan_series_matrix(loaded, "no such matrix") is None


@pytest.mark.parametrize(
    ("series", "kernels", "what"),
    [
        ("mned", ["old"], "no series is named 'mned'"),
        ("mend", ["odl"], "no kernel is named 'odl'"),
        ("mend", ["old+mend"], "'old+mend' has series 'mend' already"),
        ("mend", ["old+"], "'old+' is not a variant"),
        ("bug", [], "no kernel is named, and [series.bug] has no kernels"),
    ],
)
def test_names_that_lead_nowhere(
    loaded: LoadedConfig, series: str, kernels: list[str], what: str
) -> None:
    with pytest.raises(UserError) as caught:
        plan_series(loaded, series, kernels)
    assert caught.value.what.startswith(what)
    assert caught.value.hint
