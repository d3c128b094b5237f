# SPDX-License-Identifier: GPL-2.0-only
"""stdout and stderr that are closed or full, limits, and exceptions: a right status always."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.results import Store
from tests.results.made import job, result, run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LAB = f"{sys.executable} -m lab"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("lab.toml", "kconfigs", "patches", "guest-tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    with Store.open(tmp_path / "results" / "lab.db") as store:
        tests = tuple(result(test=f"mlock.{number}") for number in range(200))
        made = run(job(*tests))
        store.begin(made)
        store.add_job(made.id, made.jobs[0])
        store.finish(made.id)
    return tmp_path


def shell(folder: Path, line: str, **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["bash", "-c", line.replace("LAB", LAB)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert "Exception ignored" not in done.stderr
    return done


@pytest.mark.parametrize("command", ["runs --json", "show -v", "show --json", "runs"])
def test_full_disk_behind_stdout(project: Path, command: str) -> None:
    done = shell(project, f"LAB {command} >/dev/full")
    assert done.returncode == 3
    assert "stdout could not be written: No space left on device" in done.stderr


def test_closed_stdout(project: Path) -> None:
    done = shell(project, "LAB show >&-")
    assert done.returncode == 3
    assert "stdout could not be written" in done.stderr


def test_full_or_closed_stderr_changes_nothing(project: Path) -> None:
    for end in ("2>/dev/full", "2>&-", "2>&- <&-"):
        done = shell(project, f"LAB runs {end}")
        assert (done.returncode, done.stdout.count("200 pass")) == (0, 1), end
    assert shell(project, "LAB show nothing-like-it 2>&-").returncode == 2


def test_all_descriptors_closed_leave_the_database_as_it_was(project: Path) -> None:
    """The next file to be opened would get the number of stderr, and what is said there."""
    assert shell(project, "LAB show nothing-like-it >&- 2>&- <&-").returncode == 2
    assert shell(project, "LAB runs").stdout.count("200 pass") == 1


@pytest.mark.parametrize("command", ["show -v", "show --json"])
def test_reader_of_a_pipe_that_goes_away(project: Path, command: str) -> None:
    # More than a pipe holds, so that somebody is told.
    done = shell(project, f"for i in 1 2 3; do LAB {command}; done | true; echo ${{PIPESTATUS[0]}}")
    assert done.stdout.strip() in ("141", "0")
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("limit", ["-n 5", "-n 10", "-v 40000", "-v 55000"])
def test_limits_of_the_machine(project: Path, limit: str) -> None:
    done = shell(project, f"ulimit {limit}; LAB runs")
    if done.returncode == 0:
        assert done.stdout.count("200 pass") == 1
    elif "memory allocation of" in done.stderr:
        # What is written in Rust aborts where it gets no memory, and nobody can catch that.
        assert done.returncode == -signal.SIGABRT
    else:
        assert done.returncode == 3
        assert "lab: " in done.stderr


def test_what_nobody_foresaw_is_status_3_with_a_file_to_send(project: Path, tmp_path: Path) -> None:
    (project / "sitecustomize.py").write_text(
        "import lab.results.recover as r\n"
        "def unrecorded(*_): raise KeyError('surprise')\n"
        "r.unrecorded = unrecorded\n"
    )
    state = tmp_path / "state"
    path = f"{project}:{ROOT}"
    done = shell(project, "LAB runs", PYTHONPATH=path, XDG_STATE_HOME=str(state))
    assert (done.returncode, done.stdout) == (3, "")
    assert "the lab itself failed: KeyError: 'surprise'" in done.stderr
    (kept,) = (state / "lab").iterdir()
    assert str(kept) in done.stderr
    assert "Traceback" in kept.read_text()
    assert "runs" in kept.read_text()
