# SPDX-License-Identifier: GPL-2.0-only
"""The command line as a user meets it: no guest, and a kernel that builds in a moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import started

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "doctor", "fetch", "build", "test", "matrix", "boot",
    "runs", "show", "compare", "history", "baseline", "export", "repro", "verify", "claims",
    "reply", "gc", "nightly",
)  # fmt: skip

LAB_TOML = """
[kernels.fake]
kind = "dir"
path = {kernel}

[series.fix]
description = "a fix"

[configs.default]
fragments = ["tiny"]

[filesystems.ext4-dax]
type = "ext4"

[suites.populate]
programs = ["populate"]

[matrix.default]
variants = ["fake", "fake+fix"]

[paths]
cache = {cache}
"""


@pytest.fixture
def project(tmp_path: Path, fake_kernel: Path) -> Path:
    return make_project(tmp_path, fake_kernel)


def make_project(top: Path, fake_kernel: Path) -> Path:
    """``project`` in a folder, with ``cache`` beside it."""
    folder = top / "project"
    (folder / "kconfigs").mkdir(parents=True)
    (folder / "kconfigs" / "tiny.config").write_text("CONFIG_BASE=y\n")
    (folder / "guest-tests").symlink_to(ROOT / "guest-tests")
    (folder / "patches" / "fix").mkdir(parents=True)
    (folder / "patches" / "fix" / "series").write_text("")
    (folder / "lab.toml").write_text(
        LAB_TOML.format(kernel=json.dumps(str(fake_kernel)), cache=json.dumps(str(top / "cache")))
    )
    return folder


def lab(
    folder: Path, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = started.lab(folder, *arguments, env=env)
    assert "Traceback" not in done.stderr
    return done


def python_lab(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same as a user starts it, all imports and all."""
    return subprocess.run(
        [sys.executable, "-m", "lab", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_help_fits_a_terminal(tmp_path: Path) -> None:
    done = python_lab(tmp_path, "--help")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 80
    assert [name for name in COMMANDS if f"  {name} " not in done.stdout] == []


def test_what_a_store_has_is_not_listed_as_this_machines(tmp_path: Path) -> None:
    said = python_lab(tmp_path, "store", "--help").stdout
    assert "This machine" not in said
    assert "  gc " in said


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_fits_too(tmp_path: Path, command: str) -> None:
    lines = python_lab(tmp_path, command, "--help").stdout.splitlines()
    # verify has a way in and two questions more than any other.
    assert 5 < len(lines) <= (38 if command == "verify" else 24)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("words", [(), ("build",), ("boot",), ("patch",), ("patch", "check")])
def test_help_has_a_short_name_everywhere(tmp_path: Path, words: tuple[str, ...]) -> None:
    short, long = lab(tmp_path, *words, "-h"), lab(tmp_path, *words, "--help")
    assert (short.returncode, short.stdout) == (0, long.stdout)
    assert short.stdout.startswith(" ".join(("Usage: lab", *words)))


@pytest.mark.parametrize(
    ("suite", "hint"),
    [
        ("mine.c", "try: write guest-tests/mine.c and name it without folder and .c: mine"),
        ("guest-tests/populate.c", "try: populate\n"),
        ("populat", "try: populate"),
    ],
)
def test_a_file_is_no_name_of_a_suite(project: Path, suite: str, hint: str) -> None:
    done = lab(project, "test", "fake", "--suite", suite)
    assert done.returncode == 2
    assert hint in done.stderr


def test_claims_say_which_kernels_were_never_tested(project: Path) -> None:
    claims = 'source = "s"\n[[claim]]\nquote = "q"\nkernels = ["fake"]\n'
    shows = '[[claim.shows]]\nside = "base"\ntests = ["a"]\nstatus = "fail"\n'
    folder = project / "patches" / "fix"
    (folder / "claims.toml").write_text(claims + shows)
    (folder / "series").write_text("a.patch\n")
    (folder / "a.patch").write_text("--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+new\n")
    done = lab(project, "claims", "fix")
    assert done.returncode == 1
    assert done.stderr == "lab: no run for some kernels yet: lab verify fix fake\n"


def test_version(tmp_path: Path) -> None:
    import lab as package

    assert python_lab(tmp_path, "--version").stdout == f"lab {package.__version__}\n"


@pytest.mark.parametrize("command", ["build", "test", "boot"])
def test_unknown_variant_names_the_nearest(project: Path, command: str) -> None:
    done = lab(project, command, "fake+fxi")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "fxi" in done.stderr
    assert "try: " in done.stderr
    assert "fix" in done.stderr.replace("fxi", "")


def test_unknown_option(project: Path) -> None:
    done = lab(project, "test", "--filesistem", "ext4-dax")
    assert done.returncode == 2
    assert "--filesistem" in done.stderr
    assert "--filesystem" in done.stderr


def test_unknown_matrix(project: Path) -> None:
    done = lab(project, "matrix", "defualt")
    assert done.returncode == 2
    assert "default" in done.stderr.replace("defualt", "")


def test_from_any_folder(tmp_path: Path) -> None:
    done = lab(tmp_path, "test", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.startswith("default: ")
    assert f"there is no lab.toml here or above: {ROOT}/lab.toml it is" in done.stderr


def test_the_kernel_one_stands_in(project: Path, fake_kernel: Path) -> None:
    toml = project / "lab.toml"
    toml.write_text(toml.read_text().replace("[kernels.fake]", "[kernels.other]"))
    toml.write_text(toml.read_text().replace(str(fake_kernel), "/nowhere"))
    toml.write_text(toml.read_text().replace('"fake", "fake+fix"', '"other"'))
    env = {"LAB_CONFIG": str(project)}
    done = lab(fake_kernel, "build", ".", "--json", env=env)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["builds"]
    assert row["variant"] == fake_kernel.name


def test_mistake_in_lab_toml_has_its_line(project: Path) -> None:
    path = project / "lab.toml"
    path.write_text(path.read_text() + "\n[deadlines]\nbot = 3\n")
    done = lab(project, "build")
    line = path.read_text().splitlines().index("bot = 3") + 1
    assert done.returncode == 2
    assert f"lab.toml:{line}" in done.stderr


def test_dry_run_starts_nothing(project: Path, tmp_path: Path) -> None:
    done = lab(project, "test", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "default: 2 builds, 2 guests, 2 suite runs",
        "  fake (config default) on machine default: populate on ext4-dax",
        "  fake+fix (config default) on machine default: populate on ext4-dax",
    ]
    assert not (tmp_path / "cache").exists()
    assert not (project / "results").exists()


def only_these(tmp_path: Path, *names: str) -> dict[str, str]:
    """A PATH with these programs and no others."""
    import shutil

    folder = tmp_path / "path"
    folder.mkdir()
    for name in names:
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return {"PATH": str(folder)}


def test_missing_tool_names_the_command_that_installs_it(project: Path, tmp_path: Path) -> None:
    done = lab(project, "test", "fake", env=only_these(tmp_path, "sh", "gcc", "make"))
    assert done.returncode == 3
    assert "qemu-system-x86_64" in done.stderr
    assert "apt-get install" in done.stderr
    assert "qemu-system-x86" in done.stderr.split("apt-get install")[1]


def test_build_json_is_only_json(project: Path) -> None:
    first = lab(project, "build", "fake", "--json")
    assert first.returncode == 0, first.stderr
    (row,) = json.loads(first.stdout)["builds"]
    assert (row["variant"], row["cached"]) == ("fake", False)
    assert row["image"] == row["bzimage"]
    assert Path(row["bzimage"]).is_file()
    (again,) = json.loads(lab(project, "build", "fake", "--json").stdout)["builds"]
    assert again["cached"]
    assert again["key"] == row["key"]


def test_a_build_for_a_machine_has_what_that_wants(project: Path) -> None:
    (project / "kconfigs" / "more.config").write_text("CONFIG_SMP=y\n")
    with (project / "lab.toml").open("a") as toml:
        toml.write('[machines.default]\n[machines.wants]\nfragments = ["more"]\n')
    machines = ("--machine", "default", "--machine", "wants")
    done = lab(project, "build", "fake", *machines, "--json")
    plain, wanting = json.loads(done.stdout)["builds"]
    assert (plain["fragments"], wanting["fragments"]) == ([], ["more"])
    config = [Path(row["image"]).with_name("config").read_text() for row in (plain, wanting)]
    assert ["CONFIG_SMP=y" in text for text in config] == [False, True]
    # It is built for whoever asks, and for nobody twice.
    again = lab(project, "build", "fake", "--machine", "wants")
    assert again.stdout.startswith("fake with more  ")
    assert "cached" in again.stdout


def test_build_that_fails_is_json_too(project: Path) -> None:
    """Other variants are built; the exit status tells of the one that is not."""
    done = lab(project, "build", "fake", "fake+fix", "--json")
    assert done.returncode == 2
    rows = {row["variant"]: row for row in json.loads(done.stdout)["builds"]}
    assert "bzimage" in rows["fake"]
    assert "patches/fix/series" in rows["fake+fix"]["error"]


def test_runs_of_a_new_project(project: Path) -> None:
    done = lab(project, "runs", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"runs": [], "unrecorded": []}


def test_closed_pipe_is_no_error(project: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "lab", "test", "--dry-run"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert done.stderr == b""


@pytest.mark.usefixtures("programs_at_hand")
def test_what_git_bisect_is_told(project: Path) -> None:
    """Its statuses: 1 to 127 but 125 would blame the commit for this machine, or for us."""
    (project / "patches" / "fix" / "series").write_text("a.patch\n")
    (project / "patches" / "fix" / "a.patch").write_text(
        "--- a/Makefile\n+++ b/Makefile\n@@ -1 +1 @@\n-not there\n+x\n"
    )
    assert lab(project, "test", "fake+fix").returncode == 2
    done = lab(project, "test", "fake+fix", "--bisect")
    assert done.returncode == 125, done.stderr
    assert lab(project, "test", "fake", "-k", "no-such-test", "--bisect").returncode == 255
    stopped = lab(project, "test", "nothing", "--bisect")
    assert stopped.returncode == 255
    assert "interrupted" not in stopped.stderr
    assert lab(project, "test", "fake", "--bisect", "--dry-run").returncode == 255
    # A slip in a word is met before the command begins, and at each commit again.
    assert lab(project, "test", "fake", "--bisect", "--typo").returncode == 255
    assert lab(project, "test", "fake", "--typo").returncode == 2
    (project / "lab.toml").write_text("x")
    assert lab(project, "test", "fake", "--bisect").returncode == 255


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
def test_completion_is_no_failure(tmp_path: Path, option: str) -> None:
    done = lab(tmp_path, option, env={"HOME": str(tmp_path), "SHELL": "/bin/bash"})
    assert "the lab itself failed" not in done.stderr
    assert not list(tmp_path.glob(".local/state/lab/*"))
