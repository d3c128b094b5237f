# SPDX-License-Identifier: GPL-2.0-only
"""Whose a complaint is: read from consoles that are written here, line by line."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lab.complaints.benign import Benign
from lab.execution import complaint_watch as watch
from lab.execution.cause_of_death import cause_of_death
from lab.execution.complaint_watch import BUSY, ComplaintWatch, Log, charge, doubted
from lab.execution.remainder import blame
from lab.model.complaint import Complaint, Frame, Kind
from lab.model.log_mark import Mark, marked, parse_mark, program_mark
from lab.model.records import PlacedComplaint
from lab.model.status import Status
from lab.suites.judge import Judged

WARN = (
    "------------[ cut here ]------------\n"
    "WARNING: CPU: 0 PID: 9 at mm/gup.c:12 foo+0x1/0x20\n"
    "Call Trace:\n"
    " bar+0x3/0x40\n"
    "---[ end trace 0000000000000000 ]---\n"
)
TITLE = "warning: WARNING in bar"


class Guest:
    """A folder with a console that says what it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.watch = ComplaintWatch(folder, folder, "6.1.192", ())

    def says(self, text: str) -> None:
        with (self.folder / "console.log").open("a") as stream:
            stream.write(text)


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path)


def begins(name: str) -> str:
    return f"lab: test {name} begins\n"


def places(noted: tuple[PlacedComplaint, ...]) -> list[tuple[str, str, bool]]:
    return [(one.program, one.test, one.of_job) for one in noted]


def test_complaint_before_any_program_is_the_jobs(guest: Guest) -> None:
    guest.says(WARN + "lab: run ext4 s/p\nlab: ran ext4 s/p\n")
    assert places(guest.watch.ran(alive=True)) == [("", "", True)]


def test_complaint_is_the_tests_that_ran(guest: Guest) -> None:
    guest.says("lab: run ext4 s/p\n" + begins("a") + begins("b") + WARN + begins("c"))
    guest.says("lab: ran ext4 s/p\n")
    noted = guest.watch.ran(alive=True)
    assert places(noted) == [("p", "b", False)]
    assert noted[0].filesystem == "ext4"
    assert guest.watch.marked_tests()


def test_complaint_is_told_once(guest: Guest) -> None:
    guest.says("lab: run ext4 s/p\n" + WARN + "lab: ran ext4 s/p\n")
    assert len(guest.watch.ran(alive=True)) == 1
    guest.says("lab: run ext4 s/q\nlab: ran ext4 s/q\n")
    assert guest.watch.ran(alive=True) == ()
    assert guest.watch.rest() == ()


P = "lab: run ext4 s/p\nlab: ran ext4 s/p\n"


def test_what_began_ahead_has_what_it_did_for_the_next_call(guest: Guest) -> None:
    """It ran on while the first was judged, and is judged by its own end."""
    guest.says(P + "lab: run ext4 s/q\n" + begins("a") + WARN)
    assert guest.watch.ran(alive=True, ahead=True) == ()
    assert not guest.watch.marked_tests()
    assert guest.watch.ended == 1
    guest.says("lab: ran ext4 s/q\n")
    assert places(guest.watch.ran(alive=True)) == [("q", "a", False)]
    assert guest.watch.marked_tests()
    assert guest.watch.ended == 2


def test_a_death_is_that_of_what_began_ahead(guest: Guest) -> None:
    guest.says(P + "lab: run ext4 s/q\n")
    assert guest.watch.ran(alive=True, gone=True, ahead=True) == ()
    noted = guest.watch.ran(alive=False, gone=True)
    assert places(noted) == [("q", "", False)]
    assert noted[0].complaint.kind is Kind.SILENT_DEATH


def test_what_began_ahead_and_was_never_asked_for_is_not_lost(guest: Guest) -> None:
    guest.says(P + "lab: run ext4 s/q\n" + WARN)
    assert guest.watch.ran(alive=True, ahead=True) == ()
    assert places(guest.watch.rest()) == [("", "", True)]


