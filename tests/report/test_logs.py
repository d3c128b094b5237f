# SPDX-License-Identifier: GPL-2.0-only
"""Logs of a job, and where in them a result is explained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.model.complaint import Complaint, Frame, Kind
from lab.model.log_mark import program_mark, read_mark
from lab.model.records import Evidence, GuestUse, PlacedComplaint
from lab.report.site.complaint import ComplaintBook, ShownComplaint, complaints
from lab.report.site.log import JobLogs, Log, job_folder, read_logs
from lab.report.site.search import Search
from lab.report.site.template_data import log_html
from lab.results import write_bytes, write_json, write_text
from tests.results.made import job, noted, result

MARK = program_mark("ext4-dax", "mlock", "mlock")
WARNING = (
    f"[    1.000000] {MARK}\n[    1.100000] ------------[ cut here ]------------\n"
    "[    1.100000] WARNING: CPU: 0 PID: 1 at mm/gup.c:1 foo+0x1/0x2\n"
    "[    1.100000] Call Trace:\n[    1.100000]  foo+0x1/0x2\n"
    "[    1.100000] ---[ end trace 0000000000000000 ]---\n[    1.200000] fine\n"
)


def log(text: bytes, tmp_path: Path) -> Log:
    found = Log.read(write_bytes(tmp_path / "console.log", text), "00.console", "Console")
    assert found is not None
    return found


def test_a_mark_is_read_with_and_without_a_time() -> None:
    assert read_mark(MARK) == ("ext4-dax", "mlock", "mlock")
    assert read_mark(f"[    4.500000] {MARK}") == ("ext4-dax", "mlock", "mlock")
    assert read_mark(f"[    4.500000] somebody said {MARK}") is None


def test_any_bytes_are_lines(tmp_path: Path) -> None:
    found = log(b"a\xff\x1b[31mb\r\n\x00c\x85d\n\ne", tmp_path)
    assert found.lines == ("a\ufffdb", "\ufffdc\ufffdd", "", "e")


def test_a_program_owns_the_console_up_to_the_next_mark(tmp_path: Path) -> None:
    other = program_mark("xfs-dax", "mlock", "mlock")
    found = log(f"boot\n{MARK}\nmine\nmine\n{other}\nits\n".encode(), tmp_path)
    assert found.suites == {("ext4-dax", "mlock"): (2, 4), ("xfs-dax", "mlock"): (5, 6)}
    assert [found.at(number) for number in (1, 2, 4)] == [
        None,
        ("ext4-dax", "mlock", "mlock"),
        ("ext4-dax", "mlock", "mlock"),
    ]


def test_of_a_huge_console_the_end_is_kept_with_its_numbers(tmp_path: Path) -> None:
    lines = b"".join(b"%07d %s\n" % (number, b"x" * 92) for number in range(1, 100_001))
    found = log(lines, tmp_path)
    assert found.last == 100_000
    assert found.line(99_999).startswith("0099999 ")
    html, cut = log_html(found, {found.first + 30_000})
    assert cut.startswith("87,849 of 100,000 lines are left out")
    assert html.count("…") == 2
    assert f'id="L{found.first + 30_000}" class="hot"' in html
    assert 'id="L100000"' in html
    assert 'id="L1"' not in html


def test_a_console_without_records_of_complaints_is_searched(tmp_path: Path) -> None:
    (told,) = complaints(job(), JobLogs((log(WARNING.encode(), tmp_path),)))
    assert told.title == "WARNING in foo"
    assert told.place == ("ext4-dax", "mlock")
    assert told.excerpt is not None
    assert (told.excerpt.line, told.excerpt.end) == (2, 6)


def test_recorded_complaints_are_found_again_on_the_console(tmp_path: Path) -> None:
    found = log(f"[ 1.0] {MARK}\n[ 1.1] WARNING: at gup\n[ 1.2] fine\n".encode(), tmp_path)
    recorded = Complaint(
        Kind.WARNING,
        "gup",
        lines=("[ 1.1] WARNING: at gup",),
        first_line=99,
        frames=(
            Frame("gup", 0x12, 0x20, file="mm/gup.c", line=7),
            Frame("maybe", 0, 0, reliable=False),
        ),
    )
    benign = PlacedComplaint(
        replace(recorded, title="known"), benign="it says nothing of the kernel"
    )
    record = replace(job(), complaints=(PlacedComplaint(recorded), benign))
    (told,) = complaints(record, JobLogs((found,)))
    assert (told.kind, told.title) == (str(Kind.WARNING), "gup")
    assert told.frames == ("gup+0x12/0x20 mm/gup.c:7", "? maybe+0x0/0x0")
    assert told.excerpt is not None
    assert told.excerpt.line == 2


def test_benign_complaints_stay_so(tmp_path: Path) -> None:
    record = job(complaints=(noted(benign="a known one"),))
    assert complaints(record, JobLogs((log(WARNING.encode(), tmp_path),))) == ()


def test_a_complaint_belongs_to_what_is_on_record(tmp_path: Path) -> None:
    """The console has it below the mark of a program whose results were out by then."""
    found = log(f"[ 1.0] {MARK}\n[    1.5] WARNING: at\n".encode(), tmp_path)
    evidence = Evidence(guests=(GuestUse(".", "", ("xfs-dax/limits.rlimit", "ext4-dax/a.b")),))
    late, mine = noted(), noted(filesystem="xfs-dax", program="rlimit", test="one")
    record = job(complaints=(late, mine))
    first, second = complaints(replace(record, evidence=evidence), JobLogs((found,)))
    assert (first.place, first.of_job) == (None, True)
    assert (second.place, second.test, second.of_job) == (("xfs-dax", "limits"), "one", False)
    # Of a record that does not name what ran in its guests, the mark is all there is.
    _, second = complaints(record, JobLogs((found,)))
    assert second.place == ("ext4-dax", "mlock")


def test_a_job_finds_its_folder_among_others_of_its_variant(tmp_path: Path) -> None:
    mine = job(machine="big")
    for number, machine in ((0, "default"), (1, "big")):
        record = {"machine": machine, "config": mine.config, "started": mine.started}
        write_json(tmp_path / "jobs" / f"{number:02d}-6.1" / "job.json", record)
    # Recorded first, since it ended first.
    assert job_folder((tmp_path,), 0, mine) == tmp_path / "jobs" / "01-6.1"
    assert job_folder((tmp_path,), 0, job(variant="6.1+bug")) is None
    assert job_folder((tmp_path / "gone", tmp_path), 0, job()) == tmp_path / "jobs" / "00-6.1"


def test_a_result_is_found_in_what_its_program_printed(tmp_path: Path) -> None:
    ktap = "KTAP version 1\n1..2\n# why\nnot ok 1 a.b\nok 2 - c # SKIP no\n"
    write_text(tmp_path / "ext4-dax" / "mlock.mlock.ktap", ktap)
    logs = read_logs(tmp_path, "00-6.1", job(result("a.b")))
    where = logs.result_line("ext4-dax", "mlock", "a.b")
    assert where is not None
    assert where[1] == 4
    assert logs.result_line("ext4-dax", "mlock", "c") is not None
    assert logs.result_line("xfs-dax", "mlock", "a.b") is None


def test_names_with_dots_in_them_are_told_apart(tmp_path: Path) -> None:
    """A suite that begins as another does, programs of one suite with a test of one name."""
    printed = {"own.p": "own", "own.suite.p": "longer", "own.suite.p.q": "program", "s.a": "a",
               "s.a.b": "single", "s.b": "b"}  # fmt: skip
    for name, said in printed.items():
        test = "u" if said == "single" else "t"
        write_text(tmp_path / "fs" / f"{name}.ktap", f"ok 1 {test} # SKIP {said}\n")
    of = (("own", "p"), ("own.suite", "p"), ("own.suite", "p.q"), ("s", "a"), ("s", "b"))
    found = [result("t", filesystem="fs", suite=suite, program=name) for suite, name in of]
    logs = read_logs(tmp_path, "00-6.1", job(*found))
    for one, said in zip(found, ("own", "longer", "program", "a", "b"), strict=True):
        where = logs.result_line("fs", one.suite, "t", one.program)
        assert where is not None
        assert where[0].line(where[1]).endswith(said)


def test_each_guest_of_a_job_has_its_console_in_order(tmp_path: Path) -> None:
    write_text(tmp_path / "console.log", f"{MARK}\n")
    for number in (2, 10, 3):
        write_text(tmp_path / f"guest-{number}" / "console.log", f"{number}\n")
    logs = read_logs(tmp_path, "00-6.1", job())
    assert [log.lines for log in logs.consoles] == [(MARK,), ("2",), ("3",), ("10",)]
    assert [log.page for log in logs.consoles][-1] == "00-6.1.console-10"


@pytest.mark.parametrize("asked_before", [0, 20])
def test_the_first_line_with_a_text_is_found_by_its_words_too(asked_before: int) -> None:
    lines = ["", "WARNING in bart", "a bar, WARNING in bar_7+0x1", "WARNING in bar_7", "in bar_8"]
    search = Search(lines)
    for number in range(asked_before):
        assert search.first(f"nobody says {number}, ever") is None
    texts = {
        "WARNING in bar": 1,
        "WARNING in bar_7": 2,
        "ARNING in bar_7+": 2,
        "a bar, WARNING": 2,
        "bar_7": 2,
        "in bar_8": 4,
        "WARNING in bar_9": None,
        "WARNING on bar": None,
        "": None,
    }
    assert {text: search.first(text) for text in texts} == texts


def test_texts_are_found_in_the_first_console_that_has_them(tmp_path: Path) -> None:
    parts = (b"boot\n", b"", b"boot\ndied of it\n", b"died of it\n")
    logs = JobLogs(tuple(log(part, tmp_path) for part in parts))
    asked = ("died of it", "boot", "lived")
    assert [logs.find(text) for text in asked] == [(2, 2), (0, 1), None]


def test_a_complaint_explains_its_test_its_parts_and_its_program() -> None:
    told = [("p", ""), ("p", "a"), ("p", "a/b"), ("p", "ab"), ("q", "a"), ("p", "a")]
    book = ComplaintBook(
        tuple(ShownComplaint("", "", None, program=one, test=test) for one, test in told)
    )
    places = {test: [book.told.index(one) for one in book.about(test)] for test in ("a", "p")}
    assert places == {"a": [0, 1, 4, 1], "p": [0, 1, 2, 3, 1]}
    assert [one.test for one in book.about("a/b")] == ["", "a", "a/b", "a", "a"]
    assert [one.test for one in book.about("ab/c")] == ["", "ab"]
