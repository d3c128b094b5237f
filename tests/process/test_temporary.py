# SPDX-License-Identifier: GPL-2.0-only
"""Folders for a moment: gone when their maker is, kept while it lives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.execution.postmortem import keep, own_folder
from lab.execution.postmortem import left_behind as guests_left_behind
from lab.process.temporary import _sweep_once, left_behind, temporary_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _sweep_once.cache_clear()
    return tmp_path


@contextmanager
def another_lab(line: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is in such a block; killed -9 at the end of this one."""
    code = f"{line}\n    print('in', flush=True)\n    input()\n"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in\n"
        yield process
        process.kill()


TEMPORARY = "from lab.process.temporary import *\nwith temporary_folder('patch'):"
GUEST = (
    "import sys\nfrom pathlib import Path\nfrom lab.execution.postmortem import own_folder\n"
    "with own_folder(Path({!r})):"
)


def test_gone_with_its_block(place: Path) -> None:
    with temporary_folder("patch") as folder:
        (folder / "file").write_text("")
        assert folder.name.startswith("lab-tmp-patch-")
        assert list(left_behind()) == []
    assert list(place.iterdir()) == []


def deep(folder: Path) -> None:
    """What Python's own rmtree does not come to the end of."""
    # By their names: a path of so many is longer than any may be.
    at = os.open(folder, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


def test_folders_upon_folders_go_as_well(place: Path) -> None:
    with temporary_folder("patch") as folder:
        deep(folder)
    assert list(place.iterdir()) == []
    (place / "lab-tmp-patch-left").mkdir()
    deep(place / "lab-tmp-patch-left")
    _sweep_once.cache_clear()
    with temporary_folder("patch") as folder:
        assert list(place.iterdir()) == [folder]


@pytest.mark.slow
def test_a_killed_lab_s_goes_and_a_living_one_s_stays(place: Path) -> None:
    with another_lab(TEMPORARY):
        assert list(left_behind()) == []
        with temporary_folder("mkfs"):
            pass
        (killed,) = place.iterdir()
    assert list(left_behind()) == [killed]
    _sweep_once.cache_clear()
    with temporary_folder("mkfs"):
        assert not killed.exists()


def test_what_is_another_s_or_no_folder_is_left_alone(place: Path) -> None:
    (place / "outside").mkdir()
    (place / "lab-tmp-link").symlink_to(place / "outside")
    (place / "lab-tmp-file").write_text("")
    (place / "lab-patch-old").mkdir()
    assert list(left_behind()) == []
    if os.geteuid() == 0:
        (place / "lab-tmp-theirs").mkdir()
        os.chown(place / "lab-tmp-theirs", 65534, 65534)
        assert list(left_behind()) == []


@pytest.mark.slow
def test_a_killed_boot_s_folder_goes_and_a_kept_one_stays(place: Path) -> None:
    with own_folder(place) as kept:
        keep(kept)
    with another_lab(GUEST.format(str(place))):
        assert list(guests_left_behind(place)) == []
        with own_folder(place):
            pass
        (killed,) = (path for path in place.iterdir() if path != kept)
    assert list(guests_left_behind(place)) == [killed]
    with own_folder(place) as mine:
        pass
    assert (kept.exists(), killed.exists(), mine.exists()) == (True, False, False)
