# SPDX-License-Identifier: GPL-2.0-only
"""How an end looks: a sign, words and a colour, so that nothing is told by colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from lab.model.records import is_as_expected
from lab.model.scale import TABLE
from lab.model.status import Status

#: What a reader should see first comes first.
_WORST = tuple(Status(row.word) for row in TABLE if row.word in {*Status})


@dataclass(frozen=True)
class Mark:
    """``css`` is ``fail`` or, where nobody expected it, ``fail odd``."""

    sign: str
    word: str
    css: str
    odd: bool
    #: The smaller, the sooner it should be seen.
    rank: int

    @property
    def quiet(self) -> bool:
        """A pass that was expected."""
        return self.css == "pass"


@cache
def mark(status: Status, expected: Status) -> Mark:
    """The mark of a result; filled when it is not as expected."""
    odd = not is_as_expected(status, expected)
    rank = _WORST.index(status) + (0 if odd else len(_WORST))
    if odd:
        return Mark(status.row.sign, f"{status} (expected {expected})", f"{status} odd", odd, rank)
    # A known failure has a lighter sign than a failure.
    sign = "×" if status is Status.FAIL else status.row.sign  # noqa: RUF001
    word = "pass" if status is Status.PASS else f"{status}, as expected"
    return Mark(sign, word, status.value, odd, rank)


def legend() -> tuple[Mark, ...]:
    """The marks that a table explains."""
    usual = [mark(status, status) for status in (Status.PASS, Status.FAIL, Status.SKIP)]
    odd = [mark(status, Status.PASS) for status in _WORST[:-1]]
    return (*usual, *odd, mark(Status.PASS, Status.FAIL))
