# SPDX-License-Identifier: GPL-2.0-only
"""Rates, and the intervals that they leave open."""

from __future__ import annotations

import pytest

from lab.model.rate import Rate


@pytest.mark.parametrize(
    ("count", "total", "said"),
    [
        # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I,
        # method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        (81, 263, "81/263 [25.5%, 36.6%]"),
        (15, 148, "15/148 [6.2%, 16%]"),
        (0, 20, "0/20 [0%, 16.1%]"),
        (1, 29, "1/29 [0.6%, 17.2%]"),
        (97, 100, "97/100 [91.5%, 99%]"),
        (100, 100, "100/100 [96.3%, 100%]"),
        (1, 1, "1/1 [20.7%, 100%]"),
    ],
)
def test_a_rate(count: int, total: int, said: str) -> None:
    assert str(Rate(count, total)) == said
