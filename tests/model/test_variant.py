# SPDX-License-Identifier: GPL-2.0-only
"""A variant's parts."""

from __future__ import annotations

import copy
import json
import pickle

from lab.model.variant import Variant

FIXED = Variant("6.1+bug+fix")


def test_parts() -> None:
    assert (FIXED.kernel, FIXED.series) == ("6.1", ("bug", "fix"))
    assert (Variant("6.1").kernel, Variant("6.1").series) == ("6.1", ())
    assert Variant("6.1", ("bug", "fix")) == FIXED == "6.1+bug+fix"
    assert FIXED.of_kernel("6.12") == "6.12+bug+fix"


def test_a_kernel_called_like_a_series_stays() -> None:
    assert Variant("fix+bug+fix").without("fix") == "fix+bug"
    assert Variant("fix").without("fix") == "fix"


def test_what_is_over_what() -> None:
    assert FIXED.is_over(Variant("6.1+bug"))
    assert FIXED.is_over(FIXED)
    assert not Variant("6.1+bug").is_over(FIXED)
    # Each has the other's text as its beginning, or its end.
    assert not Variant("6.1+bugs").is_over(Variant("6.1+bug"))
    assert not Variant("6.12").is_over(Variant("6.1"))
    assert not FIXED.is_over(Variant("6.1+fix"))


def test_it_is_the_same_wherever_it_goes() -> None:
    for other in (pickle.loads(pickle.dumps(FIXED)), copy.deepcopy(FIXED), copy.copy(FIXED)):
        assert type(other) is Variant
        assert other == FIXED
        assert other.series == FIXED.series
    assert json.dumps(FIXED) == '"6.1+bug+fix"'
    assert {"6.1+bug+fix": 1}[FIXED] == 1
