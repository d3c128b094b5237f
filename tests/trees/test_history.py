# SPDX-License-Identifier: GPL-2.0-only
"""Which repository is on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.config.model import GitKernel
from lab.model.url import Url
from lab.trees.history import repository_here


@pytest.mark.parametrize(
    "url", ["a b", "./a b", "{root}/a b", "file://{root}/a%20b", "file://localhost{root}/a%20b"]
)
def test_a_folder_by_its_path_or_its_url(tmp_path: Path, url: str) -> None:
    (tmp_path / "a b").mkdir()
    kernel = GitKernel(kind="git", url=Url(url.format(root=tmp_path)), ref="main")
    found = repository_here(kernel, tmp_path)
    assert found is not None
    assert found.resolve() == tmp_path / "a b"


@pytest.mark.parametrize(
    "url",
    ["none", "https://host{root}/here", "host:{root}/here", "file://host{root}/here",
     "file://{root}/none"],
)  # fmt: skip
def test_what_is_elsewhere(tmp_path: Path, url: str) -> None:
    (tmp_path / "here").mkdir()
    kernel = GitKernel(kind="git", url=Url(url.format(root=tmp_path)), ref="main")
    assert repository_here(kernel, tmp_path) is None
