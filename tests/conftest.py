# SPDX-License-Identifier: GPL-2.0-only
"""What several stages' tests share: a tiny kernel that ``make`` really builds, and programs."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.guest.qemu.tsc import host_tsc_khz
from lab.image.base import base_image
from lab.process.shelf import IMAGES, PROGRAMS
from lab.suites.c_compiler import compile_programs

FAKES = Path(__file__).parent / "fakes"
#: Files with guests that take longest: 145 to 15 s of CPU time.  The first two are one test
#: each, and who began such a one last would end long after all others.
LONGEST = (
    "test_mutants", "test_pytest_suite", "test_real", "test_complaints", "test_faults",
    "test_saved_state", "test_killed_lab", "test_verify", "test_hangs", "test_repro",
    "test_coverage",
)  # fmt: skip


#: Marks of few files.  Whoever asks for one alone does not wait until all others are read: that
#: takes each of xdist's workers seconds of CPU time.
RARE = ("browser", "guest")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files that do not name the one mark that is asked for."""
    asked = config.getoption("markexpr")
    if asked not in RARE or not collection_path.match("test_*.py"):
        return None
    return None if _names(collection_path, asked) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Guests' files that take long come first; all others stay in their order.

    Raises:
        UsageError: A test's file does not name its mark, and would be left out with that.
    """
    for item in items:
        for mark in RARE:
            if item.get_closest_marker(mark) and not _names(item.path, mark):
                raise pytest.UsageError(f"{item.path}: pytest.mark.{mark} is not in the file")
    items.sort(key=_place)


@functools.cache
def _names(path: Path, mark: str) -> bool:
    return f"pytest.mark.{mark}" in path.read_text()


def _place(item: pytest.Item) -> int:
    if item.path.stem in LONGEST and item.get_closest_marker("guest"):
        return LONGEST.index(item.path.stem)
    return len(LONGEST)


@pytest.fixture(scope="session", autouse=True)
def own_state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the lab keeps of its own failures must not be in the home of who tests it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def fake_kernel(tmp_path: Path) -> Path:
    """A folder that looks like a kernel's source and builds in a moment."""
    folder = tmp_path / "fake-kernel"
    shutil.copytree(FAKES / "kernel", folder)
    return folder


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with what most runs compile; it is only to be copied."""
    top = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        top = top.parent  # one for all workers: the lab has a lock for each program
    cache = top / "compiled"
    names = ("init", "ssh-waits.so", "dax-proof", "populate", "mlock")
    built = compile_programs(FAKES.parents[1] / "guest-tests", names, cache=cache)
    assert not built.failed
    base_image(cache)
    host_tsc_khz(cache)
    return cache


@pytest.fixture
def programs_at_hand(compiled: Path, tmp_path: Path) -> None:
    """The programs in the test's own cache: to compile them takes 2.5 s each time.

    And the guests' image, and what is measured of this host: 0.8 s.
    """
    cache = tmp_path / "cache"
    copy_programs(compiled, cache)
    shutil.copytree(compiled / IMAGES.folder, cache / IMAGES.folder)
    for answer in compiled.glob("*.json"):
        shutil.copy(answer, cache)


def copy_programs(compiled: Path, cache: Path) -> None:
    """Put them into a cache that has none."""
    place = Path(PROGRAMS.folder)
    shutil.copytree(compiled / place, cache / place)
