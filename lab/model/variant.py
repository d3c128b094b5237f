# SPDX-License-Identifier: GPL-2.0-only
"""A kernel and the series that go on top of it: ``KERNEL``, ``KERNEL+SERIES+SERIES``…"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Self

from lab.model.problem import Problem, as_error


class Variant(str):
    """A kernel's name and the names of its series, in the order they are applied.

    It is the text that names it, in records, databases and JSON, and knows its parts:
    nobody else takes that text apart, or puts one together.
    """

    __slots__ = ()

    def __new__(cls, text: str, series: Iterable[str] = ()) -> Self:
        """What ``text`` names, good or bad, with more series on top."""
        return super().__new__(cls, "+".join((text, *series)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``6.1+reintroduce-bug+dax-populate``, whether these names exist or not.

        Raises:
            UserError: An empty name, or a series twice.
        """
        if problems := spelling_problems(text):
            raise as_error(problems, f"variant {text!r}")
        return cls(text)

    @property
    def kernel(self) -> str:
        """The kernel's name."""
        return self.partition("+")[0]

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series, the one that goes on last at the end."""
        return tuple(self.split("+")[1:])

    def of_kernel(self, kernel: str) -> Variant:
        """The same series on another kernel."""
        return Variant(kernel, self.series)

    def without(self, series: str) -> Variant:
        """The same without one of its series."""
        return Variant(self.kernel, (name for name in self.series if name != series))

    def is_over(self, base: Variant) -> bool:
        """Whether it is ``base``, or that with more series on top."""
        beneath = self.series[: len(base.series)]
        return self.kernel == base.kernel and beneath == base.series

    def __deepcopy__(self, _memo: object) -> Self:
        # As of any text: asdict() copies ten thousand of them.
        return self

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


def spelling_problems(text: str) -> list[Problem]:
    """What is wrong with ``text`` as a variant, whatever is defined."""
    variant = Variant(text)
    if not all((variant.kernel, *variant.series)):
        what = f"{text!r} is not a variant: a kernel, and series after it, each after a '+'"
        return [Problem(what, "6.1 or 6.1+dax-populate, as an example")]
    return [
        Problem(f"series {name!r} is in {text!r} twice", f"{text!r} with it once")
        for name in repeated(variant.series)
    ]


def repeated(names: Iterable[str]) -> list[str]:
    """The names that come more than once."""
    return [name for name, times in Counter(names).items() if times > 1]
