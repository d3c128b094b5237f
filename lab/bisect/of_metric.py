# SPDX-License-Identifier: GPL-2.0-only
"""Whether what a test measures is beyond a threshold: ``first_access_ns_per_page > 2 x good``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median

from lab.bisect.question import OfGuest, trouble
from lab.bisect.repetition import repetitions
from lab.bisect.told import Seen, Sight
from lab.errors import UserError
from lab.model.metric import Metric
from lab.model.records import JobRecord, RunRecord

#: One measurement is one of a host that does other things, too.
_TRIALS = 5
#: Of what was measured so many are named.
_MOST = 5
_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
#: With the sign for times, an x or a star.
_EXPRESSION = re.compile(
    rf"""(?P<metric>[A-Za-z_][\w.-]*) \s* (?:\{{(?P<labels>[^{{}}]*)\}})? \s* (?P<sign>[<>]) \s*
    (?: (?P<factor>{_NUMBER}) \s* [\u00d7x*] \s* (?P<times>good|old)
      | (?P<number>{_NUMBER}) | (?P<end>good|old) )""",
    re.VERBOSE,
)
_HINT = "NAME > NUMBER, or NAME{label=value} > 2 x good"


@dataclass(frozen=True)
class Threshold:
    """``factor`` times what was measured at the old end, or ``number``."""

    metric: str
    labels: tuple[tuple[str, str], ...] = ()
    above: bool = True
    factor: float | None = None
    number: float = 0.0

    def is_of(self, metric: Metric) -> bool:
        """Whether it speaks of a metric."""
        return metric.name == self.metric and all(
            metric.label(key) == value for key, value in self.labels
        )

    def is_beyond(self, value: float, reference: float | None) -> bool:
        """Whether a value is beyond it; nothing is where there is no reference and it wants one."""
        if self.factor is not None and reference is None:
            return False
        bound = self.number if self.factor is None else self.factor * (reference or 0.0)
        return value > bound if self.above else value < bound

    def __str__(self) -> str:
        """What it is a threshold of, as it was asked for."""
        labels = ",".join(f"{key}={value}" for key, value in self.labels)
        return f"{self.metric}{{{labels}}}" if labels else self.metric


def parse_threshold(text: str) -> Threshold:
    """Read ``NAME{label=value} > 2 x good``; the labels, and the factor, may be missing.

    Raises:
        UserError: It is anything else.
    """
    match = _EXPRESSION.fullmatch(text.strip())
    if match is None:
        raise UserError(f'"{text}" is no threshold of a metric', hint=_HINT)
    for name in ("factor", "number"):
        if match[name] and not isfinite(float(match[name])):
            raise UserError(f'"{match[name]}" in "{text}" is no number', hint=_HINT)
    relative = match["times"] or match["end"]
    return Threshold(
        match["metric"],
        tuple(_labels(text, match["labels"] or "")),
        match["sign"] == ">",
        float(match["factor"] or 1) if relative else None,
        float(match["number"] or 0),
    )


def _labels(text: str, said: str) -> Iterator[tuple[str, str]]:
    for word in filter(None, (word.strip() for word in said.split(","))):
        key, sign, value = word.partition("=")
        if not sign:
            raise UserError(f'"{word}" in "{text}" is no label', hint=_HINT)
        yield key.strip(), value.strip().strip('"')


@dataclass(frozen=True)
class OfMetric(OfGuest):
    """A Question of a metric, as ``text`` has it.

    Args:
        pattern: The tests that run; None for all.
    """

    text: str
    threshold: Threshold
    pattern: str | None = None

    trials = _TRIALS

    @property
    def name(self) -> str:
        """See Question."""
        during = f" during {self.pattern}" if self.pattern else ""
        return f"metric {self.text}{during}"

    def look(self, run: RunRecord) -> tuple[Seen, ...]:
        """See Question."""
        ours = trouble(run)
        return (ours,) if ours else tuple(self._repetition(job) for job in repetitions(run))

    def is_beyond(self, value: float, reference: float | None) -> bool:
        """See Question."""
        return self.threshold.is_beyond(value, reference)

    def _repetition(self, job: JobRecord) -> Seen:
        metrics = [metric for one in job.results for metric in one.metrics]
        values = [one.value for one in metrics if self.threshold.is_of(one)]
        if not values:
            return Seen(Sight.UNTESTABLE, f"nothing measured {self.threshold}{_measured(metrics)}")
        value = median(values)
        return Seen(Sight.MEASURED, f"{value:g}", (), value)


def _measured(metrics: Sequence[Metric]) -> str:
    """What could have been asked for instead, the labels of the first of each included."""
    by_name = {one.name: one for one in reversed(metrics)}
    texts = [str(Threshold(name, one.labels)) for name, one in sorted(by_name.items())[:_MOST]]
    return f", but {', '.join(texts)}" if texts else ""
