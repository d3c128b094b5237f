# SPDX-License-Identifier: GPL-2.0-only
"""``lab verify``, ``lab patch check`` and ``lab claims`` as a user meets them; no guest boots."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import lab
from tests.cli.test_cli import project as project  # a fixture

pytestmark = pytest.mark.slow

FIX = """\
diff --git a/mm/gup.c b/mm/gup.c
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -1,5 +1,5 @@
 // SPDX-License-Identifier: GPL-2.0-only
 int gup(void)
 {
-\treturn 0;
+\treturn 1;
 }
"""
MORE = """
[kernels.gone]
kind = "dir"
path = "no-such-folder"

[matrix.history]
series = "fix"
variants = ["fake", "gone"]

[[verdict]]
series = "fix"
kernels = ["fake"]
verdict = "does not apply"
reason = "a test"
"""


@pytest.fixture
def verified(project: Path) -> Path:
    """A project whose series applies to the kernel ``fake``."""
    with (project / "lab.toml").open("a") as file:
        file.write(MORE)
    (project / "patches" / "fix" / "series").write_text("fix.patch\n")
    (project / "patches" / "fix" / "fix.patch").write_text(FIX)
    return project


def spoil(project: Path) -> None:
    """Make the series one that does not apply."""
    path = project / "patches" / "fix" / "fix.patch"
    path.write_text(FIX.replace("-\treturn 0;", "-\treturn 2;"))


@pytest.mark.parametrize("command", [["verify"], ["patch", "check"]])
def test_unknown_names(verified: Path, command: list[str]) -> None:
    for arguments, said in (
        (["fxi", "fake"], "no series is named 'fxi'"),
        (["fix", "fkae"], "no kernel is named 'fkae'"),
        (["fix", "fake+fix"], "'fake+fix' has series 'fix' already"),
        (["fix"], "no kernel is named, and [series.fix] has no kernels"),
    ):
        done = lab(verified, *command, *arguments)
        assert done.returncode == 2, done.stderr
        assert done.stdout == ""
        assert said in done.stderr
        assert "try: " in done.stderr


def test_check_of_a_patch_that_applies(verified: Path) -> None:
    done = lab(verified, "patch", "check", "fix", "fake")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "fake  fix.patch  applies, at its lines: it has no index lines to check\n"
    )


def test_check_of_a_patch_that_does_not_apply(verified: Path) -> None:
    spoil(verified)
    done = lab(verified, "patch", "check", "fix", "fake")
    assert done.returncode == 1
    assert done.stdout.startswith("fake  fix.patch  does not apply: hunk 1 of mm/gup.c")
    assert len(done.stdout.splitlines()) == 1
    verbose = lab(verified, "patch", "check", "fix", "fake", "-v").stdout
    assert "return 2;" in verbose
    assert "return 0;" in verbose


def test_check_as_json(verified: Path) -> None:
    done = lab(verified, "patch", "check", "fix", "fake", "gone", "--json")
    # The kernel that is not there is the user's error, and the other was tried.
    assert done.returncode == 2
    fake, gone = json.loads(done.stdout)["patches"]
    assert (fake["kernel"], fake["patch"]) == ("fake", "fix.patch")
    assert (fake["fit"], fake["error"]) == ("applies, at its lines", None)
    assert gone["kernel"] == "gone"
    assert "no-such-folder" in gone["error"]


def test_verify_that_boots_nothing(verified: Path) -> None:
    spoil(verified)
    done = lab(verified, "verify", "fix", "fake")
    assert done.returncode == 0, done.stderr
    assert "fake  ✓ does not apply: fix.patch: hunk 1 of mm/gup.c does not apply" in done.stdout
    assert not (verified / "results").exists()


def test_matrix_of_a_series_goes_on_after_a_kernel_that_is_not_there(verified: Path) -> None:
    spoil(verified)
    done = lab(verified, "matrix", "history", "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert [(row["kernel"], row["verdict"]) for row in document["kernels"]] == [
        ("fake", "does not apply"),
        ("gone", "inconclusive"),
    ]
    assert document["run"] is None


def test_dry_run(verified: Path) -> None:
    done = lab(verified, "matrix", "history", "--dry-run")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "history:",
        "fake",
        "fake+fix",
        "gone",
        "gone+fix",
        "of",
    ]
    assert not (verified / "results").exists()


def test_series_file_that_cannot_be_read(verified: Path) -> None:
    (verified / "patches" / "fix" / "series").write_text("fix.patch # versions: many\n")
    for command in (["verify", "fix", "fake"], ["patch", "check", "fix", "fake"]):
        done = lab(verified, *command)
        assert done.returncode == 2
        assert "series:1" in done.stderr


def test_claims(verified: Path) -> None:
    assert lab(verified, "claims", "fxi").returncode == 2
    done = lab(verified, "claims", "fix")
    assert done.returncode == 2
    assert "has no claims.toml" in done.stderr
    (verified / "patches" / "fix" / "claims.toml").write_text(
        'source = "a mail"\n[[claim]]\nquote = "q"\nkernels = ["fake"]\n'
        '[[claim.shows]]\nside = "base"\ntests = ["a"]\nstatus = "pass"\n'
    )
    done = lab(verified, "claims", "fix", "-o", "claims.md")
    assert (done.returncode, done.stdout) == (1, "")
    assert "> q" in (verified / "claims.md").read_text()
    assert lab(verified, "claims", "fix").stdout == (verified / "claims.md").read_text()
    assert lab(verified, "claims", "fix", "no-such-run").returncode == 2
