# SPDX-License-Identifier: GPL-2.0-only
"""``--tree DIR`` as a user meets it: commits where a series is wanted; no guest boots."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_cli import lab
from tests.cli.test_cli import project as project  # a fixture
from tests.patches.test_commits import commit, git

pytestmark = pytest.mark.slow


@pytest.fixture
def linux(fake_kernel: Path, tmp_path: Path) -> Path:
    """The fake kernel in a repository, and a commit that adds a file which "fake" has not."""
    folder = fake_kernel.rename(tmp_path / "linux")
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "mm/extra.c", "int extra;\n", "Linux 6.1")
    fake_kernel.mkdir()
    git(folder, "--work-tree", str(fake_kernel), "checkout", "-q", "main", "--", ".")
    (fake_kernel / "mm/extra.c").unlink()
    git(folder, "read-tree", "HEAD")
    commit(folder, "mm/extra.c", "int extra = 1;\n", "mm: set extra")
    return folder


def test_a_commit_is_verified_on_its_parent(project: Path, linux: Path) -> None:
    base = git(linux, "rev-parse", "main~1")[:12]
    done = lab(project, "verify", "main", "--tree", str(linux), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"  {base} (config default)" in done.stdout
    assert f"  {base}+mm-set-extra (config default)" in done.stdout
    assert done.stderr == (
        f"lab: the series would be kept as mm-set-extra: {project}/patches/mm-set-extra\n"
    )
    # Kernels that are named are taken instead.
    done = lab(project, "verify", "main", "--tree", str(linux), "fake", "--dry-run")
    assert base not in done.stdout
    assert "  fake+mm-set-extra (config default)" in done.stdout


def test_it_is_kept_and_verified_again_by_name(project: Path, linux: Path) -> None:
    done = lab(project, "verify", "main~1..main", "--tree", str(linux), "fake")
    assert done.returncode == 1, done.stderr
    assert "does not apply" in done.stdout
    assert "is kept as mm-set-extra" in done.stderr
    again = lab(project, "verify", "mm-set-extra", "--dry-run")
    assert again.returncode == 0, again.stderr
    base = git(linux, "rev-parse", "main~1")[:12]
    assert f"  {base}+mm-set-extra (config default)" in again.stdout
    linux.rename(linux.with_name("gone"))
    gone = lab(project, "verify", "mm-set-extra", "--dry-run")
    assert gone.returncode == 2
    assert "no kernel is named" in gone.stderr


def test_a_series_and_a_commit_are_told_apart(project: Path, linux: Path) -> None:
    done = lab(project, "verify", "fix", "--tree", str(linux))
    assert done.returncode == 2
    assert f"fix is a series, and no commit of {linux}" in done.stderr
    git(linux, "branch", "fix")
    done = lab(project, "verify", "fix", "--tree", str(linux))
    assert done.returncode == 2
    assert f"fix is a series as well as a ref of {linux}" in done.stderr
    done = lab(project, "verify", "heads/fix", "--tree", str(linux), "--dry-run")
    assert done.returncode == 0, done.stderr


def test_a_commit_against_older_kernels(project: Path, linux: Path) -> None:
    """Its parent is tested beside them; what is not on this machine is told, and left out."""
    with (project / "lab.toml").open("a") as config:
        config.write(
            '[kernels.far]\nkind = "git"\nurl = "https://kernel.invalid/x.git"\nref = "master"\n'
        )
    base = git(linux, "rev-parse", "main~1")[:12]
    done = lab(project, "verify", "main", "--tree", str(linux), "--stable", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[1:5]] == [
        base, f"{base}+mm-set-extra", "fake", "fake+mm-set-extra",
    ]  # fmt: skip
    assert "lab: not here, and not asked about: far\n" in done.stderr
    # A name is that of a series, and the repository is asked of its commits.
    done = lab(project, "verify", "fix", "--tree", str(linux), "--stable", "fake", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[1:3]] == ["fake", "fake+fix"]
