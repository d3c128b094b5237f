# SPDX-License-Identifier: GPL-2.0-only
"""A few rounds of ``python -m tests.faults``, of every kind one that once found something."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest

from lab.config import load
from lab.plan import settled
from tests.faults.injury import injure, victims
from tests.faults.rounds import play
from tests.faults.world import ROOT, World, fake_world, guest_world


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> World:
    return fake_world(tmp_path_factory.mktemp("fake"), ("build",))


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> World:
    kernel = settled(load(ROOT), "distro")
    folder = tmp_path_factory.mktemp("faults") / "guest"
    return guest_world(folder, kernel, (f"test {kernel} -s mlock -f ext4-dax -k *.4k",))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "seed", "victim"),
    [
        ("kill", 3, None),
        ("full", 5, None),
        # Nothing has to be made again but what is damaged.
        ("damage", 441, "builds/bzImage"),
        # Builds have to be, from what is damaged.
        ("damage", 13, "trees/tree.json"),
    ],
)
def test_a_build_that_something_happens_to(
    fake: World, fault: str, seed: int, victim: str | None
) -> None:
    played = play(fake, Random(seed), fault, victim)
    assert played.found == (), played.what


@pytest.mark.guest
@pytest.mark.parametrize(
    ("fault", "seed", "victim"), [("kill", 3, None), ("damage", 1, "states/ram")]
)
def test_a_run_that_something_happens_to(
    guest: World, fault: str, seed: int, victim: str | None
) -> None:
    played = play(guest, Random(seed), fault, victim)
    assert played.found == (), played.what


def test_an_injury_reaches_no_link(tmp_path: Path) -> None:
    """The scratch cache's tree is hard links to the one that people use."""
    (tmp_path / "cache").mkdir()
    mine, other = tmp_path / "cache" / "file", tmp_path / "other"
    for seed in range(30):
        other.write_bytes(b"content" * 50)
        mine.unlink(missing_ok=True)
        mine.hardlink_to(other)
        assert victims(tmp_path / "cache") == {"file/": [mine]}
        injure(mine, Random(seed))
        assert other.read_bytes() == b"content" * 50
    shutil.rmtree(tmp_path / "cache")