def test_one_that_was_to_begin_and_did_not(guest: Guest) -> None:
    guest.says("lab: run ext4 s/p\n" + WARN + "lab: ran ext4 s/p\n")
    assert places(guest.watch.ran(alive=True, ahead=True)) == [("p", "", False)]
    guest.says("lab: run ext4 s/q\n" + WARN.replace("12", "13") + "lab: ran ext4 s/q\n")
    assert places(guest.watch.ran(alive=True)) == [("q", "", False)]


def test_complaint_between_programs_is_the_jobs(guest: Guest) -> None:
    guest.says("lab: run ext4 s/p\nlab: ran ext4 s/p\n" + WARN)
    assert places(guest.watch.ran(alive=True)) == [("", "", True)]


def test_complaint_after_the_last_program_is_the_jobs(guest: Guest) -> None:
    guest.says("lab: run ext4 s/p\nlab: ran ext4 s/p\n")
    assert guest.watch.ran(alive=True) == ()
    guest.says(WARN)
    assert places(guest.watch.rest()) == [("", "", True)]


def test_kernel_log_has_what_the_console_has_not(guest: Guest) -> None:
    stamped = "".join(f"[    7.{n:06d}] {line}\n" for n, line in enumerate(WARN.splitlines()))
    guest.says(stamped)
    later = stamped.replace("[    7.", "[    9.")
    noted = guest.watch.rest(stamped + later)
    assert [one.complaint.time for one in noted] == [7.0, 9.0]


def test_console_that_lags_behind_is_waited_for(guest: Guest) -> None:
    guest.says("lab: run ext4 s/p\n")
    late = (
        'sleep 0.4; printf "%s" "$1" >>console.log; sleep 0.2; '
        'echo "lab: ran ext4 s/p" >>console.log'
    )
    command = ["sh", "-c", late, "sh", WARN]
    with subprocess.Popen(command, cwd=guest.folder):
        noted = guest.watch.ran(alive=True)
    assert places(noted) == [("p", "", False)]


def test_kernel_log_names_the_test_but_its_result_is_out(guest: Guest) -> None:
    guest.says("lab: run ext4 s/p\n" + begins("a") + "lab: ran ext4 s/p\n")
    assert guest.watch.ran(alive=True) == ()
    log = "lab: run ext4 s/p\n" + begins("a") + WARN + "lab: ran ext4 s/p\n"
    assert places(guest.watch.rest(log)) == [("", "a", True)]


def test_complaint_that_is_still_being_printed_is_waited_for(guest: Guest) -> None:
    head, rest = WARN[: WARN.index("Call")], WARN[WARN.index("Call") :]
    guest.says("lab: run ext4 s/p\n" + head + "lab: ran ext4 s/p\n")
    late = ["sh", "-c", 'sleep 0.4; printf "%s" "$1" >>console.log', "sh", rest]
    with subprocess.Popen(late, cwd=guest.folder):
        (noted,) = guest.watch.ran(alive=True)
    assert str(noted.complaint) == TITLE
    assert not noted.complaint.cut
    assert noted.program == "p"


def test_guest_that_is_gone_without_a_word(guest: Guest) -> None:
    guest.says("lab: run ext4 s/p\n" + begins("a"))
    noted = guest.watch.ran(alive=False, gone=True)
    assert places(noted) == [("p", "a", False)]
    assert noted[0].complaint.kind is Kind.SILENT_DEATH
    assert guest.watch.rest(gone=True) == ()


def test_guest_whose_panic_says_it_all(guest: Guest) -> None:
    guest.says("lab: run ext4 s/p\nKernel panic - not syncing: no\nKernel Offset: disabled\n")
    noted = guest.watch.ran(alive=False, gone=True)
    assert [one.complaint.kind for one in noted] == [Kind.PANIC]


PASSES = [Judged("a", Status.PASS), Judged("b", Status.PASS), Judged("b/sub", Status.FAIL)]


