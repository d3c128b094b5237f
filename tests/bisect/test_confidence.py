# SPDX-License-Identifier: GPL-2.0-only
"""How sure an answer is."""

from __future__ import annotations

import pytest

from lab.bisect.confidence import Belief, passes_needed
from lab.model.rate import Rate


@pytest.mark.parametrize(
    ("rate", "confidence", "passes"),
    [(0.2, 0.99, 21), (0.5, 0.99, 7), (0.5, 0.75, 2), (0.9, 0.99, 2), (1.0, 0.99, 1), (0.2, 0, 1)],
)
def test_passes_that_are_needed(rate: float, confidence: float, passes: int) -> None:
    assert passes_needed(rate, confidence) == passes
    assert (1 - rate) ** passes <= 1 - confidence + 1e-9


def test_without_another_candidate_the_answer_is_certain() -> None:
    assert Belief(Rate(1, 9), {}, []).probability == 1


def test_what_nothing_speaks_against_is_as_likely_as_the_answer() -> None:
    assert Belief(Rate(3, 3), {}, [set(), set(), set()]).probability == pytest.approx(1 / 4)


def test_two_passes_of_what_always_failed_are_enough() -> None:
    steady = Belief(Rate(8, 8), {"4": 2}, [{"4"}])
    assert 0.99 < steady.probability < 1


def test_three_failures_of_three_are_no_sign_that_it_always_fails() -> None:
    """What fails seven times in ten does that one time in three, and passes twice one in eleven."""
    seldom = Belief(Rate(3, 3), {"4": 2}, [{"4"}])
    assert seldom.probability < 0.98
    assert seldom.more_passes({"4"}, 0.99) == 2


def test_passes_of_what_fails_one_time_in_five_say_as_much_as_they_are() -> None:
    """With the rate known well: 0.8 ** n for a candidate beside the answer."""
    for passes in (1, 5, 21):
        belief = Belief(Rate(2000, 10000), {"4": passes}, [{"4"}])
        other = 0.8**passes
        assert belief.probability == pytest.approx(1 / (1 + other), rel=0.01)


def test_a_rate_that_is_known_badly_makes_an_answer_less_sure() -> None:
    well, badly = Rate(200, 1000), Rate(1, 5)
    sure = [Belief(rate, {"4": 21}, [{"4"}]).probability for rate in (well, badly)]
    assert sure[0] > 0.98 > sure[1]


def test_many_candidates_behind_one_pass_outweigh_it() -> None:
    """All of the half that one step ruled out by chance, against the one that is left."""
    belief = Belief(Rate(20, 100), {"512": 21}, [{"512"}] * 512)
    assert belief.probability < 0.2
    more = belief.more_passes({"512"}, 0.99)
    after = Belief(Rate(20, 100), {"512": 21 + more}, [{"512"}] * 512)
    before = Belief(Rate(20, 100), {"512": 20 + more}, [{"512"}] * 512)
    assert before.probability < 0.99 <= after.probability


def test_passes_of_several_points_count_together() -> None:
    one = Belief(Rate(20, 100), {"4": 10}, [{"4"}])
    two = Belief(Rate(20, 100), {"4": 10, "2": 10}, [{"4", "2"}])
    assert two.probability > one.probability


def test_nothing_more_is_asked_for_where_it_is_sure_or_would_never_be() -> None:
    assert Belief(Rate(9, 9), {"4": 2}, [{"4"}]).more_passes({"4"}, 0.99) == 0
    assert Belief(Rate(1, 9), {}, [set()]).more_passes({"4"}, 0.99) == 0
