# SPDX-License-Identifier: GPL-2.0-only
"""A kernel and the series that go on top of it: ``KERNEL``, ``KERNEL+SERIES+SERIES``…"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from lab.model.problem import Problem, as_error


@dataclass(frozen=True)
class Variant:
    """A kernel's name and the names of its series, in the order they are applied."""

    kernel: str
    series: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``6.1+reintroduce-bug+dax-populate``, whether these names exist or not.

        Raises:
            UserError: An empty name, or a series twice.
        """
        if problems := spelling_problems(text):
            raise as_error(problems, f"variant {text!r}")
        return cls(*split_variant(text))

    def __str__(self) -> str:
        return "+".join((self.kernel, *self.series))


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


def repeated(names: Iterable[str]) -> list[str]:
    """The names that come more than once."""
    return [name for name, times in Counter(names).items() if times > 1]
