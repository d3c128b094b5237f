# SPDX-License-Identifier: GPL-2.0-only
"""What a run will do, and what it should find: readable before it starts."""

from lab.model.planned import BuildRequest, JobPlan
from lab.plan.choice import Choice, choice, settled
from lab.plan.plan import (
    Plan,
    SeriesPlan,
    plan_matrix,
    plan_series,
    plan_series_matrix,
    plan_variants,
)
from lab.plan.variant import resolve

__all__ = [
    "BuildRequest",
    "Choice",
    "JobPlan",
    "Plan",
    "SeriesPlan",
    "choice",
    "plan_matrix",
    "plan_series",
    "plan_series_matrix",
    "plan_variants",
    "resolve",
    "settled",
]
