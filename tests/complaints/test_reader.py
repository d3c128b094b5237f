# SPDX-License-Identifier: GPL-2.0-only
"""Logs of guests that really complained (corpus/), and what is read from them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lab.complaints import Reader, read
from lab.model.complaint import Complaint, Kind

CORPUS = Path(__file__).parent / "corpus"
LOGS = sorted(CORPUS.rglob("*.log"))
#: What was read from each log when somebody looked at it: kind, title, first line,
#: number of lines, fatal, and the innermost three functions.
EXPECTED = json.loads((CORPUS / "expected.json").read_text())
STAMP = re.compile(rb"^\[ *\d+\.\d+\](\[ *[TC]\d+\])? ?", re.MULTILINE)
#: Without time stamps nobody can tell where one caller's line ends and another's begins.
MIXED = {"two-cpus", "kasan", "old-oops"}

each_log = pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)


def row(complaint: Complaint) -> list[object]:
    return [
        complaint.kind.value,
        complaint.title,
        complaint.first_line,
        len(complaint.lines),
        complaint.fatal,
        [frame.function for frame in complaint.frames[:3]],
    ]


def names(complaints: tuple[Complaint, ...]) -> list[str]:
    return [str(complaint) for complaint in complaints]


def test_every_log_has_its_expectation() -> None:
    assert {path.stem for path in LOGS} == set(EXPECTED)
    assert len(LOGS) == len(EXPECTED)


@each_log
def test_corpus(path: Path) -> None:
    assert [row(complaint) for complaint in read(path.read_bytes())] == EXPECTED[path.stem]


@each_log
def test_in_pieces(path: Path) -> None:
    data = path.read_bytes()
    whole = read(data)
    for size in (1, 7, 4096):
        reader = Reader()
        found = [
            complaint
            for start in range(0, len(data), size)
            for complaint in reader.feed(data[start : start + size])
        ]
        found += reader.close()
        assert sorted(found, key=lambda one: one.offset) == list(whole)


@each_log
def test_without_time_stamps(path: Path) -> None:
    data = path.read_bytes()
    if path.stem not in MIXED:
        assert names(read(STAMP.sub(b"", data))) == names(read(data))


@each_log
def test_with_caller_ids(path: Path) -> None:
    data = path.read_bytes()
    if path.stem not in MIXED and b"][ " not in data:
        stamped = re.sub(rb"^(\[ *\d+\.\d+\])", rb"\1[   T60]", data, flags=re.MULTILINE)
        assert names(read(stamped)) == names(read(data))


@each_log
def test_caller_ids_alone(path: Path) -> None:
    """``printk.time=0`` with CONFIG_PRINTK_CALLER."""
    if path.stem not in MIXED:
        text = re.sub(rb"^", b"[   T60] ", STAMP.sub(b"", path.read_bytes()), flags=re.MULTILINE)
        assert names(read(text)) == names(read(path.read_bytes()))


@each_log
def test_levels_and_line_ends(path: Path) -> None:
    data = path.read_bytes()
    levels = re.sub(rb"^\[", b"<4>[", data, flags=re.MULTILINE)
    assert names(read(levels)) == names(read(data))
    assert names(read(data.replace(b"\n", b"\r\n"))) == names(read(data))


@each_log
@pytest.mark.slow
def test_cut_short_anywhere(path: Path) -> None:
    """The first complaint is found as soon as its head is whole, whatever is missing."""
    lines = path.read_bytes().splitlines(keepends=True)
    whole = read(b"".join(lines))
    for length in range(0, len(lines), 1 + len(lines) // 60):
        found = read(b"".join(lines[:length]))
        assert len(found) <= len(whole)
        if whole and length >= whole[0].first_line + 3:
            assert found
            assert found[0].offset == whole[0].offset


def two_logs() -> bytes:
    """Two complaints of two tasks, line by line in turn."""
    one = (CORPUS / "warn.log").read_bytes().splitlines()
    other = (CORPUS / "oops-null.log").read_bytes().splitlines()
    lines = []
    for number in range(max(len(one), len(other))):
        lines += [
            re.sub(rb"^\[.*?\]", b"[   10.%06d][ %s]" % (number, caller), log[number])
            for log, caller in ((one, b"T61"), (other, b"T62"))
            if number < len(log)
        ]
    return b"\n".join(lines) + b"\n"


def test_two_tasks_in_turn() -> None:
    found = read(two_logs())
    assert names(found) == [
        "warning: WARNING in complain_warn",
        "oops: NULL pointer dereference in complain_null",
    ]
    for complaint, name in zip(found, ("warn", "oops-null"), strict=True):
        assert len(complaint.lines) == EXPECTED[name][0][3]


@pytest.mark.parametrize("place", range(5, 45, 4))
@pytest.mark.parametrize(
    "head",
    [
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [sh:60]",
        "INFO: task sh:60 blocked for more than 5 seconds.",
        "Kernel panic - not syncing: complain: asked for",
        "BUG: Bad page state in process sh  pfn:01234",
        "BUG: Bad rss-counter state mm:000000001234 type:MM_ANONPAGES val:5",
        "refcount_t: underflow; use-after-free.",
    ],
)
def test_head_cut_in_two(head: str, place: int) -> None:
    """By a line end that nobody wrote, as terminals and log collectors do."""
    place = min(place, len(head) - 1)
    whole = read(f"[    1.000000] before\n[    2.000000] {head}\n".encode())
    cut = f"[    1.000000] before\n[    2.000000] {head[:place]}\n{head[place:]}\n"
    assert [complaint.kind for complaint in read(cut.encode())] == [whole[0].kind]


def test_line_that_another_writer_began() -> None:
    text = b"progress 12%[    2.000000] BUG: kernel NULL pointer dereference, address: 0\n"
    (found,) = read(text)
    assert found.kind is Kind.OOPS
    assert found.offset == 0


def test_beginning_that_the_log_has_lost() -> None:
    lines = (CORPUS / "warn.log").read_bytes().splitlines(keepends=True)
    (found,) = read(b"".join(lines[20:]))
    assert found.kind is Kind.UNKNOWN
    assert found.cut


def test_nothing_but_the_announcement() -> None:
    (found,) = read(b"[    1.000000] ------------[ cut here ]------------\n")
    assert found.kind is Kind.UNKNOWN
    assert found.cut


def test_bytes_that_are_no_text() -> None:
    text = (
        b"\x00\xff\xfe[    1.0\n\x1b[31m[    2.000000] BUG: Bad page state in process \xff\x1b[0m\n"
    )
    (found,) = read(text)
    assert found.kind is Kind.BAD_PAGE
    assert all(character.isprintable() for character in "".join(found.lines))


def test_console_without_a_line_end() -> None:
    assert read(b"x" * 5_000_000) == ()


@each_log
def test_titles_are_stable(path: Path) -> None:
    """Neither addresses nor numbers, but those in names and N for one."""
    for complaint in read(path.read_bytes()):
        words = complaint.title.split()
        assert not [word for word in words if re.match(r"\d|0x|[0-9a-f]{8,}$", word)], complaint


def test_same_title_from_another_boot() -> None:
    said = (CORPUS / "warn.log").read_bytes()
    moved = re.sub(rb"\b[0-9a-f]{16}\b", b"7" * 16, re.sub(rb"0x[0-9a-f]+", b"0x77", said))
    moved = re.sub(rb"PID: \d+", b"PID: 4711", moved).replace(b"complain.c:44", b"complain.c:99")
    assert moved != said
    assert names(read(moved)) == ["warning: WARNING in complain_warn"]


def test_panic_belongs_to_what_led_to_it() -> None:
    (found,) = read((CORPUS / "warn-panic-on-warn.log").read_bytes())
    assert found.kind is Kind.WARNING
    assert found.fatal


def test_pending_is_what_there_is() -> None:
    lines = (CORPUS / "warn.log").read_bytes().splitlines(keepends=True)
    reader = Reader()
    assert reader.feed(b"".join(lines[:10])) == ()
    (found,) = reader.pending()
    assert found.cut
    assert str(found) == "warning: WARNING in complain_warn"
    reader.feed(b"".join(lines[10:]))
    (whole,) = reader.pending()
    assert not whole.cut
    assert len(whole.lines) == EXPECTED["warn"][0][3]


def test_more_callers_than_are_remembered() -> None:
    """Each is told of, and no later line is slower for it."""
    lines = [
        f"[    7.000000][{f'T{caller}':>6}] WARNING: CPU: 0 PID: {caller} at mm/gup.c:1 foo+0x1/0x2"
        for caller in range(1, 1001)
    ]
    found = read("\n".join(lines).encode())
    assert [complaint.first_line for complaint in found] == list(range(1, 1001))
    reader = Reader()
    reader.feed("\n".join(lines).encode())
    assert len(reader.pending()) == 256


WARN = (CORPUS / "warn.log").read_bytes()
HEAD_LINES = {
    "oops": b"BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "bug": b"kernel BUG at fs/dax.c:123!",
    "bad-rss": b"BUG: Bad rss-counter state mm:00000000 type:MM_ANONPAGES val:5",
    "atomic": b"BUG: scheduling while atomic: sh/60/0x00000002",
    "kasan": b"BUG: KASAN: use-after-free in foo+0x10/0x20",
    "hung-task": b"INFO: task sh:60 blocked for more than 120 seconds.",
    "oom-kill": b"sh invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=0",
    "filesystem": b"XFS (pmem0): Metadata corruption detected at xfs_agi_verify+0x1/0x2",
}
TRACE_LINES = b"Call Trace:\n <TASK>\n foo+0x10/0x20\n bar+0x3/0x40\n </TASK>\n"
END = {
    "kasan": b"=" * 66 + b"\n",
    "oom-kill": b"Out of memory: Killed process 61 (hog) total-vm:1kB\n",
    "bad-rss": b"",
}


def whole(kind: str) -> bytes:
    """A complaint of a kind, to its end."""
    before = b"=" * 66 + b"\n" if kind == "kasan" else b""
    trace = b"" if kind == "bad-rss" else TRACE_LINES
    return before + HEAD_LINES[kind] + b"\n" + trace + END.get(kind, b"---[ end trace 0 ]---\n")


@pytest.mark.parametrize("second", HEAD_LINES)
@pytest.mark.parametrize("first", HEAD_LINES)
def test_a_complaint_that_has_ended_swallows_no_other(first: str, second: str) -> None:
    """Without time stamps or callers; all but what is said to be the end of the first."""
    found = read(whole(first) + whole(second))
    if second == "atomic" and first not in {"bad-rss", "kasan", "oom-kill", "atomic"}:
        assert first in {complaint.kind.value for complaint in found}
        return
    assert [complaint.kind.value for complaint in found] == [first, second]


@pytest.mark.parametrize("second", sorted(HEAD_LINES.keys() - {"oops", "bug"}))
@pytest.mark.parametrize("first", sorted(HEAD_LINES.keys() - {"kasan", "oom-kill"}))
def test_a_complaint_in_the_middle_of_another_is_one_of_its_own(first: str, second: str) -> None:
    """Cut short by the second before its own trace."""
    found = read(HEAD_LINES[first] + b"\n" + whole(second))
    assert [complaint.kind.value for complaint in found] == [first, second]


def stamped(text: bytes, time: float) -> bytes:
    lines = text.splitlines()
    return b"".join(b"[ %11.6f] %s\n" % (time + n / 1000, line) for n, line in enumerate(lines))


@pytest.mark.parametrize(("pause", "count"), [(0.5, 1), (2.9, 1), (3.0, 1), (3.2, 2), (600.0, 2)])
def test_what_comes_after_a_pause_is_another(pause: float, count: int) -> None:
    """The trace of a WARNING belongs to it, unless it comes three seconds later."""
    first = b"WARNING: CPU: 0 PID: 60 at fs/dax.c:12 foo+0x1/0x20\n"
    rest = HEAD_LINES["hung-task"] + b"\n" + TRACE_LINES
    log = stamped(first, 10.0) + stamped(b"a driver says a word\n" + TRACE_LINES, 10.0 + pause)
    (found,) = [one for one in read(log) if one.kind is Kind.WARNING]
    assert ("bar" in [frame.function for frame in found.frames]) is (count == 1)
    assert len(read(stamped(first, 10.0) + stamped(rest, 10.0 + pause))) == 2


@pytest.mark.parametrize(("lines", "own"), [(7, False), (900, True)])
def test_a_complaint_is_not_endless(lines: int, own: bool) -> None:
    body = b"".join(b" foo%d+0x1/0x20\n" % n for n in range(lines))
    text = HEAD_LINES["bug"] + b"\nCall Trace:\n" + body + b"RIP: 0010:foo+0x1/0x2\n"
    (found,) = read(text)
    assert (len(found.lines) == 600) is own


def test_a_complaint_ends_with_the_test_that_made_it() -> None:
    """A mark of the lab's: what comes after is another test's."""
    half = HEAD_LINES["bug"] + b"\nCall Trace:\n foo+0x1/0x2\n"
    (found,) = read(half + b"lab: test b begins\n bar+0x1/0x2\n")
    assert [frame.function for frame in found.frames] == ["foo"]


def test_a_panic_makes_fatal_what_led_to_it_and_nothing_else() -> None:
    two = whole("atomic") + whole("bug") + b"Kernel panic - not syncing: Fatal exception\n"
    assert [(one.kind.value, one.fatal) for one in read(two)] == [("atomic", False), ("bug", True)]
    own = whole("bad-rss") + b"Kernel panic - not syncing: Attempted to kill init!\n"
    assert [(one.kind.value, one.fatal) for one in read(own)] == [
        ("bad-rss", False),
        ("panic", True),
    ]


#: Lines of a report that follow its stack trace: registers, other CPUs, what is done next.
AFTER_A_TRACE = (
    "Call Trace:",
    "Modules linked in: x",
    "CPU: 0 PID: 60 Comm: sh",
    "Hardware name: QEMU Standard PC",
    "Workqueue: events foo",
    "task: ffff880007b0 ti: ffff8800 task.ti: ffff8800",
    "Stack:",
    "RIP: 0010:foo",
    "EIP: foo",
    "EIP:foo",
    "RIP  [<ffffffff81>]",
    "Code: 0f 0b",
    "RSP: 0018:ffff",
    "RSP <ffff8800>",
    "ESP: c1",
    "RAX: 0000 RBX: 0000",
    "R10: 0000 R11: 0000",
    "RBP: 0000",
    "EAX: 0000",
    "ESI: 0000",
    "FS:  0000",
    "CS:  0010",
    "CR2: 0008",
    "DR0: 0000",
    "PKRU: 5555",
    "GS: 00",
    "DS: 007b",
    "---[ more ]",
    "irq event stamp: 12",
    "hardirqs last  enabled at (11)",
    "softirqs last disabled at (9)",
    "Kernel Offset: disabled",
    "NMI backtrace for cpu 1",
    "Sending NMI from CPU 0 to CPUs 1:",
    "note: sh[60] exited with preempt_count 1",
    "Shutting down cpus with NMI",
    "Rebooting in 1 seconds..",
    "Tainted: G        W",
    "stack backtrace:",
    "Unloaded tainted modules: x",
    "Fixing recursive fault but reboot is needed!",
    "Dumping ftrace buffer:",
    "CPU#1: ctl: 0",
    "INFO: lockdep is turned off.",
    "[<ffffffff81>] foo",
    "Comm: sh",
    "Disabling lock debugging due to kernel taint",
)


@pytest.mark.parametrize("line", AFTER_A_TRACE)
def test_what_follows_a_stack_trace_is_of_the_same_report(line: str) -> None:
    (found,) = read(HEAD_LINES["bug"] + f"\nCall Trace:\n foo+0x1/0x2\n{line}\n".encode())
    assert found.lines[-1] == line


def test_a_report_has_empty_lines() -> None:
    (found,) = read(HEAD_LINES["bug"] + b"\nCall Trace:\n foo+0x1/0x2\n\n bar+0x3/0x4\n")
    assert [frame.function for frame in found.frames] == ["foo", "bar"]


@pytest.mark.parametrize(
    ("line", "more"),
    [
        (" </TASK>", False),
        ("Kernel Offset: disabled", False),
        ("Rebooting in 1 seconds..", False),
        ("RIP: 0010:foo", True),
    ],
)
def test_what_tells_that_nothing_more_comes(line: str, more: bool) -> None:
    reader = Reader()
    reader.feed(HEAD_LINES["bug"] + f"\nCall Trace:\n foo+0x1/0x2\n{line}\n".encode())
    (found,) = reader.pending()
    assert found.cut is more


@pytest.mark.parametrize("uid", ["", "UID: 0 "])
def test_a_cpu_tells_whose_a_stack_is(uid: str) -> None:
    """Without callers; the user's number is there from 6.11 on."""
    heads = b"".join(
        b"WARNING: CPU: %d PID: %d at mm/gup.c:1 foo+0x1/0x2\n" % (cpu, cpu + 60) for cpu in (0, 1)
    )
    traces = "".join(
        f"CPU: {cpu} {uid}PID: {cpu + 60} Comm: sh\nCall Trace:\n {name}+0x1/0x2\n"
        for cpu, name in enumerate(("one", "two"))
    )
    found = read(heads + traces.encode())
    assert [[frame.function for frame in one.frames] for one in found] == [["one"], ["two"]]


