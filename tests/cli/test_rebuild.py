# SPDX-License-Identifier: GPL-2.0-only
"""``lab patch rebuild`` as a user meets it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lab.trees import blob_digest
from tests.cli.test_cli import lab
from tests.cli.test_cli import project as project  # a fixture

pytestmark = pytest.mark.slow

BEFORE = "// SPDX-License-Identifier: GPL-2.0-only\nint gup(void)\n{\n\treturn 0;\n}\n"
AFTER = BEFORE.replace("\treturn 0;\n", "\tif (!pages)\n\t\treturn -EFAULT;\n\n\treturn 0;\n")


def mail(project: Path, after: str = AFTER) -> Path:
    """A mail without its white space, and with a tree that it is for."""
    digests = f"{blob_digest(BEFORE.encode())[:12]}..{blob_digest(after.encode())[:12]}"
    path = project / "mail.txt"
    path.write_text(f"""\
[PATCH] mm: no pages
diff --git a/mm/gup.c b/mm/gup.c
index {digests} 100644
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -1,5 +1,8 @@
int gup(void)
{{
+ if (!pages)
+ return -EFAULT;
return 0;
}}
""")
    return path


@pytest.fixture
def gup(project: Path, fake_kernel: Path) -> Path:
    """The project, whose kernel has that file."""
    assert (fake_kernel / "mm" / "gup.c").read_text() == BEFORE
    mail(project)
    return project


def test_proved(gup: Path, tmp_path: Path) -> None:
    done = lab(gup, "patch", "rebuild", "mail.txt", "fake")
    assert done.returncode == 0
    assert "proved" in done.stderr.splitlines()
    assert "line 9: indented by 1 tab, as the lines around it imply" in done.stderr
    tree = tmp_path / "elsewhere"
    (tree / "mm").mkdir(parents=True)
    (tree / "mm" / "gup.c").write_text(BEFORE)
    subprocess.run(["git", "apply"], cwd=tree, input=done.stdout, text=True, check=True)
    assert (tree / "mm" / "gup.c").read_text() == AFTER


def test_into_a_file(gup: Path) -> None:
    printed = lab(gup, "patch", "rebuild", "mail.txt", "fake").stdout
    done = lab(gup, "patch", "rebuild", "mail.txt", "fake", "-o", "fix.patch")
    assert (done.returncode, done.stdout) == (0, "")
    assert (gup / "fix.patch").read_text() == printed


def test_not_proved(gup: Path) -> None:
    mail(gup, AFTER + "// other\n")
    done = lab(gup, "patch", "rebuild", "mail.txt", "fake", "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 1
    assert said["result"] == "rebuilt, not proved"
    assert said["files"][0]["why"].startswith("none of ")
    assert "+\t\treturn -EFAULT;\n+\n" in said["patch"]


def test_cannot(gup: Path) -> None:
    path = gup / "mail.txt"
    path.write_text(path.read_text().replace("return 0;", "- return 5;"))
    done = lab(gup, "patch", "rebuild", "mail.txt", "fake", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["result"] == "cannot"
    assert done.stderr.splitlines()[0] == "cannot"
    assert "mail.txt:11: the hunk at line 6 has no place" in done.stderr
