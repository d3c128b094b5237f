# SPDX-License-Identifier: GPL-2.0-only
"""Which ``lab.toml`` it is, where results go, and folders that are kernels."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.config import LoadedConfig, installed, load, with_folders
from lab.config.model import DirKernel
from lab.errors import UserError
from tests.config.conftest import Project

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working directory with no project above it, and a home."""
    folder = tmp_path / "elsewhere" / "below"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("LAB_CONFIG", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return folder


def made(folder: Path) -> Project:
    folder.mkdir(parents=True)
    return Project(folder)


def test_the_nearer_way_to_name_it_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, elsewhere: Path
) -> None:
    """``--file`` before LAB_CONFIG before the folders above before what came with the lab."""
    assert load().toml == ROOT / "lab.toml"
    above = Project(elsewhere.parent)
    assert load().toml == above.toml
    named = made(tmp_path / "named")
    monkeypatch.setenv("LAB_CONFIG", str(named.root))
    assert load().toml == named.toml
    asked = made(tmp_path / "asked")
    assert load(asked.toml).toml == asked.toml
    assert [load().found, load(asked.toml).found] == ["", ""]


def test_what_came_with_the_lab_is_told() -> None:
    assert str(ROOT / "lab.toml") in load().found
    assert load().results == ROOT / "results"


def test_a_variable_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CONFIG", "/nowhere")
    with pytest.raises(UserError, match="no such file") as caught:
        load()
    assert caught.value.where == "LAB_CONFIG=/nowhere"


def test_nothing_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installed, "_PACKAGE", tmp_path / "site-packages" / "lab")
    with pytest.raises(UserError, match=r"there is no lab\.toml here nor in any folder above"):
        load()


def test_results_of_a_project_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project = made(tmp_path / "shared")
    assert project.load().results == project.root / "results"
    # Root can write everywhere: what it would be told is not what others are.
    monkeypatch.setattr(os, "access", lambda path, _: path != project.root)
    results = project.load().results
    assert results.is_relative_to(tmp_path / "home/.local/share/lab")
    assert results.parent.name.startswith("shared-")
    assert project.load().notes == (f"results are in {results}",)
    project.append(f'[paths]\nresults = "{tmp_path}/mine"\n')
    assert project.load().results == tmp_path / "mine"
    assert project.load().notes == ()


def test_a_package_keeps_nothing_of_a_user_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is in site-packages goes with the next upgrade."""
    project = made(tmp_path / "site-packages" / "lab" / "project")
    monkeypatch.setattr(installed, "_PACKAGE", project.root.parent)
    assert load().toml == project.toml
    assert load().results == tmp_path / "home/.local/share/lab/results"
    local = tmp_path / "home/.config/lab/lab.local.toml"
    local.parent.mkdir(parents=True)
    local.write_text("guests = 3\n")
    assert load().config.guests == 3


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedConfig:
    return made(tmp_path / "project").load()


def tree(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("Makefile", "Kconfig", "Kbuild"):
        (folder / name).touch()
    return folder


def test_a_folder_is_a_kernel(
    loaded: LoadedConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linux = tree(tmp_path / "home" / "linux")
    monkeypatch.chdir(linux)
    spellings = [".", ".+bug", "../linux+bug+mend", str(linux), "~/linux", "6.1"]
    more, names = with_folders(loaded, spellings)
    assert names == ("linux", "linux+bug", "linux+bug+mend", "linux", "linux", "6.1")
    assert more.config.kernels["linux"] == DirKernel(kind="dir", path=linux)
    assert "linux" not in loaded.config.kernels
    assert str(more.locate("kernels", "linux", "path")) == str(linux)
    more.require("kernel", "linux")


def test_a_folder_that_lab_toml_names(tmp_path: Path) -> None:
    project = made(tmp_path / "project")
    linux = tree(tmp_path / "src" / "linux")
    project.append('[kernels.mine]\nkind = "dir"\npath = "../src/linux"\n')
    loaded = project.load()
    assert with_folders(loaded, [f"{linux}+bug"]) == (loaded, ("mine+bug",))


def test_names_that_are_taken_or_none(loaded: LoadedConfig, tmp_path: Path) -> None:
    folders = ("a/old", "b/old", "my tree", "linux-6.1+dfsg", "_")
    paths = [str(tree(tmp_path / name)) for name in folders]
    _, names = with_folders(loaded, [f"{path}+bug" for path in paths])
    assert names == ("a-old+bug", "b-old+bug", "my-tree+bug", "linux-6.1-dfsg+bug", names[-1])
    assert names[-1].endswith("+bug")
    assert not names[-1].startswith("+")


@pytest.mark.parametrize("name", ["none", "none+bug", "empty"])
def test_what_is_no_kernel(loaded: LoadedConfig, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no such folder|no kernel's source") as caught:
        with_folders(loaded, [f"{tmp_path}/{name}"])
    assert str(tmp_path / name.partition("+")[0]) == str(caught.value.where)


def test_a_folder_within_a_tree(loaded: LoadedConfig, tmp_path: Path) -> None:
    below = tree(tmp_path / "linux") / "mm"
    below.mkdir()
    os.chdir(below)
    with pytest.raises(UserError) as caught:
        with_folders(loaded, ["."])
    assert str(tmp_path / "linux") in str(caught.value.hint)
