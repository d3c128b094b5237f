# SPDX-License-Identifier: GPL-2.0-only
"""What a job makes of a file of pytest's tests, each on a guest of its own that is only played."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from lab.analysis.run_status import run_status
from lab.errors import ExitStatus, UserError
from lab.execution.run_job import run_job
from lab.guest.fake import Stage
from lab.model.records import JobRecord
from lab.model.status import Status
from lab.suites import pytest_player
from tests.pytest_plugin.conftest import EXT4, XFS, MakeJob
from tests.results.made import run

pytestmark = pytest.mark.slow

ENDS = """
import pytest

def test_passes(guest, filesystem):
    assert guest.run("uname -r", check=True).stdout == f"{guest.release}\\n"
    assert (filesystem.name, filesystem.path) == ("ext4-dax", "/mnt/ext4-dax")
    assert filesystem.proofs["dax"]["statx_dax"] == "yes"
    assert guest.variant == "mine"

def test_files(guest):
    guest.put("text", "/tmp/a")
    guest.put(b"\\0\\377", "/tmp/b")
    assert (guest.get("/tmp/a"), guest.get("/tmp/b")) == (b"text", b"\\0\\377")

def test_fails(guest):
    assert guest.run("uname -r").stdout == "5.0"

def test_a_command_fails(guest):
    guest.run(["do-fail"], check=True)

def test_has_a_mistake(guest):
    undefined

@pytest.fixture
def broken(guest):
    raise RuntimeError("no such thing")

def test_of_a_broken_fixture(broken):
    pass

@pytest.fixture
def late(guest):
    yield
    raise RuntimeError("too late")

def test_that_ends_badly(late):
    pass

def test_skips(guest):
    pytest.skip("not on this kernel")

@pytest.mark.xfail(reason="known")
def test_that_pytest_expects_to_fail(guest):
    assert False

def test_complains(guest):
    guest.run("do-complain")

def test_dies(guest):
    guest.run("do-die")

def test_dies_and_passes_over_it(guest):
    with pytest.raises(Exception):
        guest.run("do-die")

@pytest.mark.parametrize("size", ["4k", "2m"])
class TestOf:
    def test_sizes(self, guest, size):
        guest.console()

@pytest.fixture
def there(guest):
    guest.run("uname -r", check=True)

def test_whose_fixture_asks(there, guest):
    assert guest.release == "6.1.192"

def test_looks_at_a_proof(filesystem):
    assert filesystem.proofs["dax"]["statx_dax"] == "yes"

def test_asks_nothing(guest, filesystem):
    assert guest.release == "6.1.192"
    assert filesystem.path == "/mnt/ext4-dax"

def test_takes_no_guest():
    assert False
"""

ASKS = "def test_it(guest): guest.run('true')\n"


def found(record: JobRecord) -> dict[str, tuple[str, str]]:
    return {one.test: (one.status.value, one.message) for one in record.results}


def test_each_end(make_job: MakeJob, stage: Stage, tmp_path: Path) -> None:
    job = make_job(ENDS)
    # Another process may have it.
    assert pickle.loads(pickle.dumps(job.units)) == job.units
    record = run_job(job)
    ends = found(record)
    told = "crash", "panic: boom; the guest died while it ran (the guest died: Kernel panic - not"
    assert {name: status for name, (status, _) in ends.items()} == {
        "test_passes": "pass",
        "test_files": "pass",
        "test_fails": "fail",
        "test_a_command_fails": "fail",
        # What is wrong with a test is no word on the kernel.
        "test_has_a_mistake": "error",
        "test_of_a_broken_fixture": "error",
        "test_that_ends_badly": "error",
        "test_skips": "skip",
        "test_that_pytest_expects_to_fail": "fail",
        "test_complains": "crash",
        "test_dies": "crash",
        "test_dies_and_passes_over_it": "crash",
        "TestOf::test_sizes[4k]": "pass",
        "TestOf::test_sizes[2m]": "pass",
        "test_whose_fixture_asks": "pass",
        "test_looks_at_a_proof": "pass",
        "test_asks_nothing": "error",
    }
    assert ends["test_a_command_fails"][1].endswith("`do-fail` ended with status 3: oh no")
    assert ends["test_has_a_mistake"][1] == "NameError: name 'undefined' is not defined"
    assert ends["test_of_a_broken_fixture"][1] == "setup: RuntimeError: no such thing"
    assert ends["test_that_ends_badly"][1] == "teardown: RuntimeError: too late"
    assert ends["test_skips"][1] == "not on this kernel"
    assert ends["test_that_pytest_expects_to_fail"][1] == "XFAIL: known"
    assert ends["test_complains"][1].startswith("warning: WARNING in __mod_node_page_state")
    assert (ends["test_dies"][0], ends["test_dies"][1][: len(told[1])]) == told
    assert ends["test_asks_nothing"][1].startswith("asked its guest nothing")
    given = {one.test for one in record.results if one.users_fault}
    assert given == {
        "test_has_a_mistake",
        "test_of_a_broken_fixture",
        "test_that_ends_badly",
        "test_asks_nothing",
    }
    # A guest for each, whatever the machine has them share.
    assert len(stage.made) == len(record.results) == 17
    kept = (tmp_path / "job/ext4-dax/s.test_it.py.test_fails.ktap").read_text()
    assert "assert guest.run" in kept
    assert run_status(run(record)) is ExitStatus.UNEXPECTED


def test_what_is_wrong_with_a_test_alone_is_the_users(make_job: MakeJob) -> None:
    record = run_job(make_job("def test_it(guest):\n    undefined\n"))
    assert run_status(run(record)) is ExitStatus.USER


def test_what_pytest_passes_over_or_tells_of_apart(make_job: MakeJob) -> None:
    text = """