def test_other_words_after_a_stack_trace_are_not() -> None:
    (found,) = read(HEAD_LINES["bug"] + b"\nCall Trace:\n foo+0x1/0x2\npmem0: detected\n")
    assert found.lines[-1] == " foo+0x1/0x2"


@pytest.mark.parametrize(
    "line",
    [
        "RIP: 0010:foo",
        "EIP: foo",
        "Code: 0f 0b",
        "RSP: 0018:ffff",
        "RAX: 0000",
        "RBP: 0000",
        "FS:  0000",
        "CR2: 0008",
        "DR0: 0000",
        "PKRU: 5555",
        "note: sh[60] exited with preempt_count 1",
        "Kernel Offset: disabled",
        "Shutting down cpus with NMI",
        "Rebooting in 1 seconds..",
        "---[ end Kernel panic - not syncing: Fatal exception",
        "Fixing recursive fault but reboot is needed!",
        "Dumping ftrace buffer:",
        "irq event stamp: 12",
        "hardirqs last  enabled at (11)",
        "softirqs last disabled at (9)",
        "Modules linked in: x",
        "Disabling lock debugging due to kernel taint",
    ],
)
def test_what_follows_the_end_of_a_report_is_its_tail(line: str) -> None:
    (found,) = read(whole("bug") + f"{line}\n".encode())
    assert found.lines[-1] == line
    (other,) = read(whole("bug") + b"CPU: 0 PID: 60 Comm: sh\n")
    assert other.lines[-1].startswith("---[ end trace")


