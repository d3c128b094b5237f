# SPDX-License-Identifier: GPL-2.0-only
"""Which worker makes which build."""

from __future__ import annotations

import threading

from lab.execution.cluster import placing
from lab.execution.cluster.host import BUILD, HostFacts
from lab.execution.cluster.placing import Placing

HOSTS = {name: HostFacts(offers={BUILD: 1.0}) for name in ("a", "b")}
ONE, TWO, THREE = ("6.1", "c"), ("v4.1", "c"), ("v4.2", "c")


def test_a_build_goes_where_its_like_is_made() -> None:
    """However many wait there for these objects; another kernel's goes to whoever is free."""
    placed = Placing()
    home = placed.take(ONE, HOSTS, 0.0)
    assert [placed.take(ONE, HOSTS, 0.0) for _ in range(placing._STEPS - 1)] == (
        [home] * (placing._STEPS - 1)
    )
    other = placed.take(TWO, HOSTS, 0.0)
    assert {home, other} == set(HOSTS)
    assert placed.take(TWO, HOSTS, 0.0) == other


def test_what_has_no_like_waits_for_whoever_is_free_first() -> None:
    placed = Placing()
    first, second = placed.take(ONE, HOSTS, 0.0), placed.take(TWO, HOSTS, 0.0)
    assert None not in (first, second)
    assert placed.take(THREE, HOSTS, 0.0) is None
    came: list[str | None] = []
    waiting = threading.Thread(target=lambda: came.append(placed.take(THREE, HOSTS, 60.0)))
    waiting.start()
    placed.leave(str(second))
    waiting.join(60.0)
    assert came == [second]


def test_too_many_of_a_kernel_are_made_from_nothing_on_others() -> None:
    """If one is free: the objects are there then, too."""
    placed = Placing()
    home = placed.take(ONE, HOSTS, 0.0)
    for _ in range(placing._STEPS - 1):
        placed.take(ONE, HOSTS, 0.0)
    other = placed.take(ONE, HOSTS, 0.0)
    assert {home, other} == set(HOSTS)
    assert placed.take(ONE, HOSTS, 0.0) == other
    assert placed.take(TWO, HOSTS, 0.0) is None


def test_a_home_that_is_gone_is_nobodys() -> None:
    placed = Placing()
    home = str(placed.take(ONE, HOSTS, 0.0))
    left = {name: facts for name, facts in HOSTS.items() if name != home}
    assert placed.take(ONE, left, 0.0) in left
