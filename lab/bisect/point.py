# SPDX-License-Identifier: GPL-2.0-only
"""What a bisection tries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """One thing that can be tried: a commit, so many patches of a series, a set of options.

    Args:
        key: The same whenever the same thing is meant: a commit's digits, a kernel's name.
        name: It for people: a commit's first digits.
        title: What it is, in a line: a commit's subject; "" for none.
        parts: Of a set, what is in it; () for what is no set.
    """

    key: str
    name: str
    title: str = ""
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f'{self.name} ("{self.title}")' if self.title else self.name
