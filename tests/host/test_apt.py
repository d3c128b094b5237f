# SPDX-License-Identifier: GPL-2.0-only
"""What apt has, and the kernel that is chosen by it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lab.host.apt import candidate_in, offers
from lab.plan import plan_variants
from tests.config.conftest import Project
from tests.trees.conftest import write_source
from tests.trees.test_apt import TOOLS, Archive

#: As apt 3.0 says it on Debian 13, asked for linux-source-6.1.
TRIXIE = """\
linux-source-6.12:
  Installed: (none)
  Candidate: 6.12.117-1
  Version table:
     6.12.117-1 500
        500 http://deb.example.org/debian trixie/main amd64 Packages
"""
NONE = "linux-source-6.1:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n"


@pytest.mark.parametrize(
    ("policy", "package", "candidate"),
    [
        (TRIXIE, "linux-source-6.12", "6.12.117-1"),
        (TRIXIE, "linux-source-6.1", None),
        (NONE, "linux-source-6.1", None),
        (NONE + TRIXIE, "linux-source-6.1", None),
        (NONE + TRIXIE, "linux-source-6.12", "6.12.117-1"),
        ("", "linux-source-6.1", None),
    ],
)
def test_the_candidate_is_that_of_the_very_name(
    policy: str, package: str, candidate: str | None
) -> None:
    assert candidate_in(policy, package) == candidate


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    write_source(tmp_path / "linux-6.1")
    archive = Archive(tmp_path / "apt", tmp_path / "linux-6.1")
    monkeypatch.setenv("APT_CONFIG", str(archive.folder / "apt.conf"))
    monkeypatch.setenv("DPKG_ADMINDIR", str(archive.folder / "dpkg"))
    return archive


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder)


FIRST = """
[kernels."6.12"]
kind = "apt"
package = "linux-source-6.12"

[kernels.distro]
kind = "first"
of = ["6.1", "6.12"]

[paths]
cache = "cache"
"""


@pytest.mark.slow
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="no apt here")
def test_a_plan_takes_what_the_distribution_has(archive: Archive, project: Project) -> None:
    project.append(FIRST)
    archive.publish("6.12.117-1", name="linux-source-6.12")
    archive.update()
    plan = plan_variants(project.load(), ["distro", "distro+bug", "6.12"])
    assert [str(job.variant) for job in plan.jobs] == ["6.12", "6.12+bug"]
    assert plan.describe()[1] == (
        "  distro is 6.12 on this machine: the first that it has of 6.1, 6.12"
    )
    archive.publish("6.1.7-1")
    archive.update()
    (project.root / "cache/apt.json").unlink()
    plan = plan_variants(project.load(), ["distro+bug"])
    assert [str(job.variant) for job in plan.jobs] == ["6.1+bug"]


@pytest.mark.slow
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="no apt here")
def test_an_installed_package_counts_and_what_apt_says_is_kept(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not offers("linux-source-6.1", tmp_path / "cache")
    archive.install("6.1.7-1")
    assert offers("linux-source-6.1", tmp_path / "other")
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("apt-cache", "dpkg-query"):
        (tmp_path / name).write_text("#!/bin/false\n")
        (tmp_path / name).chmod(0o755)
    assert offers("linux-source-6.1", tmp_path / "other")
