# SPDX-License-Identifier: GPL-2.0-only
"""The table, the JSON and the exit status of a run."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lab.analysis.run_status import run_status
from lab.errors import ExitStatus
from lab.model.records import LEFT_CHANGED, JobRecord, RunRecord
from lab.model.status import Status
from lab.report import print_run, to_json
from lab.report.evidence import evidence_lines
from lab.results import write_json
from tests.results.made import EVIDENCE, PROOF, job, noted, result, run, slow_and_fast, untested

LONG = "1 of 1024 pages present; 1023 minor and 0 major faults while all pages were read once"
BUG: dict[str, Any] = {"status": Status.FAIL, "expected": Status.FAIL, "reason": "the bug is back"}
CANNOT: dict[str, Any] = {"status": Status.SKIP, "expected": Status.SKIP, "reason": "4.3 has none"}


def mixed() -> RunRecord:
    calls = [f"mlock.{kind}.{size}" for size in ("4k", "2m") for kind in ("shared-rw", "shared-ro")]
    known = [
        result(name, variant="6.1+bug", filesystem=filesystem, message="1 of 1024", **BUG)
        for filesystem in ("ext4-dax", "xfs-dax")
        for name in calls
    ]
    return run(
        job(
            result(metrics=slow_and_fast()),
            result("populate.shared-rw.4k", Status.FAIL, message=LONG),
            result("mlock2", message="mlock2 came with Linux 4.4", **CANNOT),
            result("limits", Status.ERROR, message="printed no KTAP plan"),
        ),
        job(*known, variant="6.1+bug"),
        job(variant="v4.2", error="mkfs.xfs failed\n  try: lab doctor"),
    )


def printed(
    record: RunRecord, *, terminal: bool = False, verbose: bool = False, width: int = 80
) -> str:
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=terminal, width=width, color_system=None, no_color=True
    )
    print_run(record, console, verbose)
    return file.getvalue()


def test_rows_count_and_say_whether_all_was_expected() -> None:
    lines = [" ".join(line.split()) for line in printed(mixed()).splitlines()]
    assert "ext4-dax 1 1 1 - - 1 ✗ no (2)" in lines
    assert "ext4-dax - 4 - - - - ✓ yes" in lines
    assert "6.1+bug (6.1.192)" in lines


@pytest.mark.parametrize(
    ("record", "row"),
    [
        (job(variant="v4.2", error="no gcc"), "- - - - - - ✗ error"),
        (job(variant="v4.2", error=""), "- - - - - - ✗ error"),
        (job(variant="v4.2"), "- - - - - - ✗ no test ran"),
        (untested("v4.2"), "not tested: the binary is the same"),
        (job(result(), variant="v4.2", error="no ssh"), "ext4-dax 1 - - - - - ✓ yes"),
    ],
)
def test_a_job_that_ended_early_has_a_row(record: JobRecord, row: str) -> None:
    lines = [" ".join(line.split()) for line in printed(run(job(result()), record)).splitlines()]
    place = lines.index("v4.2 (6.1.192)")
    assert lines[place + 1] == row
    assert (lines[place + 2] == "rest of the job - - - - - - ✗ error") == bool(record.results)


def test_a_skip_where_a_pass_was_expected_is_a_surprise() -> None:
    text = printed(run(job(result(), result("x", Status.SKIP, message="no 2 MiB pages"))))
    assert "Not passed, as expected" not in text
    told = "  ✗ skip (expected pass)\n      6.1  on ext4-dax\n        x\n      no 2 MiB pages\n"
    assert told in text
    assert "✗ no (1)" in text
    assert "1 not as expected." in text


def test_known_failures_are_told_once() -> None:
    text = printed(mixed())
    section = text[text.index("Not passed, as expected") : text.index("NOT AS EXPECTED")]
    assert section.splitlines()[1:6] == [
        "  fail: the bug is back",
        "    6.1+bug  on ext4-dax xfs-dax",
        "      mlock  4k,2m: shared-rw shared-ro",
        "      e.g. 1 of 1024",
        "  skip: 4.3 has none",
    ]


def test_mappings_that_differ_by_size_are_told_apart() -> None:
    failed = [
        result(name, **BUG)
        for name in ("mlock.shared-ro.4k", "mlock.shared-rw.4k", "mlock.shared-ro.2m", "odd")
    ]
    text = printed(run(job(*failed)))
    assert "      mlock  4k: shared-ro shared-rw; 2m: shared-ro\n      odd\n" in text


def test_what_differs_between_filesystems_is_told_apart() -> None:
    failed = [result(name, **BUG) for name in ("mlock.shared-ro.4k", "mlock.shared-rw.4k")]
    other = result("mlock.shared-ro.4k", filesystem="xfs-dax", **BUG)
    text = printed(run(job(*failed, other)))
    assert (
        "  fail: the bug is back\n"
        "    6.1  on ext4-dax\n"
        "      mlock  4k: shared-ro shared-rw\n"
        "    6.1  on xfs-dax\n"
        "      mlock.shared-ro.4k\n"
    ) in text


def test_parts_of_a_name_that_mean_something_else_stay_in_it() -> None:
    names = ("net.ipv4.tcp", "net.ipv6.tcp", "net.ipv6.udp", "mlock.shared-ro.4k")
    text = printed(run(job(*(result(name, **BUG) for name in names))))
    assert "      mlock  4k: shared-ro\n" in text
    assert all(name in text for name in names[:3])


def test_skips_for_one_reason_are_told_once() -> None:
    known = {**CANNOT, "reason": "no 2 MiB pages"}
    skipped = [
        result(f"mlock.shared-ro.{n}", message=f"extent at 0x{n}f00", **known) for n in (1, 2)
    ]
    other = result("mlock2.a.1", message="4.3 has none", **CANNOT)
    text = printed(run(job(result(), *skipped, other)))
    assert (
        "  skip: no 2 MiB pages\n"
        "    6.1  on ext4-dax\n"
        "      mlock  1,2: shared-ro\n"
        "      e.g. extent at 0x1f00\n"
        "  skip: 4.3 has none\n"
        "    6.1  on ext4-dax\n"
        "      mlock2.a.1\n"
    ) in text
    # A message that only repeats the reason is no example.
    assert text.count("e.g.") == 1


def test_every_surprise_is_listed_and_no_error_among_them() -> None:
    text = printed(mixed())
    section = text[text.index("NOT AS EXPECTED") : text.index("ERRORS OF THE LAB")]
    assert section.splitlines()[:4] == [
        "NOT AS EXPECTED (1)",
        "  ✗ fail (expected pass)",
        "      6.1  on ext4-dax",
        "        populate.shared-rw.4k",
    ]
    assert section.splitlines()[4] == f"      {LONG}"
    assert "limits" not in section


def test_an_unexpected_pass_is_a_surprise() -> None:
    text = printed(run(job(result("x", Status.PASS, expected=Status.FAIL))))
    assert "✗ pass (expected fail)\n      6.1  on ext4-dax\n        x\n" in text
    assert "1 not as expected." in text


def test_errors_have_a_section_of_their_own() -> None:
    text = printed(mixed())
    section = text[text.index("ERRORS OF THE LAB") : text.index("First access")]
    assert "  ✗ v4.2  (6.1.192)\n        mkfs.xfs failed\n          try: lab doctor\n" in section
    assert "  ✗ 6.1  on ext4-dax: limits\n        printed no KTAP plan\n" in section


def test_what_the_lab_was_given_is_no_error_of_the_lab() -> None:
    given = job(error="mm/gup.c: hunk 1 does not apply", users_fault=True, variant="6.1+mine")
    text = printed(run(job(result()), given))
    section = text[text.index("AT FAULT") :]
    assert "6.1+mine  (6.1.192)\n        mm/gup.c: hunk 1 does not apply\n" in section
    assert "ERRORS OF THE LAB" not in text
    assert "1 kernel not built." in text
    assert run_status(run(job(result()), given)) is ExitStatus.USER
    # What the kernel did counts more; what a retry would mend counts less.
    assert run_status(run(job(result(status=Status.FAIL)), given)) is ExitStatus.UNEXPECTED
    assert run_status(run(job(error="no space"), given)) is ExitStatus.USER


def test_one_error_of_many_programs_is_told_once() -> None:
    lost = [result(name, Status.ERROR, message="no DAX") for name in ("populate", "mlock")]
    text = printed(run(job(*lost)))
    assert text.count("no DAX") == 1
    assert "6.1  on ext4-dax: populate, mlock" in text
    assert "2 errors of the lab" in text


def test_who_left_the_guest_changed_is_told() -> None:
    note = f"{LEFT_CHANGED}, what follows has a fresh one: vm/swappiness: 60 -> 1"
    named = [result(f"t{number}", diagnostics=("x", note)) for number in range(6)]
    text = " ".join(printed(run(job(result(), *named))).split())
    assert text.count(note) == 1
    assert f"6.1 on ext4-dax: t0, t1, t2, t3, and 2 more {note}" in text


def test_program_that_does_not_compile_is_told_once_and_counted() -> None:
    lost = [
        result("mine", Status.ERROR, message="mine.c:3: no ;", diagnostics=("x",), program="mine",
               users_fault=True, filesystem=filesystem)
        for filesystem in ("ext4-dax", "xfs-dax")
    ]  # fmt: skip
    record = run(job(result(), *lost))
    text = printed(record)
    assert "AT FAULT" in text
    assert text.count("  ✗ guest-tests: mine\n        mine.c:3: no ;\n        x\n") == 1
    assert "ERRORS OF THE LAB" not in text
    assert "NOT AS EXPECTED" not in text
    assert "3 results: 1 pass, 2 error. mine at fault." in text
    assert run_status(record) is ExitStatus.USER
    assert run_status(run(job(result(status=Status.FAIL), *lost))) is ExitStatus.UNEXPECTED


def test_a_program_that_a_signal_killed_is_no_error_of_the_lab() -> None:
    killed = result(
        "mlock", Status.ERROR, message="was killed by SIGBUS", program="mlock", signal="SIGBUS"
    )
    record = run(job(result(), killed))
    text = printed(record)
    assert "NOT AS EXPECTED (1)\n  ✗ error (expected pass)\n" in text
    assert "was killed by SIGBUS" in text
    assert "ERRORS OF THE LAB" not in text
    assert "2 results: 1 pass, 1 error. 1 not as expected." in text
    assert run_status(record) is ExitStatus.UNEXPECTED
    assert to_json(record)["results"][1]["signal"] == "SIGBUS"
    lost = replace(killed, signal="", message="ended without an exit status")
    assert "ERRORS OF THE LAB" in printed(run(job(result(), lost)))
    assert run_status(run(job(result(), lost))) is ExitStatus.INFRASTRUCTURE


def test_a_test_that_broke_off_is_no_error_of_the_lab() -> None:
    broken = result("mincore02.1", Status.ERROR, message="TBROK: mlock() failed", broke_off="TBROK")
    record = run(job(result(), broken))
    text = printed(record)
    section = text[text.index("BROKE OFF") :]
    title = "BROKE OFF, by the test's own word (1)"
    where = "  ✗ 6.1  on ext4-dax: mincore02.1\n        TBROK: mlock() failed\n"
    assert section.startswith(f"{title}\n{where}")
    assert "NOT AS EXPECTED" not in text
    assert "ERRORS OF THE LAB" not in text
    assert "2 results: 1 pass, 1 error. 1 broke off." in text
    assert run_status(record) is ExitStatus.UNEXPECTED
    assert to_json(record)["results"][1]["broke_off"] == "TBROK"
    both = printed(run(job(result(status=Status.FAIL), broken)))
    assert "NOT AS EXPECTED (1)" in both
    assert "1 not as expected. 1 broke off." in both


def test_one_cause_is_one_paragraph() -> None:
    worse = [
        result(f"mlock.{mapping}.{size}", Status.FAIL, variant=variant, filesystem=filesystem,
               message=f"before the touch: {number} of 1024 pages present")
        for variant in ("6.1", "6.12")
        for filesystem in ("ext4-dax", "xfs-dax")
        for size in ("4k", "2m")
        for number, mapping in enumerate(("shared-rw", "shared-ro"))
    ]  # fmt: skip
    crashed = [
        result(f"limits.{n}", Status.CRASH, message=f"kasan: use-after-free in f{said}",
               complaint="kasan: use-after-free in f")
        for n, said in enumerate(("; 3 pages", " (the test itself: pass)", ""))
    ]  # fmt: skip
    # What a program says of itself is no complaint of the kernel's, whatever it begins with.
    own = [
        result(f"own.{said}", Status.FAIL, message=f"bug: in a page; {said}")
        for said in ("this", "that")
    ]
    text = printed(run(job(*worse, *crashed, *own)))
    section = text[text.index("NOT AS EXPECTED") : text.index("✗ 21 results")]
    assert section.rstrip().splitlines() == [
        "NOT AS EXPECTED (21)",
        "  ✗ fail (expected pass), 16 results",
        "      6.1, 6.12  on ext4-dax xfs-dax",
        "        mlock  4k,2m: shared-rw shared-ro",
        "      e.g. before the touch: 0 of 1024 pages present",
        "  ✗ crash (expected pass), 3 results",
        "      6.1  on ext4-dax",
        "        limits.0, limits.1, limits.2",
        "      e.g. kasan: use-after-free in f; 3 pages",
        *(line for said in ("this", "that") for line in (
            "  ✗ fail (expected pass)",
            "      6.1  on ext4-dax",
            f"        own.{said}",
            f"      bug: in a page; {said}",
        )),
    ]  # fmt: skip


def test_two_programs_with_a_test_of_one_name() -> None:
    lost = [result("open", Status.FAIL, program=program) for program in ("dup-a", "dup-b")]
    text = printed(run(job(*lost)))
    assert "fail (expected pass), 2 results\n      6.1  on ext4-dax\n" in text
    assert "dup-a: open, dup-b: open" in " ".join(text.split()).replace(": open dup", ": open, dup")


def test_complaints_alike_are_one_paragraph() -> None:
    told = tuple(noted() for _ in range(2))
    text = printed(run(job(result(), complaints=told), job(variant="6.12", complaints=told[:1])))
    assert text.count(str(told[0].complaint)) == 1
    assert "6.1  (6.1.192), 2 times, 6.12  (6.1.192): " in text


def test_first_access() -> None:
    text = " ".join(printed(mixed()).split())
    assert "shared-rw 4k 812 → 81.2 10.0×" in text  # noqa: RUF001


def test_first_access_half_measured_and_in_three_filesystems() -> None:
    slow, fast, _ = slow_and_fast()
    results = [
        result(filesystem="a", metrics=(slow,)),
        result(filesystem="b", metrics=(fast,)),
        result(filesystem="c", metrics=(slow, slow, fast)),
    ]
    lines = [" ".join(line.split()) for line in printed(run(job(*results))).splitlines()]
    assert "shared-rw 4k 812 → - - → 81.2" in lines
    assert "shared-rw 4k 812 → 81.2 10.0×" in lines  # noqa: RUF001


def test_first_access_in_80_columns_whatever_the_names() -> None:
    slow, fast, _ = slow_and_fast()
    metrics = (replace(slow, value=98_765_432.0), replace(fast, value=1_234_567.0))
    kinds = ("shared-rw.4k", "shared-rw-of-a-sparse-file.2m")
    results = [
        result(f"first-access.{kind}", filesystem=f"{'x' * 40}-{end}", metrics=metrics)
        for kind in kinds
        for end in ("4k", "2m")
    ]
    # A pipe gets lines as they are made: a terminal would fold what is too long.
    text = printed(run(job(*results), folder=""))
    section = text[text.index("First access") :].splitlines()
    assert max(map(len, section)) <= 80
    assert sum("98765432 → 1234567   80.0×" in line for line in section) == 4  # noqa: RUF001
    assert [line.split()[0][-3:] for line in section if "..." in line] == ["-4k", "-2m"]


def test_nothing_ran() -> None:
    text = printed(run())
    assert "no test ran" in text
    assert "No results." in text
    assert "expected." not in text


def test_the_end_says_it_all() -> None:
    *_, verdict, folder = printed(mixed()).splitlines()
    assert verdict == (
        "✗ 12 results: 1 pass, 9 fail, 1 skip, 1 error. 1 not as expected. 2 errors of the lab."
    )
    assert folder.strip() == "results/20260101-120000-ab12"
    *_, verdict, _ = printed(run(job(result()))).splitlines()
    assert verdict == "✓ 1 result: 1 pass. All as expected."


@pytest.mark.parametrize("width", [80, 50, 30])
def test_a_terminal_gets_no_line_that_it_would_break(width: int) -> None:
    text = printed(mixed(), terminal=True, verbose=True, width=width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert LONG not in text
    assert "…" not in text


def test_a_table_without_room_for_columns_counts_in_words() -> None:
    lines = printed(mixed(), terminal=True, width=50).splitlines()
    rows = [line.rstrip() for line in lines[3 : lines.index("Not passed, as expected") - 1]]
    assert rows == [
        "  as expected: how many",
        "6.1  (6.1.192)",
        "  ext4-dax  ✗ no (2): 1 pass, 1 fail, 1 skip, 1",
        "            error",
        "6.1+bug  (6.1.192)",
        "  ext4-dax  ✓ yes: 4 fail",
        "  xfs-dax  ✓ yes: 4 fail",
        "v4.2  (6.1.192)",
        "  ✗ error",
    ]


def test_what_goes_on_is_to_the_right_of_its_beginning() -> None:
    name = "a.test.with-a-name-that-is.longer-than-the-terminal-is-wide"
    text = printed(run(job(result(name, **BUG))), terminal=True, width=50)
    at = text.index("      a.test.")
    one, two = text[at:].splitlines()[:2]
    assert one.strip() + two.strip() == name
    assert two.startswith("        ")


def test_a_pipe_gets_whole_lines_and_no_escapes() -> None:
    text = printed(mixed(), verbose=True)
    assert text.count(LONG) == 2
    assert "\x1b" not in text


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    print_run(mixed(), Console(file=file, force_terminal=True, width=80), verbose=False)
    assert "\x1b[31m" not in file.getvalue()
    assert "\x1b[1;31m" not in file.getvalue()


def test_verbose_lists_all_tests() -> None:
    assert "mlock.shared-rw.4k  0.12 s" not in printed(mixed())
    text = printed(mixed(), verbose=True)
    assert text.count("fail    mlock.") == 8
    assert "pass    mlock.shared-rw.4k  0.12 s" in text


def test_output_that_takes_ascii_only() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    print_run(run(job(result(status=Status.FAIL, message="caf\ufffd"))), Console(file=file))
    file.flush()
    assert b"x no (1)" in raw.getvalue()
    assert b"caf?" in raw.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_guest_cannot_play_with_the_terminal(terminal: bool) -> None:
    evil = "[bold]x[/bold] \x1b]0;title\x07\x1b[2J"
    record = run(job(result(evil, Status.FAIL, message=evil), error=evil))
    text = printed(record, terminal=terminal)
    assert "[bold]x[/bold]" in text
    assert "\x1b]0" not in text
    assert "\x1b[2J" not in text


ERROR = result("e", Status.ERROR)
FAIL = result("f", Status.FAIL)


@pytest.mark.parametrize(
    ("jobs", "status"),
    [
        ([job(result())], ExitStatus.EXPECTED),
        ([job(result(), result("s", **CANNOT))], ExitStatus.EXPECTED),
        ([job(result(), result("x", **BUG))], ExitStatus.EXPECTED),
        ([job(result("e", Status.ERROR, expected=Status.ERROR))], ExitStatus.EXPECTED),
        ([job(result(), FAIL)], ExitStatus.UNEXPECTED),
        ([job(result(), result("x", Status.CRASH))], ExitStatus.UNEXPECTED),
        ([job(result(), result("x", Status.TIMEOUT))], ExitStatus.UNEXPECTED),
        ([job(result("x", Status.PASS, expected=Status.FAIL))], ExitStatus.UNEXPECTED),
        ([job(result("x", Status.SKIP, expected=Status.FAIL))], ExitStatus.UNEXPECTED),
        ([job(result(), result("x", Status.SKIP))], ExitStatus.UNEXPECTED),
        ([job(result("x", Status.SKIP))], ExitStatus.UNEXPECTED),
        ([job(result(), result("x", Status.PASS, expected=Status.SKIP))], ExitStatus.UNEXPECTED),
        ([job(result("x", Status.PASS, expected=Status.ERROR))], ExitStatus.UNEXPECTED),
        ([job(FAIL, ERROR)], ExitStatus.UNEXPECTED),
        ([job(FAIL), job(error="no space")], ExitStatus.UNEXPECTED),
        ([job(result(), ERROR)], ExitStatus.INFRASTRUCTURE),
        ([job(result("e", Status.ERROR, expected=Status.FAIL))], ExitStatus.INFRASTRUCTURE),
        ([job(result()), job(error="no space")], ExitStatus.INFRASTRUCTURE),
        ([job(result()), job()], ExitStatus.INFRASTRUCTURE),
        ([job(result(**CANNOT))], ExitStatus.INFRASTRUCTURE),
        ([job()], ExitStatus.INFRASTRUCTURE),
        ([], ExitStatus.INFRASTRUCTURE),
        # A program that does not compile, as lab.toml expects; a fault that is none.
        (
            [job(result(), result("e", Status.ERROR, expected=Status.ERROR, users_fault=True))],
            ExitStatus.EXPECTED,
        ),
        ([job(result(), users_fault=True)], ExitStatus.EXPECTED),
    ],
)
def test_exit_status(jobs: list[JobRecord], status: ExitStatus) -> None:
    record = run(*jobs)
    assert run_status(record) is status
    # The table's last word and the exit status are one.
    assert ("All as expected." in printed(record)) == (status is ExitStatus.EXPECTED)
    assert to_json(record)["exit_status"] == status


def test_a_run_that_did_not_finish_is_no_success() -> None:
    record = run(job(result()), finished=None)
    assert run_status(record) is ExitStatus.INFRASTRUCTURE
    assert "NOT FINISHED" in printed(record)


def test_json(tmp_path: Path) -> None:
    document = json.loads(write_json(tmp_path / "results.json", to_json(mixed())).read_text())
    assert document["run"] == "20260101-120000-ab12"
    first = document["results"][0]
    assert (
        first.items()
        >= {
            "variant": "6.1",
            "kernel_release": "6.1.192",
            "filesystem": "ext4-dax",
            "suite": "mlock",
            "test": "mlock.shared-rw.4k",
            "status": "pass",
            "expected": "pass",
            "duration_s": 0.125,
            "message": "",
        }.items()
    )
    assert first["metrics"][0]["labels"]["populate"] == "no"
    assert document["results"][-1]["job"] == 1
    evidence = document["jobs"][0]["evidence"]
    assert evidence["dax"]["ext4-dax"]["statx"] == "DAX"
    assert evidence["proofs"]["ext4-dax"]["dax"] == evidence["dax"]["ext4-dax"]
    assert document["jobs"][2]["error"].startswith("mkfs.xfs failed")


def test_a_complaint_while_no_test_ran_is_a_surprise() -> None:
    record = run(job(result(), complaints=(noted(),)))
    assert run_status(record) is ExitStatus.UNEXPECTED
    text = printed(record)
    assert "THE KERNEL COMPLAINED while no test ran (1)" in text
    assert ": warning: WARNING in foo" in text
    assert "foo+0x1/0x20 mm/gup.c:12" in text
    assert "1 not as expected." in text


@pytest.mark.parametrize(
    "change", [{"benign": "known"}, {"filesystem": "ext4-dax", "program": "mlock", "test": "a"}]
)
def test_a_complaint_that_is_benign_or_a_results_is_told_elsewhere(change: Any) -> None:
    record = run(job(result(), complaints=(noted(**change),)))
    assert run_status(record) is ExitStatus.EXPECTED
    assert "COMPLAINED" not in printed(record)


def test_json_has_all_complaints() -> None:
    record = run(job(result(), complaints=(noted(), noted(benign="known"))))
    first, second = json.loads(json.dumps(to_json(record)))["jobs"][0]["complaints"]
    assert (first["kind"], first["title"], first["of_job"]) == ("warning", "WARNING in foo", True)
    assert first["frames"][0]["function"] == "foo"
    assert first["lines"][1] == "foo"
    assert (second["benign"], second["of_job"]) == ("known", False)


def test_what_nobody_ran_is_counted_and_told_by_its_cause() -> None:
    why = "did not run: the same hang came twice (RCU stall in foo)"
    left = [result(f"p (test {n} of 9)", Status.ERROR, message=why) for n in range(4, 10)]
    ended = [result("a"), result("b"), result("c", Status.TIMEOUT, message="RCU stall in foo")]
    record = run(job(*ended, *left))
    text = printed(record)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "ext4-dax 2 - - - 1 - 6 ✗ no (1)" in lines
    assert all(len(line) <= 80 for line in text.splitlines() if "not run" in line)
    cut = printed(run(job(*left, error="interrupted"))).splitlines()
    assert [len(line) <= 79 for line in cut if "✗ cut short" in line or "✗ none ran" in line] == [
        True,
        True,
    ]
    assert "DID NOT RUN (6)" in lines
    assert "✗ the same hang came twice (RCU stall in foo)" in lines
    names = ", ".join(one.test for one in left[:4])
    assert f"6.1 on ext4-dax: {names}, and 2 more" in lines
    assert "ERRORS OF THE LAB" not in text
    assert "9 results: 2 pass, 1 timeout, 6 not run. 1 not as expected." in text
    assert run_status(record) is ExitStatus.UNEXPECTED


def test_tests_that_nobody_ran_are_no_success() -> None:
    record = run(job(result(), result("q", Status.ERROR, message="did not run: no time")))
    assert run_status(record) is ExitStatus.INFRASTRUCTURE
    assert "✗ part ran" in printed(record)
    assert "2 results: 1 pass, 1 not run. Not all ran." in printed(record)


def test_a_filesystem_that_promised_nothing_says_so() -> None:
    owes: dict[str, Any] = {
        "promises": (("plain", ()), ("ext4-dax", ("dax",))),
        "proofs": (("plain", ()), ("ext4-dax", (("dax", PROOF),))),
    }
    record = run(replace(job(result()), evidence=replace(EVIDENCE, **owes)))
    evidence = to_json(record)["jobs"][0]["evidence"]
    assert evidence["promises"] == {"plain": [], "ext4-dax": ["dax"]}
    assert evidence["proofs"] == {"plain": {}, "ext4-dax": {"dax": dict(PROOF)}}
    assert evidence["dax"] == {"ext4-dax": dict(PROOF)}
    lines = [line.split(maxsplit=2) for line in evidence_lines(record)]
    assert ["plain", "promised", "nothing"] in lines
    assert [line[1] for line in lines if line[:1] == ["DAX"]] == ["ext4-dax"]