def noted(
    test: str = "", *, fatal: bool = False, benign: str = "", program: str = "p"
) -> PlacedComplaint:
    complaint = Complaint(Kind.WARNING, "WARNING in bar", ("line",), fatal=fatal)
    return PlacedComplaint(complaint, "ext4", program, test, benign)


def told(judged: tuple[Judged, ...]) -> dict[str, str]:
    return {result.test: result.status.value for result in judged}


def test_test_and_its_subtests_crash() -> None:
    charged = charge("p", PASSES, [noted("b")], marked=True)
    assert told(charged) == {"a": "pass", "b": "crash", "b/sub": "crash"}
    assert charged[1].message == f"{TITLE} (the test itself: pass)"
    assert charged[1].diagnostics == ("line",)


def test_without_marks_no_pass_is_left() -> None:
    assert set(told(charge("p", PASSES, [noted()], marked=False)).values()) == {"crash"}


@pytest.mark.parametrize("status", [Status.ERROR, Status.TIMEOUT, Status.CRASH])
def test_results_that_are_bad_already_do_not_hide_the_complaint(status: Status) -> None:
    """Of a program that marks nothing, and none of whose results could be made a crash."""
    results = [Judged("a", status), Judged("b", status)]
    charged = charge("p", results, [noted()], marked=False)
    assert told(charged) == {"a": status.value, "b": status.value, "p": "crash"}
    assert charged[2].message == TITLE


def test_every_result_but_the_worse_is_charged() -> None:
    results = [Judged("a", Status.SKIP), Judged("b", Status.ERROR), Judged("c", Status.FAIL)]
    charged = charge("p", results, [noted()], marked=False)
    assert told(charged) == {"a": "crash", "b": "error", "c": "crash"}


def test_a_second_complaint_is_charged_too() -> None:
    charged = charge(
        "p", PASSES[:1], [noted("a"), noted("a", benign="known"), noted("z")], marked=True
    )
    assert told(charged) == {"a": "crash", "z": "crash"}


def test_a_fatal_complaint_names_its_test() -> None:
    charged = charge("p", PASSES, [noted("a", fatal=True)], marked=False)
    assert told(charged) == {"a": "crash", "b": "pass", "b/sub": "fail"}


def test_a_test_is_not_another_that_begins_like_it() -> None:
    results = [Judged("b", Status.PASS), Judged("bb", Status.PASS), Judged("b/c", Status.PASS)]
    charged = charge("p", results, [noted("b")], marked=True)
    assert told(charged) == {"b": "crash", "bb": "pass", "b/c": "crash"}


def test_before_the_first_marked_test_it_is_the_programs() -> None:
    charged = charge("p", PASSES, [noted()], marked=True)
    assert told(charged) == {"a": "pass", "b": "pass", "b/sub": "fail", "p": "crash"}


def test_what_was_reported_before_a_death_stays() -> None:
    charged = charge("p", PASSES, [noted(fatal=True)], marked=False)
    assert told(charged)["a"] == "pass"
    assert told(charged)["p"] == "crash"


def test_program_has_one_result_of_its_own() -> None:
    died = [Judged("p", Status.CRASH, "the guest died while it ran")]
    (result,) = charge("p", died, [noted(fatal=True)], marked=False)
    assert result.message == f"{TITLE}; the guest died while it ran"


def test_test_without_a_result_gets_one() -> None:
    assert told(charge("p", [], [noted("a")], marked=True)) == {"a": "crash"}


def test_program_without_results_does_not_look_clean() -> None:
    assert told(charge("p", [], [noted()], marked=False)) == {"p": "crash"}


def busy() -> PlacedComplaint:
    why = f"{BUSY}: in 20 s QEMU had a CPU for 1 s"
    return replace(noted("a"), benign=why, doubtful=True)


