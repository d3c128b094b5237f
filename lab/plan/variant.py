# SPDX-License-Identifier: GPL-2.0-only
"""A kernel and the series that go on top of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from lab.config import (
    LoadedConfig,
    as_error,
    spelling_problems,
    split_variant,
    variant_problems,
)


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


def resolve(loaded: LoadedConfig, text: str) -> Variant:
    """The variant that ``text`` names, all of whose names the config defines.

    Raises:
        UserError: Bad spelling, or a name that is not defined, with the nearest that is.
    """
    loaded.refuse(variant_problems(loaded.config, text))
    return Variant.parse(text)
