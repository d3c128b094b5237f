# SPDX-License-Identifier: GPL-2.0-only
"""Folders that are removed, whatever is in them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.process.removal import remove_tree
from tests.rights import NOBODY, as_a_user

ROOT = Path(__file__).parents[2]
_REMOVE = """
import sys
from pathlib import Path
from lab.process.removal import remove_tree
remove_tree(Path(sys.argv[1]), all_of_it=sys.argv[2] == "all")
"""


def test_what_is_not_there_is_gone(tmp_path: Path) -> None:
    remove_tree(tmp_path / "none")
    remove_tree(tmp_path / "none", all_of_it=True)


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/link").symlink_to(tmp_path / "kept")
    remove_tree(tmp_path / "folder", all_of_it=True)
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove_tree(tmp_path / "link")
    with pytest.raises(OSError, match="is a symbolic link"):
        remove_tree(tmp_path / "link", all_of_it=True)
    assert (tmp_path / "kept").is_dir()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of a user's who must heed modes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "all/of/it").mkdir(parents=True)
        (folder / "all/of/it/file").touch()
        yield folder
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o700)


def removed(folder: Path, how: str = "some") -> subprocess.CompletedProcess[str]:
    command = as_a_user([sys.executable, "-c", _REMOVE, str(folder), how])
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["some", "all"])
def test_folders_that_nobody_may_look_into(place: Path, how: str) -> None:
    other = place / "other"
    other.mkdir(mode=0o500)
    (place / "all/link").symlink_to(other)
    for name in ("all/of/it", "all/of", "all"):
        (place / name).chmod(0)
    assert removed(place / "all", how).stderr == ""
    assert not (place / "all").exists()
    # What a link leads to keeps its mode.
    assert other.stat().st_mode & 0o777 == 0o500


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_cannot_be_removed_is_an_error_where_that_counts(place: Path) -> None:
    os.chown(place / "all/of", NOBODY, NOBODY)
    assert removed(place / "all").returncode == 0
    done = removed(place / "all", "all")
    assert "something of it cannot be removed" in done.stderr
