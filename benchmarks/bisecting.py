# SPDX-License-Identifier: GPL-2.0-only
"""What a step of a bisection costs, beside the build and test of a kernel one file away.

Usage: bisecting.py [steps]

It makes a repository of LAB_BENCH_COMMITS commits (1024) over 6.1, with the bug of reintroduce-bug
put in at one of them, and has ``lab bisect`` find that.  Exit status 1: a row misses its limit.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from math import ceil, log2
from pathlib import Path
from statistics import median
from typing import Any

from bench import Part, Row, run
from made_history import GUP, History

from lab.bisect.of_test import OfTest
from lab.bisect.subjects.commits import open_commits
from lab.bisect.trier import Asked, GuestTrier
from lab.model.variant import Variant
from lab.session import Lab

ROOT = Path(__file__).resolve().parents[1]
LAB = Path(sys.executable).with_name("lab")
COMMITS = int(os.environ.get("LAB_BENCH_COMMITS", "1024"))
KERNEL, SERIES = "6.1", "reintroduce-bug"
TEST, FILESYSTEM, SUITE = "mlock.shared-rw.4k", "ext4-dax", "mlock"
#: The first of those that are one file apart brings its workbench near, and is not counted.
_BESIDE = 4


def steps() -> Iterator[Row]:
    """All steps of a bisection between its ends, and the dearest from the second on."""
    lab = Lab.open(ROOT / "lab.toml")
    with tempfile.TemporaryDirectory(prefix="lab-bench-", dir=lab.cache) as scratch:
        repository = Path(scratch) / "made"
        faulty = lab.builder.build_job(Variant(KERNEL, (SERIES,)), "default").overlay.files[GUP]
        assert faulty is not None
        history = History(lab.builder.tree(KERNEL), faulty.content, secrets.token_hex(4))
        history.write(repository, COMMITS, max(1, COMMITS * 700 // 1024), _BESIDE)
        document = _bisected(repository)
        costs = [
            one["build_s"] + one["test_s"] for one in document["steps"] if one["phase"] == "step"
        ]
        most = ceil(log2(COMMITS)) + 1
        words = ", ".join(f"{cost:.0f}" for cost in costs)
        part = f"steps to one of {COMMITS} commits, and s of each"
        yield Row(
            part, f"{len(costs)}: {words}", wanted=f"at most {most}", holds=len(costs) <= most
        )
        one = _one_file(lab, repository)
        part = "the dearest step from the second on"
        yield Row.against(part, max(costs[1:]), one, 1.5, what="one file's build and test")


def _bisected(repository: Path) -> Any:
    """The bisection as ``lab bisect --json`` has it; it has to find what was put in."""
    command = [
        *(str(LAB), "bisect", "-C", str(ROOT / "lab.toml"), "--tree", str(repository)),
        *("--good", "good", "--bad", "bad", "-k", TEST, "-f", FILESYSTEM, "-s", SUITE, "--json"),
    ]
    document = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    culprit = subprocess.run(
        ["git", "-C", repository, "rev-parse", "culprit"], check=True, capture_output=True
    )
    assert document["result"]["found"]["key"] == culprit.stdout.decode().strip()
    return document


def _one_file(lab: Lab, repository: Path) -> float:
    """Seconds of a step to a kernel that differs by one file from the one before it."""
    took = []
    with open_commits(lab, repository, ["good"], f"beside-{_BESIDE}") as subject:
        asked = Asked((FILESYSTEM,), (SUITE,))
        with closing(GuestTrier(subject, OfTest(TEST), asked, sys.argv, ahead=False)) as trier:
            for number in range(1, _BESIDE + 1):
                commit = subject.order.repository.resolve(f"beside-{number}")
                trials = list(trier.try_(subject.order.point(commit), 1))
                took.append(sum(one.build_s + one.test_s for one in trials))
    return median(took[1:])


PARTS: dict[str, Part] = {"steps": steps}


if __name__ == "__main__":
    sys.exit(run(PARTS, sys.argv[1:]))
