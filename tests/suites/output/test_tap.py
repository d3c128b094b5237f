# SPDX-License-Identifier: GPL-2.0-only
"""TAP as testanything.org has it: what KTAP asks for and TAP does not, and the other way round."""

from __future__ import annotations

import pytest

from lab.suites.ktap import TAP, parse
from tests.suites.output.judging import judged, passed, statuses

#: Version 12: no version line, no numbers, names twice, the plan at the end.
TWELVE = b"""\
ok - created Board
ok
not ok - created Board
# Failed test 'created Board'
ok # SKIP no colour
1..4
"""
#: Version 13, with a block of YAML that looks like results.
THIRTEEN = b"""\
TAP version 13
1..3
ok 1 - Input file opened
not ok 2 - First line of the input valid
  ---
  message: 'First line invalid'
  got: |
    ok 3 - no result
    1..9
  ...
ok 3 - Summarized correctly # TODO Not written yet
"""
#: Version 14: subtests, named in a comment before them, and a pragma.
FOURTEEN = b"""\
TAP version 14
pragma +strict
1..2
# Subtest: foo.tap
    1..2
    ok 1
    ok 2 - this passed
ok 1 - foo.tap
# Subtest: bar.tap
    ok 1 - object should be a Bar
      ---
      duration_ms: 3
      ...
    not ok 2 - value \\# of x
    1..2
not ok 2 - bar.tap
"""


def test_version_12() -> None:
    assert statuses(judged("tap", TWELVE)) == {
        "created Board": "pass",
        "test-2": "pass",
        "created Board (2)": "fail",
        "test-4": "skip",
    }
    assert not passed(judged("ktap", TWELVE.replace(b"not ", b"")))


def test_version_13_and_what_a_block_of_yaml_says() -> None:
    found = judged("tap", THIRTEEN)
    assert statuses(found) == {
        "Input file opened": "pass",
        "First line of the input valid": "fail",
        "Summarized correctly": "pass",
    }
    assert "message: 'First line invalid'" in found[1].diagnostics
    assert "ok 3 - no result" in " ".join(found[1].diagnostics)


def test_version_14_and_subtests() -> None:
    assert statuses(judged("tap", FOURTEEN)) == {
        "foo.tap/test-1": "pass",
        "foo.tap/this passed": "pass",
        "foo.tap": "pass",
        "bar.tap/object should be a Bar": "pass",
        "bar.tap/value # of x": "fail",
        "bar.tap": "fail",
    }
    assert parse(FOURTEEN, TAP).problems == ()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"ok 1\nok 2\n", "printed no TAP plan"),
        (b"1..3\nok 1\nok 2\n", "planned 3 tests, reported 2"),
        (b"1..1\nok 1\nok 2\n", "planned 1 test, reported 2"),
        (b"1..2\nok 1\nok 3\n", "where 2 was due"),
        (b"1..1\n1..1\nok 1\n", "second plan"),
        (b"TAP version 15\n1..1\nok 1\n", "a version the lab does not know"),
        (b"1..2\nok 1\nBail out! MySQL is not running.\n", "bailed out: MySQL is not running."),
        (b"1..1\nok 1\n  ---\n  a: b\n", "that has no end"),
        (b"1..1\n    1..1\n    not ok 1 - b\nok 1 - a\n", "calls a ok although a/b is not"),
    ],
)
def test_what_is_no_report(text: bytes, what: str) -> None:
    found = judged("tap", text)
    assert not passed(found)
    assert what in found[-1].message


def test_a_block_that_nothing_ends_takes_no_result_with_it() -> None:
    found = judged("tap", b"1..2\nok 1\n  ---\n  a: b\nnot ok 2 - b\n")
    assert statuses(found)["b"] == "fail"


def test_what_looks_like_a_block_and_follows_no_result_is_none() -> None:
    text = b"1..2\nok 1\n# text\n  ---\nnot ok 2 - b\n"
    assert statuses(judged("tap", text)) == {"test-1": "pass", "b": "fail"}


def test_nothing_to_do_says_why() -> None:
    (one,) = judged("tap", b"1..0 # SKIP no /dev/pmem0\n")
    assert (str(one.status), one.message) == ("skip", "no /dev/pmem0")
