# SPDX-License-Identifier: GPL-2.0-only
"""``lab patch import`` and ``lab verify FILE`` as a user meets them; no guest boots."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_cli import ROOT, lab
from tests.cli.test_cli import project as project  # a fixture
from tests.patches.test_intake import diff

pytestmark = pytest.mark.slow

MAILS = ROOT / "tests/patches/mails"
NAME = "mm-populate-the-whole-range"


def kept(project: Path) -> list[str]:
    return sorted(path.parent.name for path in project.glob("patches/*/series"))


def piped(project: Path, content: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "lab", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=content,
        capture_output=True,
        timeout=300,
        check=False,
    )


def test_import_makes_a_series_that_no_table_names(project: Path) -> None:
    done = lab(project, "patch", "import", str(MAILS / "thread.mbox"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"{NAME}  new: {project}/patches/{NAME}\n"
        f"  0001-{NAME}.patch\n"
        "  left out: Re: [PATCH] mm: populate the whole range <2@example.org>: "
        "a reply: taken with --pick alone\n"
        "  left out: Re: [PATCH] mm: populate the whole range <3@example.org>: "
        "there is no patch in it\n"
        f"  try: lab verify {NAME} KERNEL\n"
    )
    assert kept(project) == ["fix", NAME]
    plan = lab(project, "test", "--dry-run", f"fake+{NAME}")
    assert plan.returncode == 0, plan.stderr
    again = lab(project, "patch", "import", "--json", str(MAILS / "thread.mbox"))
    told = json.loads(again.stdout)
    assert (told["name"], told["known"], told["revision"]) == (NAME, True, "1")
    assert told["patches"] == [f"0001-{NAME}.patch"]
    assert [row["message-id"] for row in told["left_out"]] == ["2@example.org", "3@example.org"]


def test_from_standard_input(project: Path) -> None:
    done = piped(
        project, (MAILS / "three-versions.mbox").read_bytes(), "patch", "import", "-",
        "--revision", "2", "--name", "second",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert kept(project) == ["fix", "second"]


def test_what_is_refused_leaves_nothing(project: Path) -> None:
    done = lab(project, "patch", "import", str(MAILS / "part-missing.mbox"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "is not whole; missing: 2/3" in done.stderr
    assert "  try: the whole thread: b4 mbox " in done.stderr
    assert kept(project) == ["fix"]


def test_verify_takes_a_file(project: Path) -> None:
    for _ in range(2):
        done = lab(project, "verify", str(MAILS / "plain.mbox"), "fake")
        assert done.returncode == 1, done.stderr
        assert "does not apply" in done.stdout
        last = done.stderr.splitlines()[-1]
        assert last == f"lab: the series is kept as {NAME}: {project}/patches/{NAME}"
        assert kept(project) == ["fix", NAME]
    by_name = lab(project, "verify", NAME, "fake")
    assert by_name.returncode == 1
    assert "is kept as" not in by_name.stderr


def test_a_dry_run_shows_the_plan_and_keeps_nothing(project: Path) -> None:
    content = (MAILS / "three-versions.mbox").read_bytes()
    done = piped(project, content, "verify", "-", "fake", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert b"fake+mm-populate-v3" in done.stdout
    assert b"lab: RFC" not in done.stderr
    assert b"lab: v3 was taken of v1, v3, v2\n" in done.stderr
    assert b"lab: the series would be kept as mm-populate-v3: " in done.stderr
    assert kept(project) == ["fix"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (str(MAILS / "two-series.mbox"), "there are 2 series in it"),
        ("./no-such.mbox", "the patch cannot be read: no such file or directory"),
        ("no-such", "no series is named 'no-such'"),
    ],
)
def test_verify_refuses_what_is_no_series(project: Path, given: str, said: str) -> None:
    done = lab(project, "verify", given, "fake")
    assert done.returncode == 2
    assert said in done.stderr
    assert "try: " in done.stderr
    assert kept(project) == ["fix"]


@pytest.mark.parametrize("given", ["1027e4436b6a", "HEAD", "HEAD~1", "mine..fix", "fix^"])
def test_what_only_git_reads_wants_its_tree(project: Path, given: str) -> None:
    done = lab(project, "verify", given, "fake")
    assert done.returncode == 2
    assert "try: --tree DIR, if it is a commit there" in done.stderr


def test_a_file_without_a_kernel_is_told_nothing_of_a_name(project: Path) -> None:
    done = lab(project, "verify", str(MAILS / "plain.mbox"))
    assert done.returncode == 2
    # Nothing is kept under the name that it would have.
    assert "lab verify SERIES KERNEL" in done.stderr
    assert kept(project) == ["fix"]


def test_a_kernel_that_is_unknown_keeps_nothing(project: Path) -> None:
    done = lab(project, "verify", str(MAILS / "plain.mbox"), "fkae")
    assert done.returncode == 2
    assert "no kernel is named 'fkae'" in done.stderr
    assert kept(project) == ["fix"]


def test_a_series_name_comes_before_a_file_s(project: Path) -> None:
    (project / "fix").write_bytes((MAILS / "plain.mbox").read_bytes())
    done = lab(project, "verify", "fix", "fake", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "fake+fix" in done.stdout
    assert "kept as" not in done.stderr


def mail(folder: Path, title: str, file: str, *trailers: str) -> str:
    path = folder / f"{title}.eml"
    end = "".join(f"{trailer}\n" for trailer in trailers)
    path.write_bytes(
        f"From: d@example.org\nMessage-ID: <{title}@example.org>\n"
        f"Subject: [PATCH] {title}\n\nWhy.\n---\n".encode()
        + diff(4, file=file)
        + f"-- \n2.39\n\n{end}".encode()
    )
    return str(path)


def test_verify_lays_beneath_what_a_series_goes_onto(project: Path, tmp_path: Path) -> None:
    below = mail(tmp_path, "below", "mm/a.c")
    above = mail(tmp_path, "above", "mm/b.c", "Based-on: <below@example.org>")
    without = lab(project, "verify", above, "fake", "--dry-run")
    assert "  fake+above (config default)" in without.stdout
    assert "above is tested without below@example.org, which it goes onto" in without.stderr
    for source in (below, above):
        assert lab(project, "patch", "import", source).returncode == 0
    for given in (above, "above"):
        done = lab(project, "verify", given, "fake", "--dry-run")
        assert done.returncode == 0, done.stderr
        assert "  fake+below (config default)" in done.stdout
        assert "  fake+below+above (config default)" in done.stdout
        assert "lab: above is tested on below, which it goes onto\n" in done.stderr
    named = lab(project, "verify", "above", "fake+below", "--dry-run")
    assert "  fake+below+above (config default)" in named.stdout
    patch = project / "patches/below/0001-below.patch"
    patch.write_text(patch.read_text().replace("+A4", "+B4"))
    changed = lab(project, "verify", "above", "fake", "--dry-run")
    assert changed.returncode == 2
    assert "above goes onto below as it was" in changed.stderr


def test_a_patch_file_that_is_not_here_is_no_series_name(project: Path) -> None:
    done = lab(project, "verify", "fix.patch", "fake")
    assert done.returncode == 2
    assert "fix.patch: the patch cannot be read: no such file" in done.stderr


def test_a_commit_wants_its_repository(project: Path) -> None:
    done = lab(project, "verify", "1027e4436b6a", "fake")
    assert done.returncode == 2
    assert "no series is named '1027e4436b6a'" in done.stderr
    assert "--tree DIR, if it is a commit" in done.stderr


@pytest.mark.parametrize(
    "more", [("--dry-run",), ("--stable",), ("--max-fail", "2"), ("-x",)], ids=" ".join
)
def test_what_each_does_not_do_is_refused(project: Path, more: tuple[str, ...]) -> None:
    """It would keep a series that a dry run is not to keep, or pass over what was asked."""
    done = lab(project, "verify", str(MAILS / "plain.mbox"), "fake", "--each", *more)
    assert done.returncode == 2
    assert more[0] in done.stderr
    assert not (project / "patches" / NAME).exists()
