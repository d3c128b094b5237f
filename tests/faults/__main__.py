# SPDX-License-Identifier: GPL-2.0-only
"""The long one, by hand."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from lab.config import load
from lab.plan import settled
from tests.faults.rounds import play
from tests.faults.world import ROOT, World, fake_world, guest_world


def main() -> int:
    """Play rounds; 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--world", choices=("fake", "guest", "both"), default="both")
    parser.add_argument("--fault", choices=("kill", "damage", "full"))
    parser.add_argument("--seconds", type=float, default=1e9, help="no round begins after it")
    asked = parser.parse_args()
    counts: Counter[str] = Counter()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lab-faults-") as name:
        makers = _makers(Path(name), asked.world)
        worlds = [make(0) for make in makers]
        for number in range(asked.seed, asked.seed + asked.rounds):
            if time.monotonic() - began > asked.seconds:
                break
            chance = Random(number)
            place = chance.randrange(len(worlds))
            played = play(worlds[place], chance, asked.fault)
            if played.found:
                # What is wrong in this one would be found again and again.
                worlds[place] = makers[place](number)
            counts["rounds"] += 1
            counts["with a finding"] += bool(played.found)
            print(f"{number}: {played.what}", *played.found, sep="\n    ! ", flush=True)
    print(dict(counts))
    return 1 if counts["with a finding"] else 0


def _makers(folder: Path, asked: str) -> list[Callable[[int], World]]:
    makers: list[Callable[[int], World]] = []
    if asked in ("fake", "both"):
        makers.append(lambda number: fake_world(folder / f"fake-{number}"))
    if asked in ("guest", "both"):
        kernel = settled(load(ROOT), "distro")
        makers.append(lambda number: guest_world(folder / f"guest-{number}", kernel))
    return makers


raise SystemExit(main())