@pytest.mark.parametrize(
    "section",
    [
        "Allocated by task 60:",
        "Freed by task 60:",
        "Last potentially related work creation:",
        "Uninit was stored to memory at:",
        "The buggy address belongs to the object at ffff8880",
        "Local variable x created at:",
        "Allocated in foo age=1 cpu=0 pid=60",
        "Freed in foo age=1 cpu=0 pid=60",
        "NMI backtrace for cpu 1",
        "Sending NMI from CPU 0 to CPUs 1:",
        "Showing all locks held in the system:",
    ],
)
def test_stacks_of_other_times_and_cpus_do_not_count(section: str) -> None:
    kasan = b"=" * 66 + b"\n" + HEAD_LINES["kasan"] + b"\n" + TRACE_LINES
    (found,) = read(kasan + f"{section}\n other+0x1/0x20\n".encode() + END["kasan"])
    assert [frame.function for frame in found.frames] == ["foo", "bar"]


@pytest.mark.parametrize(
    "line",
    [
        "Out of memory: Killed process 61 (hog) total-vm:1kB",
        "Out of memory: Kill process 61 (hog) score 900 or sacrifice child",
        "Out of memory (oom_kill_allocating_task): Killed process 61 (hog)",
        "Memory cgroup out of memory: Killed process 61 (hog)",
        "Memory cgroup out of memory: Kill process 61 (hog) score 900",
        "Killed process 61 (hog) total-vm:1kB",
    ],
)
def test_a_killed_process_is_the_end_of_an_oom(line: str) -> None:
    oom = HEAD_LINES["oom-kill"] + b"\n" + TRACE_LINES + f"{line}\n".encode()
    found = read(oom + b"any other words\n")
    assert [one.kind for one in found] == [Kind.OOM]
    assert found[0].lines[-1] == line


