# SPDX-License-Identifier: GPL-2.0-only
"""KUnit's reports, as they stand in a kernel's log."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.suites.judge import Ended
from lab.suites.kunit import KUnit

SUITE = KUnit(Path("/nowhere"))
#: 6.1's, with a line of another CPU's in the middle of it.
LOG = """\
[    0.401234] Freeing SMP alternatives memory: 32K
[    0.500000] KTAP version 1
[    0.500001] 1..3
[    0.500002]     KTAP version 1
[    0.500003]     # Subtest: sysctl_test
[    0.500004]     1..2
[    0.500005]     ok 1 sysctl_api_dointvec_null_tbl_data
[    0.500006] nd_pmem namespace0.0: unable to guarantee persistence of writes
[    0.500007]     # second: EXPECTATION FAILED at kernel/sysctl-test.c:30
[    0.500007]     Expected 1 == len, but
[    0.500008]     not ok 2 second
[    0.500009] # sysctl_test: pass:1 fail:1 skip:0 total:2
[    0.500010] not ok 1 sysctl_test
[    0.500012]     KTAP version 1
[    0.500013]     # Subtest: ext4_inode_test
[    0.500014]     1..1
[    0.500015]         KTAP version 1
[    0.500016]         # Subtest: inode_test_xtimestamp_decoding
[    0.500017]         ok 1 1901-12-13 Lower bound of 32bit < 0 timestamp, no extra bits
[    0.500018]         ok 2 1969-12-31 Upper bound # SKIP not here
[    0.500019]     # inode_test_xtimestamp_decoding: pass:1 fail:0 skip:1 total:2
[    0.500020]     ok 1 inode_test_xtimestamp_decoding
[    0.500021] ok 2 ext4_inode_test
[    0.500022]     KTAP version 1
[    0.500023]     # Subtest: list-kunit-test
[    0.500024]     1..2
[    0.500025]     ok 1 list_test_list_init
[    0.500026]     ok 2 list_test_list_add
[    0.500027] ok 3 list-kunit-test
[    0.600000] Run /init as init process
"""
#: 5.5's: tabs, and a version of TAP's for each suite.
OLD = """\
[    0.500000] TAP version 14
[    0.500001] \t# Subtest: sysctl_test
[    0.500002] \t1..2
[    0.500003] \tok 1 - first
[    0.500004] \tok 2 - second
[    0.500005] ok 1 - sysctl_test
"""


def judged(
    program: str, log: str, status: int | None = 0, ended: Ended = Ended.EXITED
) -> dict[str, tuple[str, str]]:
    result = SUITE.judge(program, log.encode(), status, ended=ended, detail="why", selected=False)
    return {one.test: (one.status.value, one.message) for one in result.judged}


def statuses(program: str, log: str) -> dict[str, str]:
    return {test: status for test, (status, _) in judged(program, log).items()}


def test_each_test_of_a_suite_by_its_name() -> None:
    assert statuses("list-kunit-test", LOG) == {
        "list_test_list_init": "pass",
        "list_test_list_add": "pass",
    }
    found = judged("sysctl_test", LOG)
    assert found["sysctl_api_dointvec_null_tbl_data"] == ("pass", "")
    assert found["second"][0] == "fail"
    assert "EXPECTATION FAILED at kernel/sysctl-test.c:30" in found["second"][1]
    assert set(found) == {"sysctl_api_dointvec_null_tbl_data", "second"}


def test_parameters_are_tests_of_their_own() -> None:
    test = "inode_test_xtimestamp_decoding"
    assert statuses("ext4_inode_test", LOG) == {
        f"{test}/1901-12-13 Lower bound of 32bit < 0 timestamp, no extra bits": "pass",
        f"{test}/1969-12-31 Upper bound": "skip",
        test: "pass",
    }


def test_a_parameter_that_is_not_in_the_log_has_not_passed() -> None:
    cut = "\n".join(line for line in LOG.splitlines() if "Lower bound" not in line)
    assert "error" in statuses("ext4_inode_test", cut).values()


def test_reports_of_before_ktap() -> None:
    assert statuses("sysctl_test", OLD) == {"first": "pass", "second": "pass"}


def test_a_thread_before_each_line() -> None:
    log = LOG.replace("] ", "][    T1] ")
    assert statuses("list-kunit-test", log) == statuses("list-kunit-test", LOG)


def test_a_suite_that_is_not_in_the_log_has_not_passed() -> None:
    assert judged("list-test", LOG)["list-test"][0] == "error"
    # What filled the log pushed its beginning out of it.
    assert statuses("sysctl_test", LOG.partition("# Subtest: sysctl_test")[2]) == {
        "sysctl_test": "error"
    }


def test_a_suite_without_an_end_has_not_passed() -> None:
    cut = LOG.replace("[    0.500027] ok 3 list-kunit-test\n", "")
    assert judged("list-kunit-test", cut)["list-kunit-test"] == (
        "error",
        "its report has no end",
    )
    cut = LOG.replace("[    0.500026]     ok 2 list_test_list_add\n", "")
    assert "error" in statuses("list-kunit-test", cut).values()
    cut = LOG.replace("[    0.500021] ok 2 ext4_inode_test\n", "")
    found = statuses("ext4_inode_test", cut)
    assert found["ext4_inode_test"] == "error"
    assert "list_test_list_init" not in found


def test_two_suites_of_a_name() -> None:
    """Whichever failed, the other is no pass for it."""
    again = LOG.replace("KTAP version 1\n[    0.500001] 1..3\n", "").replace("ok ", "not ok ")
    ((status, message),) = judged("list-kunit-test", LOG + again).values()
    assert status == "error"
    assert "has 2 reports" in message


@pytest.mark.parametrize("log", [LOG, LOG.replace("]         ", "]\t\t").replace("]     ", "]\t")])
def test_a_test_of_another_suite_has_its_name(log: str) -> None:
    named = log.replace("list-kunit-test", "inode_test_xtimestamp_decoding")
    assert statuses("inode_test_xtimestamp_decoding", named) == {
        "list_test_list_init": "pass",
        "list_test_list_add": "pass",
    }


def test_a_suite_that_fails_by_itself() -> None:
    log = LOG.replace("ok 3 list-kunit-test", "not ok 3 list-kunit-test")
    assert statuses("list-kunit-test", log) == {
        "list_test_list_init": "pass",
        "list_test_list_add": "pass",
        "list-kunit-test": "fail",
    }


def test_a_test_has_the_name_of_its_suite() -> None:
    log = LOG.replace("ok 3 list-kunit-test", "not ok 3 list-kunit-test")
    assert statuses("list-kunit-test", log.replace("list_test_list_init", "list-kunit-test")) == {
        "list-kunit-test": "pass",
        "list_test_list_add": "pass",
        "list-kunit-test (2)": "fail",
    }


@pytest.mark.parametrize(
    ("status", "ended", "expected"),
    [
        (77, Ended.EXITED, "skip"),
        (None, Ended.GUEST_DIED, "crash"),
        (None, Ended.TIMEOUT, "timeout"),
        (137, Ended.EXITED, "error"),
    ],
)
def test_a_log_that_could_not_be_read(status: int | None, ended: Ended, expected: str) -> None:
    assert judged("list-kunit-test", LOG, status, ended)["list-kunit-test"][0] == expected


def test_a_failure_to_read_the_log_is_no_report() -> None:
    assert judged("list-kunit-test", "", 127)["list-kunit-test"][0] == "error"
