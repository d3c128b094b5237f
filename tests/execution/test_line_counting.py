# SPDX-License-Identifier: GPL-2.0-only
"""What is said of a line, from what the guests of a job counted."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lab.coverage.code_lines import read_source
from lab.coverage.counted import LineState
from lab.coverage.counts import COUNTS, LOG, UNITS, Probes
from lab.coverage.debug_object import Row
from lab.coverage.formulas import FileLines, Formula
from lab.coverage.machine_code import Code, Edge, Instruction
from lab.coverage.places import PlacedFunction
from lab.execution.line_counting import _bad, _Counted, _read, _Side, _tests
from lab.execution.unit_marks import UnitMarks
from lab.model.log_mark import program_mark
from lab.model.ran import Ran
from lab.model.records import GuestUse
from lab.model.status import Status
from tests.results.made import EVIDENCE, job, result

FILE = "mm/gup.c"
TEXT = "int f(int x)\n{\n\treturn x;\n}\n"
GOOD = Ran("ext4-dax", "mlock", "mlock", "good")
BAD = GOOD._replace(test="bad")
EDGE = Edge(16, 32)
PROBES = Probes.of((16, 32, 48), (EDGE,), 8)


def counted(
    formula: Formula,
    counts: Mapping[object, Mapping[Ran, int]],
    *,
    partly: frozenset[str] = frozenset(),
    whole: bool = True,
) -> tuple[LineState, int]:
    lines = FileLines(FILE, read_source(TEXT), ())
    lines._known[3] = formula
    side = _Side({FILE: lines}, PROBES, partly=partly)
    numbers = PROBES.numbers
    by_number = {numbers[each]: Counter(found) for each, found in counts.items()}  # type: ignore[index]
    found = _Counted(side, by_number, frozenset((BAD,)), (), whole).line(FILE, 3)
    return found.state, found.count


RAN = Formula(LineState.RAN, (16, 48))


def test_copies_add_up() -> None:
    assert counted(RAN, {16: {GOOD: 2}, 48: {GOOD: 3, BAD: 1}}) == (LineState.RAN, 6)


def test_what_did_not_go_a_branchs_way_is_taken_off() -> None:
    formula = Formula(LineState.RAN, (16,), (EDGE,))
    assert counted(formula, {16: {GOOD: 5}, EDGE: {GOOD: 5}}) == (LineState.NEVER, 0)
    assert counted(formula, {16: {GOOD: 5, BAD: 2}, EDGE: {GOOD: 5}}) == (LineState.FAILING, 2)


def test_what_ran_where_nobody_counted_is_not_said_to_be_still() -> None:
    partly = frozenset((FILE,))
    assert counted(RAN, {}) == (LineState.NEVER, 0)
    assert counted(RAN, {}, partly=partly) == (LineState.UNKNOWN, 0)
    assert counted(RAN, {16: {GOOD: 1}}, partly=partly) == (LineState.RAN, 1)
    assert counted(Formula(LineState.MERGED), {}, partly=partly) == (LineState.UNKNOWN, 0)
    assert counted(Formula(LineState.NOT_CODE), {}, partly=partly) == (LineState.NOT_CODE, 0)


def test_a_guest_that_does_not_say_what_it_counted_leaves_no_count() -> None:
    assert counted(RAN, {16: {GOOD: 1}}, whole=False) == (LineState.UNKNOWN, 0)


def test_what_ran_in_no_test_is_not_said_to_be_still() -> None:
    lines = FileLines(FILE, read_source(TEXT), ())
    lines._known[3] = Formula(LineState.RAN, (16,), (EDGE,))
    side = _Side({FILE: lines}, PROBES, shown=((FILE, 3),))
    own, way = PROBES.numbers[16], PROBES.numbers[EDGE]

    def found(outside: Mapping[int, int], booting: frozenset[str] = frozenset()) -> _Counted:
        return _Counted(side, {}, frozenset(), (), True, Counter(outside), booting)

    assert found({}).line(FILE, 3).state is LineState.NEVER
    assert found({own: 2, way: 1}).line(FILE, 3).state is LineState.UNKNOWN
    assert found({own: 2, way: 1}).outside_tests == (f"{FILE}:3",)
    assert found({own: 2, way: 2}).line(FILE, 3).state is LineState.NEVER
    assert found({}, frozenset((f"{FILE}:3",))).line(FILE, 3).state is LineState.UNKNOWN


def counts(folder: Path, marks: int, units: str) -> None:
    """A guest's files: one address that ran before any mark, and one after the first."""
    numbers = [0] * PROBES.size
    numbers[PROBES.numbers[16]] = 5
    (folder / COUNTS).write_bytes(struct.pack(f"<QQQ{PROBES.size}Q", 0, marks, 0, *numbers))
    (folder / LOG).write_bytes(struct.pack("<IIQ", 0, PROBES.numbers[48], 7))
    (folder / UNITS).write_text(units)
    (folder / "console.log").write_text(f"[ 1.0] {program_mark('ext4-dax', 'mlock', 'mlock')}\n")


