# SPDX-License-Identifier: GPL-2.0-only
"""What a night asks of the lab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from lab.analysis.series_verdict import Verification
from lab.nightly.night import _Run
from lab.nightly.state import Memory
from lab.plan import Plan, SeriesPlan
from lab.session import Lab


@dataclass
class Asked:
    """A lab that is asked to verify a series."""

    again: bool = False

    def verify(self, *_: object, again: bool = False) -> Verification:
        self.again = again
        return Verification("fix", "", ())


def test_a_night_has_a_result_of_each_test() -> None:
    """Where a series changes nothing in the binary, too: it had some the night before."""
    asked = Asked()
    lab = cast("Lab", asked)
    night = _Run(lab, SeriesPlan("fix", (), Plan("nightly", ())), (), Memory())
    night._tested(lab)
    assert asked.again
