# SPDX-License-Identifier: GPL-2.0-only
"""A lab that is killed while guests run leaves no guest, and a store that goes on."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.guest.conftest import KERNEL, ROOT, Project, consoles, leftovers, qemus, until

pytestmark = pytest.mark.guest

#: A guest program that says on the console that it runs, and stays.
SLOW = """
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	FILE *console = fopen("/dev/console", "w");

	puts("KTAP version 1\\n1..1");
	fflush(stdout);
	fputs("program runs\\n", console);
	fclose(console);
	for (;;)
		pause();
}
"""
LOCAL = """
guests = {guests}
[suites.slow]
programs = ["slow"]
"""


def slow_project(folder: Path, guests: int = 1) -> Project:
    project = Project(folder / "project", LOCAL.format(guests=guests))
    (project.folder / "guest-tests").unlink()
    programs = shutil.copytree(
        ROOT / "guest-tests", project.folder / "guest-tests", ignore=shutil.ignore_patterns("build")
    )
    (programs / "slow.c").write_text(SLOW)
    return project


def send(lab: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if number is signal.SIGINT:
        os.killpg(lab.pid, number)
    else:
        lab.send_signal(number)


def recorded(project: Project) -> int:
    """How many runs the database holds."""
    with closing(sqlite3.connect(project.results / "lab.db")) as database:
        try:
            return int(database.execute("SELECT count(*) FROM runs").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
VARIANTS = (KERNEL, f"{KERNEL}+reintroduce-bug+dax-populate")


@pytest.mark.parametrize(
    ("number", "guests"),
    [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGINT, 2), (signal.SIGKILL, 2)],
)
def test_killed_in_a_program(clean_folder: Path, number: signal.Signals, guests: int) -> None:
    project = slow_project(clean_folder, guests)
    lab = project.start("test", *VARIANTS[:guests], "-s", "slow", "-f", "ext4-dax")
    until(
        lambda: (
            sum(b"program runs" in text for text in consoles(project.results)) == guests
            or lab.poll() is not None
        )
    )
    assert len(qemus(project.folder)) == guests
    send(lab, number)
    out, err = lab.communicate(timeout=60)
    assert lab.returncode == STATUS[number], err
    assert b"Traceback" not in err
    if number is not signal.SIGKILL:
        assert f"DID NOT RUN ({guests})".encode() in out
        (shown,) = [project.json("show")]
        assert [job["error"] for job in shown["jobs"]] == ["interrupted"] * guests
        assert {one["test"] for one in shown["results"]} == {"slow"}
    # Nobody waits for the guests of a lab that was killed with -9.
    until(lambda: not qemus(project.folder))
    (run,) = project.json("runs")["runs"]
    assert run["finished"] is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_during_a_boot(clean_folder: Path, number: signal.Signals) -> None:
    # A restored guest may be through before the signal comes.
    project = Project(clean_folder / "project", "[machines.default]\nsaved_state = false\n")
    command = ("test", KERNEL, "-s", "populate", "-k", "populate.shared-rw.4k", "-f", "ext4-dax")
    lab = project.start(*command)
    until(lambda: (consoles(project.results) and recorded(project)) or lab.poll() is not None)
    send(lab, number)
    _, err = lab.communicate(timeout=60)
    assert lab.returncode == STATUS[number], err
    assert b"Traceback" not in err
    until(lambda: not qemus(project.folder))
    if number is signal.SIGKILL:
        # Nobody is left to remove it; the next guest of this folder would.
        for path in leftovers(project.folder):
            assert path.name == "initrd"
            path.unlink()
    done = project.json(*command)
    assert done["exit_status"] == 0
    assert [result["test"] for result in done["results"]] == ["populate.shared-rw.4k"]
    newest, killed = project.json("runs")["runs"]
    assert newest["finished"]
    assert killed["finished"] is None


def test_killed_before_the_first_guest(clean_folder: Path) -> None:
    """Whatever the moment, a run that has a folder is listed."""
    project = Project(clean_folder / "project")
    lab = project.start("test", KERNEL, "-s", "populate", "-f", "ext4-dax")
    until(lambda: list(project.results.glob("*/run/run.json")) or lab.poll() is not None)
    send(lab, signal.SIGKILL)
    lab.communicate(timeout=60)
    until(lambda: not qemus(project.folder))
    for path in leftovers(project.folder):
        path.unlink()
    (folder,) = project.results.glob("*/run")
    listed = project.json("runs")
    names = [run["run"] for run in (*listed["runs"], *listed["unrecorded"])]
    assert names == [folder.parent.name]
    assert all("killed" in run["why"] for run in listed["unrecorded"])
    assert not any(run["finished"] for run in listed["runs"])
    project.lab("runs", "--recover")
    (run,) = project.json("runs")["runs"]
    assert run["finished"] is None
