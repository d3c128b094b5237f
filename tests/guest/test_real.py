# SPDX-License-Identifier: GPL-2.0-only
"""What the 2015 mail says, seen on real kernels; nothing here reads ``[[expect]]``."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import xml.etree.ElementTree as ET
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.guest.conftest import KERNEL, LAB, ROOT, Project, leftovers, qemus

pytestmark = pytest.mark.guest

PLAIN = KERNEL
BUGGY = f"{KERNEL}+reintroduce-bug"
MENDED = f"{BUGGY}+dax-populate"
VARIANTS = (PLAIN, BUGGY, MENDED)
FILESYSTEMS = ("ext4-dax", "xfs-dax")
SIZES = {"4k": 1, "2m": 512}
BROKEN_MAPPINGS = ("shared-rw", "shared-ro", "private-ro")
#: What reports the failure of each call: mlockall() does not report it, nor does mmap().
CALLS = {
    "populate": "mmap: 0",
    "map-locked": "mmap: 0",
    "mlock": "mlock: ENOMEM",
    "mlock-part": "mlock of a half: ENOMEM",
    "munlock-mlock": "third mlock: ENOMEM",
    "mlockall-current": "mlockall: 0",
    "mlockall-future": "mlockall: 0",
}

Result = dict[str, Any]


class Real:
    """One run of [matrix.default]."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.document: dict[str, Any] = project.json("test")
        self.results: list[Result] = self.document["results"]

    def one(self, variant: str, filesystem: str, test: str) -> Result:
        (found,) = (
            result
            for result in self.results
            if (result["variant"], result["filesystem"], result["test"])
            == (variant, filesystem, test)
        )
        return found

    @property
    def folder(self) -> Path:
        return Path(self.document["folder"])


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Real:
    return Real(Project(tmp_path_factory.mktemp("real") / "project"))


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
@pytest.mark.parametrize("variant", [PLAIN, MENDED])
def test_everything_passes_without_the_bug_and_with_the_patch(
    real: Real, variant: str, filesystem: str
) -> None:
    results = [
        result
        for result in real.results
        if (result["variant"], result["filesystem"]) == (variant, filesystem)
    ]
    assert len(results) == 108
    assert [result["test"] for result in results if result["status"] != "pass"] == []


@pytest.mark.parametrize(("filesystem", "call"), [*product(FILESYSTEMS, CALLS)])
def test_bug_leaves_one_page(real: Real, filesystem: str, call: str) -> None:
    whole = 512 if call == "mlock-part" else 1024
    for mapping, (size, present) in product(BROKEN_MAPPINGS, SIZES.items()):
        result = real.one(BUGGY, filesystem, f"{call}.{mapping}.{size}")
        assert result["status"] == "fail", result
        said = result["diagnostics"]
        assert f"before the touch: {present} of {whole} pages present" in said, result
        assert CALLS[call] in said, result
        assert f"before the touch: {present} of {whole} pages present" in result["message"]


@pytest.mark.parametrize(("filesystem", "call"), [*product(FILESYSTEMS, CALLS)])
def test_bug_spares_private_writable_mappings(real: Real, filesystem: str, call: str) -> None:
    for size in SIZES:
        result = real.one(BUGGY, filesystem, f"{call}.private-rw.{size}")
        assert result["status"] == "pass", result


@pytest.mark.parametrize(("variant", "filesystem"), [*product(VARIANTS, FILESYSTEMS)])
def test_controls_pass(real: Real, variant: str, filesystem: str) -> None:
    for mapping, size in product((*BROKEN_MAPPINGS, "private-rw"), SIZES):
        result = real.one(variant, filesystem, f"control.{mapping}.{size}")
        assert result["status"] == "pass"
        assert "before the touch: 0 of 1024 pages present" in result["diagnostics"]


def test_run_is_as_expected(real: Real) -> None:
    assert real.document["exit_status"] == 0
    assert real.document["problems"] == []
    assert real.document["finished"] is not None
    assert [job["variant"] for job in real.document["jobs"]] == list(VARIANTS)
    assert [job["error"] for job in real.document["jobs"]] == [None] * 3


def test_results_are_all_that_the_programs_planned(real: Real) -> None:
    plans = dict.fromkeys(VARIANTS, 0)
    for number, variant in enumerate(VARIANTS):
        files = sorted((real.folder / "jobs" / f"{number:02d}-{variant}").rglob("*.ktap"))
        assert len(files) == len(FILESYSTEMS) * 4
        for path in files:
            (plan,) = (line for line in path.read_text().splitlines() if line.startswith("1.."))
            plans[variant] += int(plan.removeprefix("1.."))
    assert plans == dict.fromkeys(VARIANTS, 216)
    for variant, planned in plans.items():
        assert sum(result["variant"] == variant for result in real.results) == planned


def test_evidence(real: Real) -> None:
    jobs = real.document["jobs"]
    assert len({job["evidence"]["build_key"] for job in jobs}) == 3
    for job in jobs:
        evidence = job["evidence"]
        assert evidence["accelerator"] in {"kvm", "tcg"}
        assert f"-accel {evidence['accelerator']}" in evidence["cmdline"]
        assert set(evidence["dax"]) == set(FILESYSTEMS)
        for proof in evidence["dax"].values():
            assert proof["namespace"] == "fsdax"
            assert proof["dax_option"] == proof["statx_dax"] == proof["pfn_in_pmem"] == "yes"
        assert [name for name, _ in evidence["timeline"]][-1] == "ssh"
    assert [list(job["evidence"]["series_digests"]) for job in jobs] == [
        [],
        ["reintroduce-bug"],
        ["reintroduce-bug", "dax-populate"],
    ]


