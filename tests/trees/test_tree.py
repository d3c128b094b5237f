# SPDX-License-Identifier: GPL-2.0-only
"""What a tree has in common with others: only what is built in one place may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.model.version import KernelVersion
from lab.trees import Tree

ONE, OTHER = "1" * 40, "2" * 40
HERE = "/home/me/linux"


def _tree(kernel: str, identity: str, url: str = HERE, patchlevel: int = 1) -> Tree:
    version = KernelVersion(6, patchlevel, 7)
    return Tree(kernel, Path("source"), identity, version, Path("manifest"), {"url": url})


def test_commits_of_one_repository_are_of_one_family() -> None:
    one, other = _tree(ONE[:12], f"git:{ONE}"), _tree(OTHER[:12], f"git:{OTHER}")
    assert one.family == other.family
    assert one.family.startswith("commits-")


@pytest.mark.parametrize(
    "other",
    [
        _tree(OTHER[:12], f"git:{OTHER}", url="/home/you/linux"),
        _tree(OTHER[:12], f"git:{OTHER}", patchlevel=2),
    ],
    ids=["another repository", "another version"],
)
def test_others_are_of_another(other: Tree) -> None:
    assert other.family != _tree(ONE[:12], f"git:{ONE}").family


@pytest.mark.parametrize("identity", [f"git:{ONE}", f"dir:{ONE}", "apt:linux-source-6.1=6.1.7-1"])
def test_a_kernel_with_a_name_is_its_own_family(identity: str) -> None:
    assert _tree("6.1", identity).family == "6.1"
    assert _tree(OTHER[:12], identity).family == OTHER[:12]


def test_only_a_commit_is_of_its_repository() -> None:
    assert _tree(ONE[:12], f"dir:{ONE}").family == ONE[:12]