def test_more_complaints_at_once_than_are_kept_open() -> None:
    """Each of another CPU, where callers are not told apart: none is lost."""
    heads = [f"WARNING: CPU: {cpu} PID: {cpu + 60} at mm/gup.c:1 foo+0x1/0x2" for cpu in range(100)]
    log = "".join(f"{head}\n" for head in heads).encode()
    assert [one.headline for one in read(log)] == heads
    reader = Reader()
    assert len(reader.feed(log)) == 35
    assert len(reader.pending()) == 65


@pytest.mark.parametrize(("words", "first"), [(0, 1), (7, 1), (8, 10)])
def test_words_between_the_announcement_and_the_head(words: int, first: int) -> None:
    said = "".join(f"WARN says {number}\n" for number in range(words))
    text = f"------------[ cut here ]------------\n{said}WARNING: at mm/gup.c:1 foo+0x1/0x2()\n"
    (found,) = read(text.encode())
    assert (found.first_line, found.kind) == (first, Kind.WARNING)
    assert len(found.lines) == words + 3 - first


@pytest.mark.parametrize(("pause", "first"), [(2.9, 1), (3.0, 2), (9.0, 2)])
def test_an_announcement_long_before_is_another_complaints(pause: float, first: int) -> None:
    cut = stamped(b"------------[ cut here ]------------\n", 10.0)
    head = stamped(b"WARNING: CPU: 0 PID: 60 at fs/dax.c:12 foo+0x1/0x20\n", 10.0 + pause)
    (found,) = read(cut + head)
    assert found.first_line == first


