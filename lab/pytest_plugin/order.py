# SPDX-License-Identifier: GPL-2.0-only
"""Tests in the order in which a lab runs them: kernel by kernel, filesystem by filesystem."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import pytest

from lab.pytest_plugin import PLACE, takes_guest
from lab.pytest_plugin.places import Place


def put_in_order(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the items: what needs no guest stays where it is, before all others."""
    if hasattr(config, "workerinput"):
        raise pytest.UsageError("the lab has guests side by side itself: pytest -n 0")
    mine = [item for item in items if takes_guest(item)]
    others = [item for item in items if not takes_guest(item)]
    if config.getoption("lab_wire") is None:
        # Of one that runs nowhere here pytest makes a test that is skipped.
        nowhere = [item for item in mine if not isinstance(_place(item), Place)]
        if nowhere:
            config.hook.pytest_deselected(items=nowhere)
        mine = in_order(item for item in mine if item not in nowhere)
    items[:] = [*others, *mine]


def in_order(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """By where each runs, in the order in which the first of each came."""
    found = list(items)
    variants = _places_in(place_of(item).variant for item in found)
    filesystems = _places_in(place_of(item).filesystem for item in found)
    files = _places_in(item.path for item in found)

    def key(item: pytest.Item) -> tuple[int, ...]:
        place = place_of(item)
        return variants[place.variant], filesystems[place.filesystem], files[item.path]

    return sorted(found, key=key)


def _places_in(names: Iterable[Hashable]) -> dict[Any, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(names))}


def place_of(item: pytest.Item) -> Place:
    """Where a test runs."""
    place = _place(item)
    assert isinstance(place, Place)
    return place


def _place(item: pytest.Item) -> object:
    return item.callspec.params[PLACE]  # type: ignore[attr-defined]


def own_name(item: pytest.Item) -> str:
    """What the test is called without where it runs: ``test_x[4k]``."""
    name, place = item.nodeid.partition("::")[2], str(place_of(item))
    for part in (f"-{place}", f"{place}-"):
        if part in name:
            return name.replace(part, "", 1)
    return name.replace(f"[{place}]", "")
