# SPDX-License-Identifier: GPL-2.0-only
"""``lab verify --each`` on a real kernel: a middle that does not build, an end that warns."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lab.session import Lab
from tests.guest.conftest import KERNEL, Project

pytestmark = pytest.mark.guest

FILE = "mm/mincore.c"
MARK = "static int mincore_hugetlb("
EDITS = (
    (MARK, f"static inline int lab_one(void)\n{{\n\treturn 1;\n}}\n\n{MARK}"),
    ("\treturn 1;\n}\n\n" + MARK, "\treturn lab_two;\n}\n\n" + MARK),
    (
        "static inline int lab_one(void)\n{\n\treturn lab_two;",
        "static int lab_one(void)\n{\n\treturn 2;",
    ),
)


def write_series(folder: Path, text: str) -> None:
    folder.mkdir()
    for number, (old, new) in enumerate(EDITS, 1):
        assert old in text
        scratch = folder / "scratch"
        for side, content in (("a", text), ("b", text := text.replace(old, new, 1))):
            (scratch / side / "mm").mkdir(parents=True, exist_ok=True)
            (scratch / side / FILE).write_text(content)
        command = ["git", "diff", "--no-index", "--no-prefix", "a", "b"]
        diff = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        subject = f"Subject: [PATCH {number}/3] mm: mincore: step {number}\n\n---\n"
        (folder / f"{number}.patch").write_text(subject + diff.stdout)
    (folder / "series").write_text("1.patch\n2.patch\n3.patch\n")


def test_a_series_whose_middle_does_not_build_is_told(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    patches = project.folder / "patches"
    real = patches.resolve()
    patches.unlink()
    patches.mkdir()
    for each in real.iterdir():
        (patches / each.name).symlink_to(each)
    tree = Lab.open(project.folder / "lab.toml").builder.tree(KERNEL).path
    write_series(patches / "steps", (tree / FILE).read_text())
    arguments = ("verify", "steps", KERNEL, "--each", "-s", "limits", "-f", "ext4-dax")
    done = project.lab(*arguments, "--json")
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    base, first, second, third = document["kernels"][0]["steps"]
    assert (base["builds"], base["boots"], base["warnings"]) == (True, True, None)
    assert (first["bad"], first["warnings"]["new"], first["turned"]) == ("", [], [])
    assert (second["bad"], second["boots"]) == ("does not build", None)
    assert "lab_two" in second["why"]
    assert (third["bad"], third["since"], third["warnings"]["since"]) == ("adds a warning", 1, 1)
    (warning,) = third["warnings"]["new"]
    assert warning.startswith(f"{FILE}:")
    assert "'lab_one' defined but not used" in warning