@pytest.mark.parametrize("real_first", [True, False])
def test_what_the_host_may_have_caused_hides_nothing(real_first: bool) -> None:
    both = [noted("a"), busy()]
    charged = charge("p", PASSES[:1], both if real_first else both[::-1], marked=True)
    assert told(charged) == {"a": "crash"}


def test_a_host_that_is_busy_is_an_error_of_ours() -> None:
    (result,) = charge("p", PASSES[:1], [busy()], marked=True)
    assert result.status is Status.ERROR
    said = f"{BUSY}: in 20 s QEMU had a CPU for 1 s: {TITLE} (the test itself: pass)"
    assert result.message == said
    assert result.complaint == ""


def test_a_host_that_is_busy_makes_no_crash_of_a_test_without_a_result() -> None:
    assert told(charge("p", [], [busy()], marked=True)) == {"a": "error"}
    assert told(charge("p", [], [busy(), noted("a")], marked=True)) == {"a": "crash"}


def test_what_the_lab_did_not_see_is_its_own_error_whatever_killed_the_program() -> None:
    failed = Judged("a", Status.FAIL, "was killed by SIGBUS", signal="SIGBUS")
    (result,) = doubted([failed], "too much")
    assert (result.status, result.signal) == (Status.ERROR, "")
    (result,) = charge("p", [failed], [busy()], marked=True)
    assert (result.status, result.signal) == (Status.ERROR, "")
    (result,) = charge("p", [failed], [noted("a")], marked=True)
    assert (result.status, result.signal) == (Status.CRASH, "SIGBUS")


def test_a_result_has_the_last_complaint_for_its_cause() -> None:
    """As a value: what its message says is for people."""
    last = noted("a")
    first = replace(last, complaint=replace(last.complaint, title="another; of two clauses"))
    host = busy()
    host = replace(host, complaint=replace(host.complaint, title="the host's"))
    (result,) = charge("p", PASSES[:1], [first, last, host], marked=True)
    assert result.complaint == TITLE
    (result,) = charge("p", PASSES[:1], [last, first], marked=True)
    assert result.complaint == str(first.complaint)
    whole = Judged("p", Status.CRASH, "the guest died while it ran", complaint=TITLE)
    (both,) = blame("p", (Judged("a", Status.PASS), whole), "a")
    assert (both.test, both.complaint) == ("a", TITLE)
    killed = Judged("p", Status.ERROR, "was killed by SIGBUS", signal="SIGBUS")
    (both,) = blame("p", (Judged("a", Status.PASS), killed), "a")
    assert (both.status, both.signal) == (Status.ERROR, "SIGBUS")
    (both,) = blame("p", (result, replace(whole, complaint="")), "a")
    assert both.complaint == str(first.complaint)


def test_a_test_with_the_name_of_its_program_is_not_its_end() -> None:
    """As judge() numbers them: a pass was given to the test in which the guest died."""
    ends = (Judged("p", Status.PASS), Judged("p (2)", Status.CRASH, "the guest died while it ran"))
    assert [(one.test, one.status) for one in blame("p", ends, "b")] == [
        ("p", Status.PASS),
        ("b", Status.CRASH),
    ]


def test_an_error_of_ours_does_not_hide_the_complaint() -> None:
    """Such as a program that a signal killed: the kernel had oopsed in it."""
    errors = [Judged("a", Status.ERROR, "why")]
    (result,) = charge("p", errors, [noted("a")], marked=True)
    assert result.status is Status.CRASH
    assert result.message == f"{TITLE} (the test itself: error); why"
    killed = [Judged("p", Status.ERROR, "was killed by SIGKILL")]
    assert told(charge("p", killed, [noted()], marked=False)) == {"p": "crash"}


def test_two_complaints_of_a_program_without_marks_add_no_result() -> None:
    charged = charge("p", PASSES, [noted(), noted()], marked=False)
    assert told(charged) == {"a": "crash", "b": "crash", "b/sub": "crash"}


