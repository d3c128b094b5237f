# SPDX-License-Identifier: GPL-2.0-only
"""``lab verify --coverage`` on a real kernel: the lines of the mail's patch, counted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lab.arch import ARCH
from tests.guest.conftest import KERNEL, Project
from tests.guest.qemu.test_counting import WITHOUT

pytestmark = pytest.mark.guest

BUGGY = f"{KERNEL}+reintroduce-bug"
#: What the test maps, in pages of 4 KiB.
PAGES = 1024
TEST = "mlock.shared-rw.4k"
WORDS = ("verify", "dax-populate", BUGGY, "-f", "ext4-dax", "-s", "mlock", "-k", TEST, "--coverage")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("coverage") / "project")


@pytest.fixture(scope="module")
def verified(project: Project) -> dict[str, Any]:
    return dict(project.json(*WORDS))


def lines(verified: dict[str, Any]) -> list[dict[str, Any]]:
    [kernel] = verified["kernels"]
    return [line for hunk in kernel["lines"]["hunks"] for line in hunk["lines"]]


def counts_of(verified: dict[str, Any], text: str, side: str) -> dict[str, int]:
    """How often a line ran in each test: the pattern picks others that end so, too."""
    [found] = [line[side] for line in lines(verified) if line["text"].strip() == text]
    return {test: count for (_, _, _, test), count in found["tests"]}


def state_of(verified: dict[str, Any], text: str, side: str) -> str:
    [found] = [line[side] for line in lines(verified) if line["text"].strip() == text]
    return str(found["state"])


def test_each_page_without_a_struct_page_goes_on_once(verified: dict[str, Any]) -> None:
    assert verified["kernels"][0]["verdict"] == "fixed"
    assert counts_of(verified, "goto next_page;", "patched")[TEST] == PAGES


def test_the_error_is_returned_without_the_series_alone(verified: dict[str, Any]) -> None:
    assert state_of(verified, "ret = -EFAULT;", "patched") == "never ran"
    assert state_of(verified, "ret = -EFAULT;", "base") == "ran in failing tests only"
    assert counts_of(verified, "ret = -EFAULT;", "base")[TEST] == 1


def test_a_guest_that_was_booted_counted_the_same(verified: dict[str, Any]) -> None:
    assert verified["kernels"][0]["lines"]["notes"] == []
    for job in verified["jobs"]:
        folder = Path(verified["folder"]) / Path(job["evidence"]["console_path"]).parent
        assert [use["state"] != "" for use in job["evidence"]["guests"]] == [True]
        # Once a build: it may be an earlier run's.
        assert not (folder / "cold").exists() or (folder / "cold" / "lines.counts").exists()


def test_lcov_and_json_are_kept(verified: dict[str, Any]) -> None:
    folder = Path(verified["folder"]) / "coverage"
    total = sum(counts_of(verified, "goto next_page;", "patched").values())
    assert f",{total}\n" in (folder / f"{BUGGY}.info").read_text()
    assert json.loads((folder / "coverage.json").read_text())[0]["kernel"] == BUGGY


def test_the_log_of_a_qemu_without_plugins_counts_the_same(
    project: Project, verified: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.which(ARCH.qemu)
    assert real is not None
    other = tmp_path / ARCH.qemu
    other.write_text(WITHOUT.format(real=real))
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    logged = project.json(*WORDS)
    [kernel] = logged["kernels"]
    assert "log" in kernel["lines"]["means"]
    assert (kernel["verdict"], kernel["lines"]["notes"]) == ("fixed", [])
    assert lines(logged) == lines(verified)