def test_kernel_really_is_the_variant(real: Real) -> None:
    for job, number in zip(real.document["jobs"], range(3), strict=True):
        folder = real.folder / "jobs" / f"{number:02d}-{job['variant']}"
        assert job["kernel_release"] in (folder / "kernel.log").read_text()
        assert "Kernel panic" not in (folder / "console.log").read_text(errors="replace")


def test_junit_says_the_same(real: Real) -> None:
    suites = ET.parse(real.folder / "junit.xml").getroot()
    cases = list(suites.iter("testcase"))
    assert len(cases) == len(real.results)
    # Expected failures are no failures to a CI system.
    assert [case for case in cases if case.find("failure") is not None] == []
    assert [case for case in cases if case.find("error") is not None] == []


@pytest.mark.parametrize(("variant", "left"), [(PLAIN, 0), (BUGGY, 1023), (MENDED, 0)])
def test_first_access_is_measured(real: Real, variant: str, left: int) -> None:
    metrics = real.one(variant, "ext4-dax", "first-access.shared-rw.4k")["metrics"]
    values = {(row["name"], row["labels"]["populate"]): row["value"] for row in metrics}
    assert values["faults", "no"] == 1024
    assert values["faults", "yes"] == left
    assert values["first_access_ns_per_page", "no"] > 0
    assert values["first_access_ns_per_page", "yes"] > 0


def test_run_is_listed(real: Real) -> None:
    (run,) = real.project.json("runs")["runs"]
    assert run["run"] == real.document["run"]
    assert run["finished"]


def test_nothing_is_left(real: Real) -> None:
    assert qemus(real.project.folder) == []
    assert leftovers(real.project.folder) == []


FLIPPED = """
[[expect]]
tests = ["populate.shared-rw.4k"]
status = "fail"
reason = "a fault that is not there"
"""


def test_surprising_pass_is_exit_status_1(clean_folder: Path) -> None:
    project = Project(clean_folder / "project", FLIPPED)
    done = project.lab("test", PLAIN, "-k", "populate.shared-rw.4k", "--filesystem", "ext4-dax")
    assert done.returncode == 1, done
    assert "populate.shared-rw.4k" in done.stdout
    assert "Traceback" not in done.stderr


def test_pattern_that_picks_nothing_is_the_users_error(clean_folder: Path) -> None:
    project = Project(clean_folder / "project")
    done = project.lab("test", PLAIN, "-k", "no.such.test", "-f", "ext4-dax")
    assert done.returncode == 2, done
    assert "lab: -k: no test has a name like 'no.such.test'" in done.stderr
    assert "Traceback" not in done.stderr


def test_boot_passes_status_and_output_on(clean_folder: Path) -> None:
    project = Project(clean_folder / "project")
    warning = "<4>WARNING: CPU: 0 PID: 1 at mm/gup.c:1 populate+0x1/0x2"
    script = (
        f"uname -r; test -t 0 || echo no-tty; echo '{warning}' >/dev/kmsg; echo oops >&2; exit 7"
    )
    done = project.lab("boot", PLAIN, "--", "sh", "-c", script)
    assert done.returncode == 7, done
    release, tty = done.stdout.splitlines()
    assert (release.startswith(f"{KERNEL}."), tty) == (True, "no-tty")
    assert "oops" in done.stderr
    assert "lab: the kernel says: WARNING in populate\n" in done.stderr


def test_boot_on_a_terminal(clean_folder: Path) -> None:
    project = Project(clean_folder / "project")
    # With a session of its own, of which it is the terminal.
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.folder)
        os.execve(LAB[0], [*LAB, "boot", PLAIN], os.environ | {"PYTHONPATH": str(ROOT)})
    said = ""
    # Ahead of the guest, and the shell has it.
    os.write(terminal, b"tty; id -un; exit 7\r")
    # Until the lab has closed it.
    with suppress(OSError):
        while True:
            said += os.read(terminal, 4096).decode()
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 7, said
    assert "/dev/pts/0\r\nroot\r\n" in said.replace("\r\r", "\r")


def test_boot_of_a_guest_that_dies(clean_folder: Path) -> None:
    project = Project(clean_folder / "project")
    done = project.lab("boot", PLAIN, "--", "sh", "-c", "echo b >/proc/sysrq-trigger; sleep 60")
    assert done.returncode == 3, done
    assert "lab: " in done.stderr
    assert "the guest rebooted or powered off by itself" in done.stderr
    assert "Traceback" not in done.stderr


def test_boot_of_a_guest_that_panics(clean_folder: Path) -> None:
    """The console that the error names is there to be read, and the trace is in the error."""
    project = Project(clean_folder / "project")
    done = project.lab("boot", PLAIN, "--", "sh", "-c", "echo c >/proc/sysrq-trigger; sleep 60")
    assert done.returncode == 3, done
    assert "panic: sysrq triggered crash\n" in done.stderr
    # Which of its functions are inlined is the compiler's to say.
    assert re.search(r"^ +\w*sysrq[\w.]*\+0x", done.stderr, re.MULTILINE)
    (console,) = project.results.glob("guests/*/console.log")
    assert f"lab: {console}: the guest died: Kernel panic" in done.stderr
    assert "sysrq triggered crash" in console.read_text()


def test_second_build_is_cached(real: Real) -> None:
    rows = real.project.json("build")["builds"]
    assert [row["cached"] for row in rows] == [True] * 3
    said: subprocess.CompletedProcess[str] = real.project.lab("build", PLAIN)
    assert "cached" in said.stdout
    assert said.returncode == 0
