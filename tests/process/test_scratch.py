# SPDX-License-Identifier: GPL-2.0-only
"""Folders that appear whole or not at all."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from lab.process.lock import locked
from lab.process.scratch import scratch_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_appears_at_the_end(tmp_path: Path) -> None:
    final = tmp_path / "deep/final"
    with scratch_folder(final) as folder:
        assert folder.parent == final.parent
        assert folder.name.startswith(".final.")
        (folder / "file").write_text("whole")
        assert not final.exists()
    assert names(final.parent) == ["final"]
    assert (final / "file").read_text() == "whole"
    assert final.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_of_a_failure(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with scratch_folder(tmp_path / "final") as folder:
            (folder / "file").touch()
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == []


def test_an_older_one_stays_when_the_new_one_fails(tmp_path: Path) -> None:
    final = tmp_path / "final"
    with scratch_folder(final) as folder:
        (folder / "old").touch()
    with pytest.raises(ValueError), scratch_folder(final):
        raise ValueError
    assert names(final) == ["old"]


def test_an_older_one_is_replaced_as_a_whole(tmp_path: Path) -> None:
    final = tmp_path / "final"
    for name in ("old", "new"):
        with scratch_folder(final) as folder:
            (folder / name).touch()
    assert names(final) == ["new"]


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    final = tmp_path / "final"
    reached = multiprocessing.get_context("fork").Event()

    def hang() -> None:
        with scratch_folder(final) as folder:
            (folder / "half").touch()
            reached.set()
            multiprocessing.Event().wait()

    process = multiprocessing.get_context("fork").Process(target=hang)
    process.start()
    assert reached.wait(10)
    process.kill()
    process.join()
    (left,) = names(tmp_path)
    assert left.startswith(".final.")
    with scratch_folder(final):
        assert left not in names(tmp_path)
    assert names(tmp_path) == ["final"]


def test_others_beside_it_are_left_alone(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "b") as other:
        (other / "file").touch()
        with scratch_folder(tmp_path / "a"):
            pass
    assert (tmp_path / "b/file").exists()


def test_the_lock_that_is_held_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """Who waits for it would take this scratch for one that a killed process left."""
    lock = tmp_path / ".a.lock"
    with locked(lock), scratch_folder(tmp_path / "a"):
        assert lock.exists()
    assert lock.exists()


def test_the_scratch_of_a_longer_name_is_left_alone(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "v4.2") as longer:
        (longer / "work").touch()
        with scratch_folder(tmp_path / "v4"):
            pass
        assert (longer / "work").exists()
    assert (tmp_path / "v4.2/work").exists()


def test_all_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    final, synced = tmp_path / "final", []
    fsync = os.fsync

    def seen(fd: int) -> None:
        fsync(fd)
        synced.append(Path(os.readlink(f"/proc/self/fd/{fd}")))  # noqa: PTH115

    monkeypatch.setattr(os, "fsync", seen)
    with scratch_folder(final) as folder:
        (folder / "sub").mkdir()
        (folder / "sub/file").write_text("x")
        (folder / "link").symlink_to("nowhere")
    assert {path.relative_to(folder) for path in synced} == {
        Path(),
        Path("sub"),
        Path("sub/file"),
    }
