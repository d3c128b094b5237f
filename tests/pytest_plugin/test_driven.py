# SPDX-License-Identifier: GPL-2.0-only
"""pytest started by hand, with a lab beside it whose guests are only played."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

LAB = """
[kernels."6.1"]
kind = "dir"
path = "nowhere"
[kernels.unbuildable]
kind = "dir"
path = "nowhere"
[configs.default]
fragments = ["base"]
[filesystems.ext4-dax]
type = "ext4"
[filesystems.xfs-dax]
type = "xfs"
[suites.populate]
programs = ["populate"]
[matrix.default]
variants = ["6.1"]
[[expect]]
tests = ["test_known"]
status = "fail"
reason = "mended by nobody yet"
"""
CONFTEST = """
import lab.pytest_plugin.driving as driving
driving.DRIVER = "tests.pytest_plugin.played_lab"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "lab.toml").write_text(LAB)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "kconfigs").mkdir()
    (tmp_path / "kconfigs/base.config").write_text("CONFIG_64BIT=y\n")
    (tmp_path / "guest-tests").mkdir()
    (tmp_path / "guest-tests/populate.c").touch()
    return tmp_path


def played(project: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (project / "test_it.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "lab.pytest_plugin", "-rA", *options],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _leads_to(link: Path, folder: Path) -> bool:
    try:
        return link.readlink() == folder
    except OSError:
        return False


TESTS = """
import pytest

def test_plain():
    pass

def test_passes(guest, filesystem):
    assert guest.run("uname -r").stdout.strip() == guest.release

def test_fails(guest):
    guest.run("do-fail", check=True)

def test_complains(guest):
    guest.run("do-complain")

def test_dies(guest):
    guest.run("do-die")

def test_known(guest):
    assert False

@pytest.mark.lab(filesystems=["xfs-dax"])
@pytest.mark.parametrize("size", ["4k", "2m"])
def test_sizes(guest, size):
    guest.run("true")

@pytest.mark.lab(filesystems=["xfs-dax"])
def test_asks_nothing(guest):
    assert guest.release == "6.1.192"
"""


def test_as_the_lab_judges(project: Path) -> None:
    done = played(project, TESTS)
    out = done.stdout
    said = {line.partition(" - ")[0] for line in out.splitlines() if "test_it.py::" in line}
    for filesystem in ("ext4-dax", "xfs-dax"):
        assert {
            f"PASSED test_it.py::test_passes[6.1/{filesystem}]",
            f"FAILED test_it.py::test_fails[6.1/{filesystem}]",
            f"FAILED test_it.py::test_complains[6.1/{filesystem}]",
            f"FAILED test_it.py::test_dies[6.1/{filesystem}]",
            f"XFAIL test_it.py::test_known[6.1/{filesystem}]",
        } <= said
    assert "PASSED test_it.py::test_plain" in said
    assert {one for one in said if "test_sizes" in one} == {
        "PASSED test_it.py::test_sizes[6.1/xfs-dax-4k]",
        "PASSED test_it.py::test_sizes[6.1/xfs-dax-2m]",
    }
    said_of = "lab: error: asked its guest nothing"
    assert f"FAILED test_it.py::test_asks_nothing[6.1/xfs-dax] - {said_of}" in out
    # Of a failure there is what the kernel said.
    assert "Guest's console" in out
    assert "Guest's kernel log" in out
    assert "lab: crash: warning: WARNING in __mod_node_page_state" in out
    assert "lab.toml: mended by nobody yet" in out
    assert "lab: 6.1: booting" in out
    assert "recorded as 20260101-120000-ab12" in out
    assert done.returncode == 1


def test_a_kernel_that_cannot_be_built(project: Path) -> None:
    text = """
import pytest

@pytest.mark.lab(variants=["unbuildable", "6.1"], filesystems=["ext4-dax"])
def test_it(guest):
    guest.run("true")
"""
    done = played(project, text)
    assert "PASSED test_it.py::test_it[6.1/ext4-dax]" in done.stdout
    assert "lab: mm/gup.c does not compile" in done.stdout
    assert "1 passed, 1 error" in done.stdout
    assert done.returncode == 1


def test_that_ends_at_the_first_failure_has_what_ran_recorded(project: Path) -> None:
    text = "def test_a(guest): assert False\ndef test_b(guest): pass\n"
    done = played(project, text, "-x", "--lab-filesystem", "ext4-dax")
    assert "1 failed" in done.stdout
    assert "passed" not in done.stdout
    assert "recorded as" in done.stdout
    assert (project / "interrupted").exists()
    # None of its processes is left.
    left = [link for link in Path("/proc").glob("[0-9]*/cwd") if _leads_to(link, project)]
    assert left == []


def test_one_that_is_terminated_has_what_ran_recorded(project: Path) -> None:
    text = """
import os, signal

def test_a(guest): guest.run("true")
def test_b(guest): os.kill(os.getpid(), signal.SIGTERM)
def test_c(guest): guest.run("true")
"""
    done = played(project, text, "--lab-filesystem", "ext4-dax")
    assert "1 passed" in done.stdout
    assert "recorded as" in done.stdout
    assert (project / "interrupted").exists()
    assert done.returncode == pytest.ExitCode.INTERRUPTED


def test_a_subtest_that_fails(project: Path) -> None:
    text = "def test_a(guest, subtests):\n    with subtests.test('part'):\n        assert False\n"
    done = played(project, text, "--lab-filesystem", "ext4-dax")
    assert "SUBFAILED" in done.stdout
    assert "FAILED test_it.py::test_a[6.1/ext4-dax] - lab: fail: assert False" in done.stdout
    # The part and the whole, each once.
    assert "2 failed" in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize("name", ["test_a", "test_b"])
def test_two_files_of_one_name(project: Path, name: str) -> None:
    """One test would never run; or both, recorded as of one file."""
    (project / "other").mkdir()
    (project / "other/test_it.py").write_text(f"def {name}(guest): assert False\n")
    done = played(project, "def test_a(guest): pass\n", "--import-mode=importlib")
    assert "test_it.py: files of tests on guests need names of their own" in (
        done.stdout + done.stderr
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR


def test_a_lab_that_is_killed(project: Path) -> None:
    text = """
import os, signal, subprocess

def test_a(guest):
    for pid in subprocess.run(
        ["pgrep", "-f", "tests.pytest_plugin.played_lab"], capture_output=True, text=True
    ).stdout.split():
        if os.readlink(f"/proc/{pid}/cwd") == os.getcwd():
            os.kill(int(pid), signal.SIGKILL)

def test_b(guest):
    pass
"""
    done = played(project, text, "--lab-filesystem", "ext4-dax")
    assert "the lab gave no result of it" in done.stdout
    assert "the lab ended" in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("variants=['6.11']", "no kernel is named '6.11'"),
        ("filesystems=['ext4-dxa']", "ext4-dxa"),
        ("kernels=['6.1']", "takes variants=[...] and filesystems=[...]"),
        ("variants='6.1'", "takes a list: ['6.1']"),
    ],
)
def test_a_marker_that_is_wrong(project: Path, marker: str, said: str) -> None:
    text = f"import pytest\n@pytest.mark.lab({marker})\ndef test_it(guest): pass\n"
    done = played(project, text)
    assert said in done.stdout + done.stderr
    assert done.returncode == 2


def test_what_uses_none_of_it_pays_for_none_of_it(project: Path) -> None:
    text = """
import sys

def test_plain():
    ours = {name for name in sys.modules if name.split(".")[0] == "lab"}
    assert ours <= {"lab", "lab.pytest_plugin"}
    assert "pydantic" not in sys.modules
"""
    (project / "conftest.py").unlink()
    done = played(project, text)
    assert "1 passed" in done.stdout