import threading, unittest
import pytest

def test_parts(guest, subtests):
    with subtests.test("skipped"):
        pytest.skip("not here")
    with subtests.test("wrong"):
        assert guest.run("uname -r").stdout == "5.0"

def test_part_with_a_mistake(guest, subtests):
    with subtests.test("mistaken"):
        undefined
    with subtests.test("wrong"):
        assert False

def test_parts_that_pass(guest, subtests):
    with subtests.test("fine"):
        guest.run("uname -r", check=True)

class TestCase(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _of_guest(self, guest):
        pass

    def test_parts(self):
        with self.subTest("wrong"):
            self.assertTrue(False)

def test_returns(guest):
    return guest.run("uname -r").stdout == "5.0"

def test_thread(guest):
    def check():
        assert False
    thread = threading.Thread(target=check)
    thread.start()
    thread.join()
"""
    ends = found(run_job(make_job(text)))
    assert {name: status for name, (status, _) in ends.items()} == {
        "test_parts": "fail",
        "test_part_with_a_mistake": "error",
        "test_parts_that_pass": "pass",
        "TestCase::test_parts": "fail",
        "test_returns": "error",
        "test_thread": "error",
    }
    assert "6.1.192" in ends["test_parts"][1]
    assert "undefined" in ends["test_part_with_a_mistake"][1]


def test_a_command_that_hangs_is_a_timeout(make_job: MakeJob) -> None:
    text = """
import pytest
from lab.guest.command import CommandTimeout

def test_knows_that_it_hangs(guest):
    with pytest.raises(CommandTimeout):
        guest.run("do-hang", deadline_s=0.1)

def test_hangs(guest):
    guest.run("do-hang")

def test_passes_over_it(guest):
    with pytest.raises(CommandTimeout):
        guest.run("do-hang")
"""
    ends = found(run_job(make_job(text, program_s=3.0)))
    assert {name: status for name, (status, _) in ends.items()} == {
        "test_hangs": "timeout",
        "test_passes_over_it": "timeout",
        "test_knows_that_it_hangs": "pass",
    }


def test_a_test_that_never_ends_or_takes_pytest_with_it(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pytest_player, "_ENDING_S", 0.2)
    text = """
import os, time

def test_sleeps(guest):
    time.sleep(600)

def test_exits(guest):
    os._exit(0)

def test_after_them(guest):
    guest.run("uname -r", check=True)
"""
    record = run_job(make_job(text, program_s=3.0))
    ends = found(record)
    assert ends == {
        "test_sleeps": (
            "error",
            "the test itself did not end: deadlines.program is 3 s",
        ),
        "test_exits": ("error", "pytest ended while test_exits ran"),
        "test_after_them": ("pass", ""),
    }
    assert [one.users_fault for one in record.results] == [True, True, False]


def test_what_a_file_sets_up_once_stays(make_job: MakeJob) -> None:
    text = """
import pytest
made = []

@pytest.fixture(scope="module")
def once():
    made.append(1)

def test_one(guest, once):
    guest.run("true")
    assert made == [1]

def test_two(guest, once):
    guest.run("true")
    assert made == [1]
"""
    assert {status for status, _ in found(run_job(make_job(text))).values()} == {"pass"}


def test_where_a_marker_says(make_job: MakeJob) -> None:
    text = """
import pytest
pytestmark = pytest.mark.lab(variants=["mine"])

@pytest.mark.lab(filesystems=["xfs-dax"])
def test_xfs(guest, filesystem):
    guest.run("true")
    assert filesystem.name == "xfs-dax"

@pytest.mark.lab(variants=["other"])
def test_other(guest):
    pass

def test_all(guest):
    guest.run("true")
"""
    record = run_job(make_job(text, EXT4, XFS))
    assert [(one.filesystem, one.test, one.status) for one in record.results] == [
        ("ext4-dax", "test_all", Status.PASS),
        ("xfs-dax", "test_xfs", Status.PASS),
        ("xfs-dax", "test_all", Status.PASS),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_module\ndef test_it(guest): pass\n", "No module named 'no_such_module'"),
        ("def test_it(guest)\n", "SyntaxError"),
        (
            "import pytest\n@pytest.mark.lab(kernels=['6.1'])\ndef test_it(guest): pass\n",
            "takes variants=[...] and filesystems=[...]",
        ),
        ("def test_it(): pass\n", "no test here takes a guest"),
    ],
)
def test_a_file_that_is_at_fault(make_job: MakeJob, text: str, said: str) -> None:
    with pytest.raises(UserError) as told:
        make_job(text)
    assert said in str(told.value)


def test_again_and_again(make_job: MakeJob, stage: Stage) -> None:
    record = run_job(make_job(ASKS, repeat=3))
    assert [one.status for one in record.results] == [Status.PASS] * 3
    assert len(stage.made) == 3


def test_what_a_project_has_its_own_runs_do_is_not_for_these(
    make_job: MakeJob, tmp_path: Path
) -> None:
    options = "-p no:lab.pytest_plugin -n 2 --no-such-option"
    (tmp_path / "pytest.ini").write_text(f"[pytest]\naddopts = {options}\n")
    assert found(run_job(make_job(ASKS))) == {"test_it": ("pass", "")}