def test_a_flood_is_shortened_in_what_a_result_says() -> None:
    flood = [
        replace(one, complaint=replace(one.complaint, title=f"in f{number}"))
        for number, one in enumerate([noted("a")] * 600)
    ]
    (result,) = charge("p", PASSES[:1], [*flood, flood[-1]], marked=True)
    assert result.message.startswith(f"{flood[-1].complaint}; ")
    assert "; and 590 more; " in result.message
    assert result.message.endswith(f"{flood[0].complaint} (the test itself: pass)")
    assert len(result.message) < 1000
    assert result.diagnostics[-1] == "(591 more complaints: the console has them)"
    assert len(result.diagnostics) == 11


@pytest.mark.parametrize("status", [Status.CRASH, Status.TIMEOUT])
def test_worse_stays_what_it_is(status: Status) -> None:
    (result,) = charge("p", [Judged("a", status, "why")], [noted("a")], marked=True)
    assert result.status is status
    assert result.message == f"{TITLE}; why"


def test_benign_and_the_jobs_change_nothing() -> None:
    rows = [noted("a", benign="known"), noted(program="")]
    assert charge("p", PASSES, rows, marked=False) == tuple(PASSES)


@pytest.mark.parametrize(
    ("console", "resets", "said"),
    [
        ("reboot: Restarting system\n", "", "reboot: the guest rebooted"),
        ("sysrq: Resetting\n", "", "reboot: the guest rebooted"),
        ("SysRq : Resetting\n", "", "reboot: the guest rebooted"),
        ("reboot: Power down\n", "", "reboot: the guest powered off"),
        ("working\n", "CPU Reset (CPU 0)\nTriple fault\nRIP=0\n", "triple-fault: triple fault"),
        ("working\n", "CPU Reset (CPU 0)\n", "silent-death: the guest ended without a word"),
    ],
)
def test_causes_of_death(tmp_path: Path, console: str, resets: str, said: str) -> None:
    (tmp_path / "console.log").write_text(console)
    (tmp_path / "resets.log").write_text(resets)
    assert str(cause_of_death(tmp_path)) == said


@pytest.mark.parametrize(
    ("console", "resets", "lines"),
    [
        ("a\nb\n", "", ("a", "b")),
        ("".join(f"{n}\n" for n in range(20)), "", tuple(map(str, range(12, 20)))),
        ("reboot: Power down\n", "", ("reboot: Power down",)),
        ("a\n", "Triple fault\nold\nTriple fault\nRIP=0\n", ("Triple fault", "RIP=0")),
    ],
)
def test_a_death_is_fatal_and_says_what_came_before(
    tmp_path: Path, console: str, resets: str, lines: tuple[str, ...]
) -> None:
    (tmp_path / "console.log").write_text(console)
    (tmp_path / "resets.log").write_text(resets)
    cause = cause_of_death(tmp_path)
    assert cause.fatal
    assert cause.lines == lines


def test_a_death_without_a_console(tmp_path: Path) -> None:
    cause = cause_of_death(tmp_path)
    assert (cause.kind, cause.fatal, cause.lines) == (Kind.SILENT_DEATH, True, ())


def test_a_long_console_is_read_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text("working\n" * 2000 + "reboot: Power down\n")
    assert cause_of_death(tmp_path).kind is Kind.REBOOT


