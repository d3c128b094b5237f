# SPDX-License-Identifier: GPL-2.0-only
"""One round: a fault, and what must be so after it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from lab.process.cache_use import projects_of
from tests.faults.injury import injure, victims
from tests.faults.world import Ended, World, ended, name_of

FAULTS = ("kill", "kill", "damage", "damage", "full")
#: What a round with a lab that was killed, or a command that had no room, may end with.
_ERRORS = (2, 3)
#: How often a part of the cache has to be made in a round.
_FORGOTTEN = 0.4
#: How often a kill waits until the lab has started something that can be killed.
_AMONG_OTHERS = 0.6


@dataclass(frozen=True)
class Round:
    """What was done, and what was wrong afterwards; nothing, when all is as it must be."""

    what: str
    found: tuple[str, ...]


def play(
    world: World, chance: Random, fault: str | None = None, victim: str | None = None
) -> Round:
    """One round; the world is as it was afterwards.

    Args:
        fault: One of FAULTS, by chance without.
        victim: What is damaged, as victims() calls it, by chance without.
    """
    fault = fault or chance.choice(FAULTS)
    command = chance.choice(world.commands)
    for name in world.soon_made:
        if chance.random() < _FORGOTTEN:
            shutil.rmtree(world.cache / name, ignore_errors=True)
    if fault == "kill":
        what, found = _kill(world, command, chance)
    elif fault == "full":
        what, found = _full(world, command, chance)
    else:
        what, found = _damage(world, command, chance, victim)
    found += [f"still runs: {line}" for line in world.all_gone()]
    found += _again(world, command)
    found += _tidy(world)
    return Round(f"{fault} {command}: {what}", tuple(found))


def _kill(world: World, command: str, chance: Random) -> tuple[str, list[str]]:
    process = world.start(command)
    if chance.random() < _AMONG_OTHERS:
        running = _with_others(world, process, world.seconds[command], chance)
    else:
        time.sleep(chance.uniform(0, world.seconds[command] * 1.1))
        running = _running(world)
    name = chance.choice(sorted({"lab", *running.values()}))
    pids = [pid for pid, known in running.items() if known == name] or [process.pid]
    pid = process.pid if name == "lab" and chance.random() < 0.7 else chance.choice(pids)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        name = "nothing"
    done = ended(process)
    killed = pid == process.pid and name != "nothing"
    return f"killed {name}", [] if killed else list(_wrong(world, command, done, "the command"))


def _running(world: World) -> dict[int, str]:
    return {pid: name_of(pid) for pid in world.processes()}


def _with_others(
    world: World, process: subprocess.Popen[str], seconds: float, chance: Random
) -> dict[int, str]:
    """What runs a moment after the lab has started something."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        if {"lab", "keeper"} < set((running := _running(world)).values()):
            time.sleep(chance.choice((0.0, chance.uniform(0, seconds / 2))))
            return _running(world) or running
        time.sleep(0.005)
    return _running(world)


def _full(world: World, command: str, chance: Random) -> tuple[str, list[str]]:
    """No file may be larger than this (setrlimit(2)); a write beyond it is refused."""
    size = int(10 ** chance.uniform(2, 7.5))
    done = world.run(command, ("prlimit", f"--fsize={size}"))
    return f"files of {size} bytes at most", list(_wrong(world, command, done, "the command"))


def _damage(
    world: World, command: str, chance: Random, victim: str | None
) -> tuple[str, list[str]]:
    kinds = {**victims(world.cache, world.spared), **victims(world.results)}
    path = chance.choice(kinds[victim or chance.choice(sorted(kinds))])
    kept = world.folder / "kept"
    _copy(path, kept)
    how = injure(path, chance)
    done = world.run(command)
    found = list(_wrong(world, command, done, "the command"))
    if done.status != 0:
        # It said so: who is told mends it.
        path.parent.mkdir(parents=True, exist_ok=True)
        for beside in path.parent.glob(f"{path.name}-*"):
            beside.unlink() if path.name == "lab.db" else None
        _copy(kept, path)
    kept.unlink()
    return f"{path.relative_to(world.folder)} {how}, status {done.status}", found


def _copy(path: Path, to: Path) -> None:
    subprocess.run(["cp", "-p", "--sparse=always", path, to], check=True)


def _wrong(world: World, command: str, done: Ended, who: str) -> Iterator[str]:
    """What is not to be so, whatever happened."""
    if done.raw:
        yield f"{who}: {done.raw}: {(done.out + done.err)[-1500:]}"
    elif done.status == 0:
        yield from _not_right(world, command, done, who)
    elif done.status not in _ERRORS:
        yield f"{who}: status {done.status}: {(done.out[-600:] + done.err)[-1500:]}"
    elif "results" in done.out and done.out.startswith("{"):
        yield from _wrong_words(world, command, done, who)
    elif not done.err.strip() and not done.out.strip():
        yield f"{who}: status {done.status} without a word"


def _not_right(world: World, command: str, done: Ended, who: str) -> Iterator[str]:
    try:
        given = world.digest(json.loads(done.out))
    except ValueError:
        yield f"{who}: status 0, and no JSON: {done.out[-300:]!r}"
        return
    if not command.startswith("gc") and given != world.right[command]:
        yield f"{who}: {_differ(world.right[command], given)}"


def _differ(right: Any, given: Any) -> str:
    if isinstance(right, list) and isinstance(given, list):
        lost = [one for one in right if one not in given][:3]
        more = [one for one in given if one not in right][:3]
        return f"not what it gives without a fault: lacks {lost}, has {more}"
    return f"not what it gives without a fault: {given}"


def _wrong_words(world: World, command: str, done: Ended, who: str) -> Iterator[str]:
    """Results that blame the kernel for a fault of ours."""
    try:
        rows = json.loads(done.out).get("results", [])
    except ValueError:
        return
    known = world.right.get(command)
    right = {one[:2]: one[2] for one in known} if isinstance(known, list) else {}
    for row in rows:
        was = right.get((row["filesystem"], row["test"]))
        if row["status"] not in ("error", was):
            yield f"{who}: {row['test']} is {row['status']}: {row['message'][:200]}"
            return


def _again(world: World, command: str) -> list[str]:
    done = world.run(command)
    found = list(_wrong(world, command, done, "again"))
    if done.status != 0 and not found:
        found = [f"again: status {done.status}: {(done.out[-300:] + done.err)[-1200:]}"]
    return found


def _tidy(world: World) -> list[str]:
    done = world.run("gc --budget 1T")
    found = list(_wrong(world, "gc --budget 1T", done, "gc"))
    left = [str(path) for path in world.temporary.iterdir()]
    found += [f"gc leaves {path}" for path in left]
    for path in left:
        shutil.rmtree(path, ignore_errors=True) if Path(path).is_dir() else Path(path).unlink()
    listed = world.run("runs")
    found += list(_wrong(world, "gc", listed, "runs"))
    assert len(projects_of(world.cache)) <= 1
    return found
