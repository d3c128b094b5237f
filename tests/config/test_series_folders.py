# SPDX-License-Identifier: GPL-2.0-only
"""Series that are a folder and no table."""

from __future__ import annotations

import pytest

from lab.config import variant_problems
from lab.config.model import Series
from tests.config.conftest import Project


def series_file(project: Project, folder: str) -> None:
    path = project.root / "patches" / folder / "series"
    path.parent.mkdir()
    path.touch()


def test_a_folder_with_a_series_file_is_one(project: Project) -> None:
    series_file(project, "mine")
    config = project.load().config
    assert list(config.series) == ["bug", "mend", "mine"]
    assert config.series["mine"] == Series(description="", kernels=(), tests=("*",))
    assert list(variant_problems(config, "6.1+mine")) == []


def test_a_matrix_may_name_it(project: Project) -> None:
    series_file(project, "mine")
    project.change('"6.1+bug"', '"6.1+mine"')
    assert "6.1+mine" in project.load().config.matrix["default"].variants


def test_a_table_says_more(project: Project) -> None:
    series_file(project, "mine")
    project.append('\n[series.mine]\nkernels = ["6.1"]\n')
    assert project.load().config.series["mine"] == Series(kernels=("6.1",))


@pytest.mark.parametrize("folder", ["a+b", ".hidden", "-p0"])
def test_what_is_no_name_is_no_series(project: Project, folder: str) -> None:
    series_file(project, folder)
    assert list(project.load().config.series) == ["bug", "mend"]


def test_nor_is_a_folder_without_the_file(project: Project) -> None:
    (project.root / "patches/toolchain").mkdir()
    assert list(project.load().config.series) == ["bug", "mend"]