@pytest.mark.parametrize(("words", "kept"), [(80, 80), (81, 80), (200, 80)])
def test_words_after_the_head_are_not_endless(words: int, kept: int) -> None:
    said = "".join(f"words {number}\n" for number in range(words))
    (found,) = read(HEAD_LINES["bug"] + b"\n" + said.encode())
    assert len(found.lines) == 1 + kept


@pytest.mark.parametrize("blanks", [1, 2])
def test_a_complaint_does_not_end_with_an_empty_line(blanks: int) -> None:
    (found,) = read(HEAD_LINES["bug"] + b"\n" * (1 + blanks))
    assert found.lines == (HEAD_LINES["bug"].decode(),)
    (found,) = read(HEAD_LINES["bug"] + b"\nCall Trace:\n" + b"\n" * blanks)
    assert len(found.lines) == 2


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Kernel panic - not syncing: Attempted to kill init! exitcode=0xb", Kind.PANIC),
        (
            "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: f+0x1/0x2",
            Kind.STACK,
        ),
        ("Kernel panic - not syncing: corrupted stack end detected inside scheduler", Kind.STACK),
    ],
)
def test_a_panic_is_fatal_whatever_it_is_of(line: str, kind: Kind) -> None:
    (found,) = read(f"{line}\n".encode())
    assert (found.kind, found.fatal) == (kind, True)
    (alive,) = read(HEAD_LINES["bug"] + b"\n")
    assert not alive.fatal


