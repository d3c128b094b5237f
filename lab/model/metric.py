# SPDX-License-Identifier: GPL-2.0-only
"""Numbers a guest program measured, told in its diagnostics."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One measured number; what it is a number of is in ``name`` and ``labels``."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float

    def label(self, key: str) -> str:
        """The label's value, or ``""``."""
        return dict(self.labels).get(key, "")


def parse_metric(line: str) -> Metric | None:
    """Read ``metric NAME key=value… value=NUMBER``; None when it is anything else."""
    words = line.split()
    if len(words) < 3 or words[0] != "metric":
        return None
    pairs = [word.partition("=") for word in words[2:]]
    if not all(key and separator for key, separator, _ in pairs):
        return None
    labels = tuple((key, text) for key, _, text in pairs if key != "value")
    values = [_number(text) for key, _, text in pairs if key == "value"]
    if len(values) != 1 or values[0] is None:
        return None
    return Metric(words[1], labels, values[0])


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    # JSON has neither NaN nor infinity.
    return value if math.isfinite(value) else None
