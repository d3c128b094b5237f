# SPDX-License-Identifier: GPL-2.0-only
"""``lab patch base`` as a user meets it: nothing is downloaded, built or booted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.process import run
from tests.cli.test_cli import lab
from tests.cli.test_cli import project as project  # a fixture
from tests.patches.test_commits import commit, git

pytestmark = pytest.mark.slow

FAR = """
[kernels.far]
kind = "git"
url = "https://kernel.invalid/linux.git"
ref = "master"

[kernels.either]
kind = "first"
of = ["fake", "far"]
"""


@pytest.fixture
def patched(project: Path, fake_kernel: Path, tmp_path: Path) -> Path:
    """The project with a kernel that is not here, and a patch; beside it, the kernel in git."""
    linux = tmp_path / "linux"
    git(tmp_path, "init", "-q", "-b", "main", str(linux))
    run(["cp", "-a", f"{fake_kernel}/.", str(linux)])
    commit(linux, "mm/extra.c", "int extra;\n", "Linux 6.1")
    commit(linux, "mm/extra.c", "int extra = 1;\n", "mm: set extra")
    run(["cp", str(linux / "mm/extra.c"), str(fake_kernel / "mm/extra.c")])
    (project / "patches/fix/fix.patch").write_text(git(linux, "show", "--full-index") + "\n")
    (project / "patches/fix/series").write_text("fix.patch\n")
    with (project / "lab.toml").open("a") as config:
        config.write(FAR)
    return linux


def test_a_line_a_kernel_and_the_ones_that_are_not_here(
    project: Path, patched: Path, fake_kernel: Path
) -> None:
    done = lab(project, "patch", "base", "fix")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "fake  already in  by content\nnot here: far  (lab fetch brings them)\n"
    (fake_kernel / "mm/extra.c").write_text("int extra;\n")
    assert "fake  clean  exact blobs\n" in lab(project, "patch", "base", "fix").stdout
    (fake_kernel / "mm/extra.c").write_text("long extra;\n")
    done = lab(project, "patch", "base", "fix", "fake")
    assert done.returncode == 1
    assert done.stdout.startswith("fake  refused  hunk 1 of mm/extra.c does not apply: ")


def test_where_no_tree_is_here(project: Path, patched: Path) -> None:
    done = lab(project, "patch", "base", "fix", "far")
    assert done.returncode == 2
    assert "the tree of none of these kernels is here\n  try: lab fetch far\n" in done.stderr
    assert "no series is named 'fxi'" in lab(project, "patch", "base", "fxi").stderr
    assert "no kernel is named 'fra'" in lab(project, "patch", "base", "fix", "fra").stderr


def test_the_history_of_a_repository(project: Path, patched: Path) -> None:
    ids = git(patched, "rev-list", "main").split()
    done = lab(project, "patch", "base", "fix", "--tree", str(patched))
    assert done.returncode == 0, done.stderr
    assert f'  first     {ids[1][:12]} ("Linux 6.1"), ' in done.stdout
    assert f'  ended by  {ids[0][:12]} ("mm: set extra"), ' in done.stdout
    (row,) = json.loads(
        lab(project, "patch", "base", "fix", "--json", "--tree", str(patched)).stdout
    )["tree"]
    assert (row["first"], row["last"], row["ended_by"]) == (ids[1], ids[1], ids[0])


def test_the_commit_by_which_a_kernel_has_it(
    project: Path, patched: Path, fake_kernel: Path
) -> None:
    """A kernel that is no git tree is looked up by its version's tag."""
    makefile = (patched / "Makefile").read_text()
    fields = dict(line.split(" = ") for line in makefile.splitlines() if " = " in line)
    version = f"v{fields['VERSION']}.{fields['PATCHLEVEL']}.{fields.get('SUBLEVEL', '0')}"
    git(patched, "tag", version)
    done = lab(project, "patch", "base", "fix", "fake", "--tree", str(patched), "--json")
    (row,) = json.loads(done.stdout)["kernels"]
    assert row["standing"] == "already in"
    assert (row["commit"], row["found"]) == (git(patched, "rev-parse", "main"), "by its patch-id")
    # What came later may have changed its lines: it is in all the same.
    (fake_kernel / "mm/extra.c").write_text("long extra;\n")
    done = lab(project, "patch", "base", "fix", "fake", "--tree", str(patched))
    assert done.returncode == 0, done.stderr
    assert f"fake  already in  as {row['commit'][:12]} (" in done.stdout