def test_a_line_that_lost_its_stamp_goes_on_with_its_complaint() -> None:
    head = b"[    1.000000] WARNING: CPU: 0 PID: 60 at fs/dax.c:12 foo+0x1/0x20\n"
    (found,) = read(head + b" bar+0x3/0x40\n")
    assert [frame.function for frame in found.frames] == ["bar"]


def test_a_head_cut_in_two_takes_no_other_complaints_place() -> None:
    """Its first half looks like words of the one before."""
    cut = b"[    2.000000] INFO: tas\nk sh:60 blocked for more than 5 seconds.\n"
    found = read(b"[    2.000000] " + HEAD_LINES["bug"] + b"\n" + cut)
    assert [one.kind for one in found] == [Kind.BUG, Kind.HUNG_TASK]


CUT = "------------[ cut here ]------------"


def test_an_announcement_is_of_the_complaint_that_follows() -> None:
    """What its WARN says is not prose of the complaint before."""
    report = (
        "WARNING: CPU: 0 PID: 60 at mm/gup.c:1 foo+0x1/0x2",
        CUT,
        "a word of the second",
        "WARNING: CPU: 1 PID: 61 at mm/gup.c:2 foo+0x1/0x2",
        "CPU: 0 PID: 60 Comm: sh",
        "Call Trace:",
        " one+0x1/0x2",
        "CPU: 1 PID: 61 Comm: sh",
        "Call Trace:",
        " two+0x1/0x2",
    )
    first, second = read("\n".join(report).encode() + b"\n")
    assert first.lines == (report[0], *report[4:7])
    assert second.lines == (*report[1:4], *report[7:])


