# SPDX-License-Identifier: GPL-2.0-only
"""How a variant is spelled: ``KERNEL``, ``KERNEL+SERIES``, ``KERNEL+SERIES+SERIES``…"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from lab.config.model import LabConfig
from lab.config.names import name_problems
from lab.config.problem import Problem


def split_variant(text: str) -> tuple[str, tuple[str, ...]]:
    """The kernel and the series that ``text`` names, good or bad."""
    kernel, *series = text.split("+")
    return kernel, tuple(series)


def spelling_problems(text: str) -> list[Problem]:
    """What is wrong with ``text`` as a variant, whatever is defined."""
    kernel, series = split_variant(text)
    if not all((kernel, *series)):
        what = f"{text!r} is not a variant: a kernel, and series after it, each after a '+'"
        return [Problem(what, "6.1 or 6.1+dax-populate, as an example")]
    return [
        Problem(f"series {name!r} is in {text!r} twice", f"{text!r} with it once")
        for name in repeated(series)
    ]


def variant_problems(config: LabConfig, text: str) -> Iterator[Problem]:
    """What is wrong with ``text`` as a variant of what ``config`` defines."""
    spelling = spelling_problems(text)
    yield from spelling
    kernel, series = split_variant(text)
    if not all((kernel, *series)):
        return
    yield from name_problems(config, "kernel", [kernel])
    yield from name_problems(config, "series", dict.fromkeys(series))


def base_problems(config: LabConfig, series: str, text: str) -> Iterator[Problem]:
    """What is wrong with ``text`` as a kernel, series beneath it, to verify ``series`` on."""
    yield from variant_problems(config, text)
    if problem := series_twice(series, text):
        yield problem


def series_twice(series: str, text: str) -> Problem | None:
    """Whether ``text`` has the series already that is to be laid over it."""
    kernel, beneath = split_variant(text)
    if series not in beneath:
        return None
    without = "+".join((kernel, *(name for name in beneath if name != series)))
    return Problem(f"{text!r} has series {series!r} already", without)


def repeated(names: Iterable[str]) -> list[str]:
    """The names that come more than once."""
    return [name for name, times in Counter(names).items() if times > 1]
