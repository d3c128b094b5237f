# SPDX-License-Identifier: GPL-2.0-only
"""All kinds of output: what none of them takes for a pass."""

from __future__ import annotations

import pytest

from lab.config.kinds import OUTPUTS
from lab.suites.judge import Ended
from lab.suites.output import output_of
from tests.suites.output.judging import HERE, judged, passed, statuses

KTAP = b"KTAP version 1\n1..1\nok 1 a\n"
#: What passes with status 0.
GOOD = {
    "ktap": KTAP,
    "tap": b"1..1\nok 1 a\n",
    "exit": b"fine\n",
    "ltp": (HERE / "ltp" / "new.txt").read_bytes(),
    "xfstests": (HERE / "xfstests" / "passes.txt").read_bytes(),
}


def test_each_kind_is_tried_here() -> None:
    assert GOOD.keys() == OUTPUTS.keys()


@pytest.mark.parametrize("kind", OUTPUTS)
def test_what_ends_well_has_passed(kind: str) -> None:
    assert passed(judged(kind, GOOD[kind]))
    assert output_of(kind).single == (kind == "exit")


@pytest.mark.parametrize("first", [b"", b"TAP version 13\n", b"KTAP version 1\n"])
def test_a_report_counts_for_more_than_the_status(first: bytes) -> None:
    for text in (b"1..2\nok 1 a\nnot ok 2 b\n", b"ok 1 a\nnot ok 2 b\n1..2 # two\n"):
        assert statuses(judged("exit", first + text)).items() >= {"a": "pass", "b": "fail"}.items()


def test_what_is_not_ok_is_no_pass_without_a_plan() -> None:
    text = b"ok 1 a\nnot ok 2 b\n"
    assert statuses(judged("exit", text)) == {"a": "pass", "b": "fail", "t": "error"}
    assert statuses(judged("exit", text, 1)) == {"t": "fail"}
    assert statuses(judged("exit", b"is it\nnot okay?\n")) == {"t": "pass"}


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("status", [1, 2, 3, 64, 126, 127, 134, 139, 255, None])
def test_no_other_status_is_a_pass(kind: str, status: int | None) -> None:
    assert not passed(judged(kind, GOOD[kind], status))


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("ended", [one for one in Ended if one is not Ended.EXITED])
def test_no_other_end_is_a_pass(kind: str, ended: Ended) -> None:
    assert not passed(judged(kind, GOOD[kind], None, ended, "a panic"))


@pytest.mark.parametrize("kind", sorted(OUTPUTS.keys() - {"exit"}))
def test_output_cut_anywhere_is_no_pass(kind: str) -> None:
    text = GOOD[kind]
    # Past what it says last, nothing is lost.
    for length in range(len(text.rstrip())):
        assert not passed(judged(kind, text[:length])), text[:length][-80:]


@pytest.mark.parametrize("kind", sorted(OUTPUTS.keys() - {"exit"}))
def test_what_says_nothing_has_passed_nothing(kind: str) -> None:
    for text in (b"", b"\n\n", b"all is fine\n"):
        assert not passed(judged(kind, text))


@pytest.mark.parametrize("kind", sorted(OUTPUTS.keys() - {"exit"}))
def test_a_flood_is_no_pass(kind: str) -> None:
    assert not passed(judged(kind, GOOD[kind] + b"x" * (9 << 20) + b"\n"))