@pytest.mark.parametrize("head", ["hung-task", "atomic"])
def test_an_announcement_ends_what_could_not_bring_it(head: str) -> None:
    words = f"{CUT}\na word\nWARNING: at mm/gup.c:1 foo+0x1/0x2()\n"
    first, second = read(HEAD_LINES[head] + b"\n" + words.encode())
    assert (len(first.lines), len(second.lines)) == (1, 3)
    traced = HEAD_LINES["bug"] + b"\n" + TRACE_LINES
    first, second = read(traced + words.encode())
    assert (len(first.lines), second.first_line) == (6, 7)


def test_a_ruler_is_of_the_report_that_follows() -> None:
    first, second = read(HEAD_LINES["bug"] + b"\n" + TRACE_LINES + whole("kasan"))
    assert (len(first.lines), second.first_line) == (6, 7)
    (found,) = read(b"=" * 66 + b"\nother words\n" + HEAD_LINES["bug"] + b"\n")
    assert found.first_line == 3


@pytest.mark.parametrize(
    ("first", "last", "kind"),
    [
        (
            "refcount_t: underflow; use-after-free.",
            "WARNING: CPU: 0 PID: 60 at lib/refcount.c:28 refcount_warn_saturate+0x1/0x2",
            Kind.REFCOUNT,
        ),
        (
            "list_add corruption. next->prev should be prev (ffff), but was 0.",
            "kernel BUG at lib/list_debug.c:26!",
            Kind.BUG,
        ),
    ],
)
def test_a_word_before_the_announcement(first: str, last: str, kind: Kind) -> None:
    (found,) = read(f"{first}\n{CUT}\n{last}\nCall Trace:\n foo+0x1/0x2\n".encode())
    assert (found.kind, len(found.lines)) == (kind, 5)


