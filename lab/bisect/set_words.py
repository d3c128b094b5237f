# SPDX-License-Identifier: GPL-2.0-only
"""Which parts a set has, in so few columns that a step is a line of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence


def which(parts: Collection[str], among: Sequence[str], width: int) -> str:
    """What tells a set from others of as many parts; "" where there is one such set.

    Args:
        among: All parts, in their order.
        width: How many columns it may have; numbers alone may take more.
    """
    if not parts or len(parts) == len(among):
        return ""
    *fitting, numbers = _spellings(parts, among)
    return next((text for text in fitting if len(text) <= width), numbers)


def _spellings(parts: Collection[str], among: Sequence[str]) -> Iterator[str]:
    """The same set, each time with less of the names."""
    yield ", ".join(parts)
    names = _without_prefix(among)
    shown = [name for name, part in zip(names, among, strict=True) if part in parts]
    missing = "all but " + ", ".join(name for name in names if name not in shown)
    yield min(", ".join(shown), missing, key=len)
    places = [place for place, part in enumerate(among) if part in parts]
    yield _ranges(places, names)
    yield "by number " + _ranges(places, [str(number + 1) for number in range(len(among))])


def _without_prefix(names: Sequence[str]) -> Sequence[str]:
    """Names without the words that all begin with: ``CONFIG_``, ``mend``."""
    first = names[0]
    ends = (place + 1 for place, sign in enumerate(first) if sign in "_ ")
    begin = max(
        (end for end in ends if all(name.startswith(first[:end]) for name in names)), default=0
    )
    return [name[begin:] for name in names]


def _ranges(places: Sequence[int], names: Sequence[str]) -> str:
    """``a to d, f``: each run of neighbours by its first and its last."""
    begins = [place for place in places if place - 1 not in places]
    ends = [place for place in places if place + 1 not in places]
    return ", ".join(
        names[begin] if begin == end else f"{names[begin]} to {names[end]}"
        for begin, end in zip(begins, ends, strict=True)
    )
