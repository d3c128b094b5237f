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