def test_an_announcement_with_a_stamp_and_a_head_without() -> None:
    head = "WARNING: CPU: 0 PID: 60 at mm/gup.c:1 foo+0x1/0x2"
    for text in (f"[    1.000000] {CUT}\n{head}\n", f"{CUT}\n[    1.000000] {head}\n"):
        (found,) = read(text.encode())
        assert (found.kind, found.first_line) == (Kind.WARNING, 1)


def test_an_end_of_something_that_was_told_is_no_complaint() -> None:
    end = b"---[ end trace 0000000000000000 ]---\n"
    assert [one.kind for one in read(whole("bad-rss") + b"words\n" + end)] == [Kind.BAD_RSS]
    assert [one.kind for one in read(end + b"words\n" + end)] == [Kind.UNKNOWN]


def test_a_panic_that_comes_late() -> None:
    """A watchdog's, or after a timeout: it belongs to what led to it."""
    panic = stamped(b"Kernel panic - not syncing: Fatal exception\n", 60.0)
    (found,) = read(stamped(whole("bug"), 10.0) + panic)
    assert (found.kind, found.fatal) == (Kind.BUG, True)


@pytest.mark.parametrize("first", ["oops", "bug", "oom-kill"])
@pytest.mark.parametrize("second", ["oops", "bug", "hung-task"])
def test_after_a_stack_trace_a_head_is_another_complaints(first: str, second: str) -> None:
    """Though the end of the first was lost."""
    lost = HEAD_LINES[first] + b"\n" + TRACE_LINES
    kinds = [one.kind.value for one in read(lost + whole(second))]
    assert kinds == [first, second]


def test_after_an_end_the_same_again_is_another() -> None:
    one = HEAD_LINES["bug"] + b"\n---[ end trace 0 ]---\n"
    assert len(read(one + one)) == 2


@pytest.mark.parametrize(("lines", "count"), [(0, 1), (10, 1), (11, 2)])
def test_the_second_line_of_a_fault_comes_soon(lines: int, count: int) -> None:
    between = b" more of it\n" * lines
    found = read(HEAD_LINES["bug"] + b"\n" + between + b"invalid opcode: 0000 [#1] SMP\n")
    assert len(found) == count


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        ("traps: PANIC: double fault, error_code: 0x0", Kind.DOUBLE_FAULT),
        ("BUG: stack guard page was hit at ffff (stack is ffff..ffff)", Kind.STACK),
    ],
)
def test_a_stack_run_over_goes_on_with_its_oops(first: str, kind: Kind) -> None:
    oops = "double fault: 0000 [#1] SMP\n"
    (found,) = read(f"{first}\n{oops}".encode())
    assert (found.kind, len(found.lines)) == (kind, 2)
    assert len(read(f"{first}\nCall Trace:\n foo+0x1/0x2\n{oops}".encode())) == 2


@pytest.mark.parametrize("text", [f"{CUT}\n".encode(), HEAD_LINES["bug"] + b"\n"])
def test_what_was_told_at_the_end_is_not_told_again(text: bytes) -> None:
    reader = Reader()
    assert reader.feed(text) == ()
    assert len(reader.close()) == 1
    assert (reader.close(), reader.pending()) == ((), ())


def test_one_that_has_ended_is_told_when_another_begins() -> None:
    """Not only when its head has come: WARN()'s own words may take a while."""
    bug = b"kernel BUG at fs/dax.c:123!\nCall Trace:\n foo+0x1/0x20\n---[ end trace 0 ]---\n"
    reader = Reader()
    told = reader.feed(bug + b"------------[ cut here ]------------\n")
    assert names(told) == ["bug: kernel BUG in foo"]
    assert reader.pending() == ()
