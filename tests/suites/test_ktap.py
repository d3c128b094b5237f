# SPDX-License-Identifier: GPL-2.0-only
"""KTAP: a golden corpus, and output cut off anywhere."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from lab.suites.ktap import parse

GOLDEN = Path(__file__).parent / "golden"
CORPUS = sorted(GOLDEN.glob("*.ktap"))
#: Those that a correct program may print.
CLEAN = {"console-noise", "flat", "kselftest", "kunit", "nested", "numberless-tap", "plan-at-end"}
CLEAN |= {"skip-all"}


def read(name: str) -> bytes:
    return (GOLDEN / f"{name}.ktap").read_bytes()


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text())
    assert json.loads(json.dumps(asdict(parse(path.read_bytes())))) == expected


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_only_correct_output_has_no_problems(path: Path) -> None:
    assert (parse(path.read_bytes()).problems == ()) == (path.stem in CLEAN)


@pytest.mark.parametrize("name", ["flat", "nested", "kunit"])
def test_output_cut_anywhere_has_a_problem_and_invents_nothing(name: str) -> None:
    data = read(name)
    whole = {full: (test.ok, test.directive) for full, test in parse(data).walk()}
    # Past the last result line, only diagnostics are lost.
    last = max(data.rfind(b"ok 4 mlock.eof"), data.rfind(b"ok 1 main"), data.rfind(b"ok 2 - ex"))
    for length in range(data.index(b"\n", last)):
        report = parse(data[:length])
        assert report.problems, data[:length]
        for full, test in report.walk():
            # A test inside another whose result is missing has another full name.
            if test.ok is not None and full in whole:
                assert (test.ok, test.directive) == whole[full]
            assert test.name in {
                "(unfinished)",
                *(part for key in whole for part in key.split("/")),
            }


def test_full_names_tell_where_a_test_is() -> None:
    names = [name for name, _ in parse(read("nested")).walk()]
    assert names[:2] == ["main_test/example_test_1/test_1", "main_test/example_test_1"]
    assert names[-2:] == ["main_test/example_test_3", "main_test"]


def test_line_ends_make_no_difference() -> None:
    data = read("nested")
    for end in (b"\r\n", b"\r\r\n", b"\r"):
        assert parse(data.replace(b"\n", end)) == parse(data)


def test_thousands_of_tests_and_levels() -> None:
    flat = b"".join(b"ok %d test %d\n" % (n, n) for n in range(1, 5_001))
    assert len(parse(b"KTAP version 1\n1..5000\n" + flat).tests) == 5_000
    stairs = b"".join(b" " * n + b"ok 1 x\n" for n in range(1_000))
    assert parse(b"KTAP version 1\n1..1\n" + stairs).problems


@pytest.mark.parametrize(
    ("line", "name", "directive"),
    [
        (r"not ok 1 honours \# skip list", "honours # skip list", None),
        (r"ok 1 a\\b \#", r"a\b #", None),
        (r"ok 1 C\D # SKIP why", r"C\D", "SKIP"),
        ("ok 1 - -k is an option", "-k is an option", None),
        ("ok 1 mmap[4k] of  größe: 日本", "mmap[4k] of  größe: 日本", None),
    ],
)
def test_names_come_back_from_their_escapes(line: str, name: str, directive: str | None) -> None:
    (test,) = parse(f"KTAP version 1\n1..1\n{line}\n".encode()).tests
    assert (test.name, test.directive) == (name, directive)


def problems(text: str) -> tuple[str, ...]:
    return parse(text.encode()).problems


@pytest.mark.parametrize(
    ("plan", "skipped"),
    [
        ("1..0 # SKIP no device", "no device"),
        ("1..0 # skip no device", "no device"),
        ("1..0 # Skipped: no device", "no device"),
        ("1..0 # SKIP", ""),
        ("1..0 # skipping is no directive", None),
        ("1..0 # a word", None),
        ("1..0 #", None),
        ("1..0", None),
    ],
)
def test_plans_that_skip(plan: str, skipped: str | None) -> None:
    report = parse(f"KTAP version 1\n{plan}\n".encode())
    assert (report.planned, report.skipped, report.problems) == (0, skipped, ())


@pytest.mark.parametrize(
    "text",
    [
        "KTAP version 1\nKTAP version 1\n1..1\nok 1 a\n",
        "1..1\nKTAP version 1\nok 1 a\n",
        "ok 1 a\nKTAP version 1\n1..1\n",
    ],
)
def test_a_version_line_comes_first_and_once(text: str) -> None:
    assert problems(text) == ("printed a version line again or too late (KTAP version 1)",)


def test_a_version_and_its_number_belong_together() -> None:
    for version in ("KTAP version 13", "TAP version 1", "KTAP version 2"):
        said = f"speaks a version the lab does not know ({version})"
        assert problems(f"{version}\n1..1\nok 1 a\n") == (said,)


@pytest.mark.parametrize(
    "inner",
    [
        "    # Subtest: inside\n    1..1\n    ok 1 - a\n",
        "# Subtest: inside\n    1..1\n    ok 1 - a\n",
        "Subtest: inside\n    1..1\n    ok 1 - a\n",
    ],
)
def test_a_level_that_never_ended_has_the_name_it_was_given(inner: str) -> None:
    """From inside, as KUnit does, or from outside, as TAP 14."""
    report = parse(f"TAP version 14\n1..1\n{inner}".encode())
    ((name, inside), (parent, unfinished)) = report.walk()
    assert (name, inside.ok) == ("inside/a", True)
    assert (parent, unfinished.ok) == ("inside", None)
    assert report.problems == (
        "printed subtests of inside but no result of its own",
        "planned 1 test, reported none",
    )


def test_a_name_is_of_one_level_alone() -> None:
    one = "# Subtest: one\n    1..1\n    ok 1 a\nok 1 one\n"
    report = parse(f"TAP version 14\n1..2\n{one}    1..1\n    ok 1 b\n".encode())
    assert [name for name, _ in report.walk()][-1] == "(unfinished)"


def test_levels_are_as_deep_as_anybody_meant() -> None:
    def nested(indent: int) -> tuple[str, ...]:
        blanks = " " * indent
        return problems(f"KTAP version 1\n1..1\n{blanks}1..1\n{blanks}ok 1 in\nok 1 out\n")

    assert nested(100) == ()
    assert nested(101) == ("is indented too far (1..1)", "is indented too far (ok 1 in)")


@pytest.mark.parametrize("loose", ["# a note\n", "Bail out! no room\n"])
def test_what_may_be_anywhere_is_no_level(loose: str) -> None:
    report = parse(f"{loose}  KTAP version 1\n  1..1\n  ok 1 a\n{loose}".encode())
    assert report.problems == ()
    assert [name for name, _ in report.walk()] == ["a"]


@pytest.mark.parametrize("blank", ["\u00a0", "\u3000"])
def test_only_blanks_and_tabs_indent(blank: str) -> None:
    assert problems(f"KTAP version 1\n1..1\n{blank}ok 1 a\n") == ("planned 1 test, reported none",)
    (test,) = parse(b"KTAP version 1\n1..1\n\t1..1\n        ok 1 in\nok 1 out\n").tests
    assert [each.name for each in test.subtests] == ["in"]


def test_nothing_but_a_line_that_was_cut_off() -> None:
    assert problems("hello")[-1] == "was cut off in the middle of a line (hello)"
    assert parse(b"").problems == parse(b" \n\n").problems == ("printed nothing",)


def test_a_long_line_is_shortened_in_a_problem() -> None:
    start = "KTAP version 1\n1..0\n"
    assert problems(start + "x" * 60) == (f"was cut off in the middle of a line ({'x' * 60})",)
    assert problems(start + "x" * 61) == (f"was cut off in the middle of a line ({'x' * 57}...)",)


def test_output_without_a_version_or_a_number() -> None:
    assert problems("1..1\nok one\n") == ("printed no KTAP version line", "gave no number to one")


def test_a_name_that_is_only_its_dash() -> None:
    assert [test.name for test in parse(b"KTAP version 1\n1..1\nok 1 -\n").tests] == ["test-1"]


def test_a_plan_between_results_is_told_once() -> None:
    text = "KTAP version 1\nok 1 a\n1..3\nok 2 b\nok 3 c\n"
    assert problems(text) == ("printed its plan between results (before b)",)


def test_as_much_as_is_read() -> None:
    good = b"KTAP version 1\n1..1\nok 1 a\n"
    noise = b"x" * ((8 << 20) - len(good) - 1)
    assert parse(good + noise + b"\n").problems == ()
    assert parse(good + noise + b"x\n").problems == (
        "printed more than 8 MiB, of which the rest was not read",
        f"was cut off in the middle of a line ({'x' * 57}...)",
    )


def test_what_excuses_a_test_that_failed() -> None:
    lines = "not ok 1 a\nok 2 b\nnot ok 3 c # SKIP\nnot ok 4 d # TODO\nnot ok 5 e # XFAIL\n"
    report = parse(f"KTAP version 1\n1..6\n{lines}not ok 6 f # TIMEOUT\n".encode())
    assert [test.name for test in report.tests if test.broken] == ["a", "f"]