def test_a_reboot_long_ago_is_not_why_it_died(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text("reboot: Restarting system\n" + "working\n" * 8)
    assert cause_of_death(tmp_path).kind is Kind.SILENT_DEATH


@pytest.mark.parametrize(
    "line", ["reboot: System halted", "reboot: machine restart", "sysrq: Resetting"]
)
def test_other_words_for_an_end(tmp_path: Path, line: str) -> None:
    (tmp_path / "console.log").write_text(f"[    9.1] {line}\r\n")
    assert cause_of_death(tmp_path).kind is Kind.REBOOT


def test_where_a_complaint_is() -> None:
    """The line of the function in its title, and not of whoever called that."""
    inner = Frame("__foo.isra.0", 1, 2, reliable=True, module="", file="mm/gup.c", line=12)
    outer = replace(inner, function="bar", file="mm/mlock.c", line=3)
    complaint = Complaint(Kind.OOPS, "page fault in __foo", (), frames=(outer, inner))
    assert watch.placed(complaint) == " (mm/gup.c:12)"
    assert watch.placed(replace(complaint, frames=(outer,))) == ""


def test_marks() -> None:
    assert parse_mark(program_mark("ext4", "s", "p")) == Mark(True, "ext4", "p")
    assert parse_mark("lab: ran ext4 s/p") == Mark(False, "ext4", "p")
    assert parse_mark("lab: test a.b-c.4k begins") == Mark(True, test="a.b-c.4k")
    assert parse_mark("lab: ready") is None


def test_marked_command_keeps_the_exit_status(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    command = marked("sh -c 'echo $LAB_MARKS; exit 7'", "fs", "s", "p").replace(
        "/dev/kmsg", str(log)
    )
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert done.stdout == f"{log}\n"


def error_in(function: str) -> str:
    return f"EXT4-fs error (device pmem0): {function}:83: comm x: made up\n"


def test_a_flood_hides_no_later_complaint(guest: Guest) -> None:
    """The bound is on what is kept: every test that complained is a crash all the same."""
    guest.says("lab: run ext4 s/p\n" + begins("flood"))
    guest.says("".join(error_in(f"f{number}") for number in range(520)))
    guest.says(begins("two") + WARN + begins("three") + WARN + begins("four"))
    guest.says("lab: ran ext4 s/p\n")
    noted = guest.watch.ran(alive=True)
    judged = [Judged(name, Status.PASS) for name in ("flood", "two", "three", "four")]
    charged = charge("p", judged, noted, marked=True)
    assert [one.status for one in charged] == [Status.CRASH] * 3 + [Status.PASS]
    assert guest.watch.unkept == 20
    guest.says("lab: run ext4 s/q\nBUG: KASAN: use-after-free in foo+0x1/0x20\n")
    guest.says("lab: ran ext4 s/q\n")
    assert [str(one.complaint) for one in guest.watch.ran(alive=True)] == [
        "kasan: use-after-free in foo"
    ]


def test_a_flood_of_one_kind_hides_no_other_kind(guest: Guest) -> None:
    """Of the same test, and no more fatal than the flood."""
    guest.says("lab: run ext4 s/p\n" + begins("a"))
    guest.says("".join(error_in(f"f{number}") for number in range(520)))
    guest.says("BUG: memory leak\n" + error_in("last") + "lab: ran ext4 s/p\n")
    noted = guest.watch.ran(alive=True)
    assert [str(one.complaint) for one in noted if one.complaint.kind is Kind.LEAK] == [
        "leak: memory leak"
    ]


def test_a_flood_of_benign_complaints_hides_no_other(tmp_path: Path) -> None:
    rule = Benign.make("filesystem: EXT4-fs error in fine*", "", "known")
    guest = Guest(tmp_path)
    guest.watch = ComplaintWatch(tmp_path, tmp_path, "6.1.192", (rule,))
    guest.says("lab: run ext4 s/p\n" + begins("a") + error_in("fine") * 600)
    guest.says(error_in("bad") + error_in("fine") + begins("b") + "lab: ran ext4 s/p\n")
    noted = guest.watch.ran(alive=True)
    charged = charge("p", [Judged("a", Status.PASS), Judged("b", Status.PASS)], noted, marked=True)
    assert [one.status for one in charged] == [Status.CRASH, Status.PASS]


def test_a_flood_hides_no_death(guest: Guest) -> None:
    bug = "kernel BUG at fs/dax.c:123!\n---[ end trace 0 ]---\n"
    guest.says("lab: run ext4 s/p\n" + begins("a") + bug * 520)
    guest.says("Kernel panic - not syncing: Fatal exception\n" + bug)
    noted = guest.watch.ran(alive=False)
    assert sum(one.complaint.fatal for one in noted) == 1


def test_what_a_flood_left_out_is_not_found_again_in_the_kernel_log(guest: Guest) -> None:
    lines = [f"[    7.{n:06d}] {error_in('f')}" for n in range(700)]
    guest.says("lab: run ext4 s/p\n" + "".join(lines) + "lab: ran ext4 s/p\n")
    assert 500 <= len(guest.watch.ran(alive=True)) < 505
    assert guest.watch.rest("".join(lines)) == ()


@pytest.mark.parametrize(
    "name", ["memory is locked", "mmap[4k]", "a # skip", "x begins", "größe", "日本", "a:b/c.d"]
)
def test_a_mark_holds_any_name(guest: Guest, name: str) -> None:
    guest.says("lab: run ext4 s/p\n" + begins("before") + begins(name) + WARN)
    guest.says(begins("after") + "lab: ran ext4 s/p\n")
    assert places(guest.watch.ran(alive=True)) == [("p", name, False)]


def test_the_next_tests_oops_is_no_part_of_the_last_ones(guest: Guest) -> None:
    """Without a stack trace, it could be a report that faulted itself."""
    oops = "BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
    guest.says("lab: run ext4 s/p\n" + begins("a") + oops + oops)
    guest.says(begins("b") + oops + "lab: ran ext4 s/p\n")
    assert [one.test for one in guest.watch.ran(alive=True)] == ["a", "b"]


def test_what_came_too_fast_to_be_read_is_said(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_LOOK_S", -1.0)
    guest.says("x\n" * 200_000)
    assert guest.watch.ran(alive=True, hurry=True) == ()
    assert guest.watch.unread == "the last 0.3 MB of the console came too fast to be read"


def test_nothing_is_earned_where_nobody_knows_all_that_the_kernel_said() -> None:
    results = (Judged("a", Status.PASS), Judged("b", Status.CRASH, "why"))
    assert doubted(results, "") == results
    first, second = doubted(results, "it said too much")
    assert (first.test, first.status) == ("a", Status.ERROR)
    assert first.message == "it said too much; the test itself: pass"
    assert second == results[1]


def test_a_complaint_without_a_time_is_known_by_its_title(guest: Guest) -> None:
    guest.says("lab: run ext4 s/p\n" + WARN + "lab: ran ext4 s/p\n")
    assert len(guest.watch.ran(alive=True)) == 1
    assert guest.watch.rest(WARN) == ()
    assert len(guest.watch.rest(WARN.replace("bar", "other"))) == 1


def test_a_guest_that_prints_for_ever_holds_nobody(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter(range(3))
    feed = Log.feed

    def slow(log: Log, data: bytes) -> None:
        next(looks)
        feed(log, data)
        guest.says("more\n" * 9)

    monkeypatch.setattr(Log, "feed", slow)
    guest.says("lab: run ext4 s/p\n" + WARN)
    read = guest.watch.look()
    assert guest.watch.look() == read + 45


def test_a_doubt_is_of_one_complaint_and_no_excuse(tmp_path: Path) -> None:
    """What the host may have caused; of the other complaints nobody doubts anything."""
    rule = Benign.make("filesystem: EXT4-fs error in fine*", "", "known")
    guest = Guest(tmp_path)
    guest.watch = ComplaintWatch(tmp_path, tmp_path, "6.1.192", (rule,))
    guest.says("lab: run ext4 s/p\n" + error_in("slow") + error_in("bad") + error_in("fine"))
    guest.says("lab: ran ext4 s/p\n")
    guest.watch.look()
    slow, _, fine = [one for _, one in guest.watch.untold()]
    for one in (slow, fine):
        guest.watch.doubt(one, "QEMU had no CPU")
    noted = guest.watch.ran(alive=True)
    assert [one.benign for one in noted] == [f"{BUSY}: QEMU had no CPU", "", "known"]
    assert [one.doubtful for one in noted] == [True, False, False]