def test_what_ran_before_a_program_is_of_no_test(tmp_path: Path) -> None:
    lines = FileLines(FILE, read_source(TEXT), ())
    use = GuestUse(".", "", ("ext4-dax/mlock.mlock",))
    done = replace(job(result("good")), evidence=replace(EVIDENCE, guests=(use,)))
    counts(tmp_path, 1, '["ext4-dax", "mlock", "mlock", "", 0, 1]\n')
    found = _read(_Side({FILE: lines}, PROBES), done, tmp_path)
    assert found.whole
    assert found.outside == {PROBES.numbers[48]: 7}
    assert found.by_number == {PROBES.numbers[16]: {GOOD._replace(test=""): 5}}


def test_a_guest_in_which_nothing_could_run_leaves_the_others_counts(tmp_path: Path) -> None:
    """4.1 mounts no XFS with DAX: that guest is booted, and no program runs in it."""
    lines = FileLines(FILE, read_source(TEXT), ())
    uses = GuestUse("one", "", ("ext4-dax/mlock.mlock",)), GuestUse("two", "", ())
    done = replace(job(result("good")), evidence=replace(EVIDENCE, guests=uses))
    for use in uses:
        (tmp_path / use.folder).mkdir()
        counts(tmp_path / use.folder, 1, '["ext4-dax", "mlock", "mlock", "", 0, 1]\n')
    (tmp_path / "two" / UNITS).unlink()
    found = _read(_Side({FILE: lines}, PROBES), done, tmp_path)
    assert found.whole
    assert found.by_number == {PROBES.numbers[16]: {GOOD._replace(test=""): 5}}
    # Where one did run, that nobody noted it is another matter.
    (tmp_path / "one" / UNITS).unlink()
    assert not _read(_Side({FILE: lines}, PROBES), done, tmp_path).whole


def test_a_guest_whose_marks_nobody_counted_counted_nothing(tmp_path: Path) -> None:
    """The plugin watched addresses at which nothing runs: it would say that nothing ran."""
    lines = FileLines(FILE, read_source(TEXT), ())
    use = GuestUse(".", "", ("ext4-dax/mlock.mlock",))
    done = replace(job(result("good")), evidence=replace(EVIDENCE, guests=(use,)))
    counts(tmp_path, 0, '["ext4-dax", "mlock", "mlock", "", 0, 0]\n')
    found = _read(_Side({FILE: lines}, PROBES), done, tmp_path)
    assert not found.whole
    assert "no mark of ext4-dax/mlock.mlock was counted" in found.notes[0]


def test_what_is_compiled_away_is_still_where_nothing_of_its_function_ran() -> None:
    row = Row(16, FILE, 3, True)
    code = Code((Instruction(16, "ret", None),))
    lines = FileLines(FILE, read_source(TEXT), (PlacedFunction("f", code, (row,), lambda _: 0),))
    lines._known[3] = Formula(LineState.MERGED)
    side = _Side({FILE: lines}, PROBES)
    number = PROBES.numbers[16]

    def is_idle(counts: Mapping[int, Counter[Ran]], *, whole: bool = True) -> bool:
        return _Counted(side, counts, frozenset(), (), whole).line(FILE, 3).idle

    assert is_idle({})
    assert not is_idle({number: Counter({GOOD: 1})})
    assert not is_idle({}, whole=False)
    # What the kernel has not needs no count.
    lines._known[3] = Formula(LineState.NOT_BUILT, absent=True)
    assert is_idle({}, whole=False)
    # What has no code left may be in what its callers do.
    lines = replace(lines, functions=())
    lines._known[3] = Formula(LineState.MERGED)
    side = _Side({FILE: lines}, PROBES)
    assert not is_idle({})


def test_a_program_passes_where_one_of_its_tests_does() -> None:
    good, bad = result("a"), result("b", Status.FAIL)
    assert {ran.test for ran in _bad(job(good, bad))} == {"b"}
    assert {ran.test for ran in _bad(job(bad))} == {"b", ""}


def test_tests_that_marks_do_not_tell_apart_are_their_program() -> None:
    program = GOOD._replace(test="")
    unit = UnitMarks(program, 0, 4)
    assert _tests([unit], [("a", "b")])[0] == {
        1: program,
        2: program._replace(test="a"),
        3: program._replace(test="b"),
    }
    found, unsure = _tests([unit], [("a",)])
    assert set(found.values()) == {program}
    assert len(unsure) == 1
