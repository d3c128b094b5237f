# SPDX-License-Identifier: GPL-2.0-only
"""How a variant is spelled: ``KERNEL``, ``KERNEL+SERIES``, ``KERNEL+SERIES+SERIES``…"""

from __future__ import annotations

from collections.abc import Iterator

from lab.config.model import LabConfig
from lab.config.names import name_problems
from lab.model.problem import Problem
from lab.model.variant import Variant, spelling_problems


def variant_problems(config: LabConfig, text: str) -> Iterator[Problem]:
    """What is wrong with ``text`` as a variant of what ``config`` defines."""
    spelling = spelling_problems(text)
    yield from spelling
    variant = Variant(text)
    if not all((variant.kernel, *variant.series)):
        return
    yield from name_problems(config, "kernel", [variant.kernel])
    yield from name_problems(config, "series", dict.fromkeys(variant.series))


def base_problems(config: LabConfig, series: str, text: str) -> Iterator[Problem]:
    """What is wrong with ``text`` as a kernel, series beneath it, to verify ``series`` on."""
    yield from variant_problems(config, text)
    if problem := series_twice(series, text):
        yield problem


def series_twice(series: str, text: str) -> Problem | None:
    """Whether ``text`` has the series already that is to be laid over it."""
    variant = Variant(text)
    if series not in variant.series:
        return None
    return Problem(f"{text!r} has series {series!r} already", variant.without(series))
