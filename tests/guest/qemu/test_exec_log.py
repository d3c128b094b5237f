# SPDX-License-Identifier: GPL-2.0-only
"""What is counted of QEMU's log, with a test that plays QEMU."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.coverage.counts import PIPE, Probes, marks_of, read_counts
from lab.coverage.machine_code import Edge
from lab.errors import InfrastructureError
from lab.guest.qemu.exec_log import LogCounting, exec_log, spans

MARK = 60
PROBES = Probes.of((5, 7, 9, 20), (Edge(7, 9), Edge(7, 20)), MARK)


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> LogCounting:
    folder = tmp_path_factory.mktemp("made")
    PROBES.write(folder / "probes")
    found = exec_log(folder).counting(folder / "probes")
    assert isinstance(found, LogCounting)
    return found


def ran(cpu: int, address: int) -> str:
    """A line as QEMU 7.2 has it (accel/tcg/cpu-exec.c)."""
    return f"Trace {cpu}: 0x7f5c88000100 [0000000000000000/{address:016x}/0040c0b0/ff000201] gup\n"


def stopped(address: int) -> str:
    return f"Stopped execution of TB chain before 0x7f5c88000100 [{address:016x}] gup\n"


def counted(counting: LogCounting, folder: Path, *lines: str) -> dict[int, dict[object, int]]:
    """What comes of a log."""
    with ExitStack() as stack:
        counting.begin(folder, stack)
        (folder / PIPE).write_text("".join(lines))
    return told(folder)


def told(folder: Path) -> dict[int, dict[object, int]]:
    names = {number: each for each, number in PROBES.numbers.items()}
    return {
        marks: {names[number]: count for number, count in rows.items()}
        for marks, rows in read_counts(folder, PROBES).items()
    }


@pytest.mark.slow
def test_counts_are_told_apart_by_marks(counting: LogCounting, tmp_path: Path) -> None:
    log = (ran(0, 5), ran(0, 6), ran(0, MARK), ran(0, 5), ran(0, 5), ran(0, MARK), ran(0, 9))
    assert counted(counting, tmp_path, *log) == {0: {5: 1}, 1: {5: 2}, 2: {9: 1}}


@pytest.mark.slow
def test_what_another_cpu_ran_before_a_mark_is_of_before(
    counting: LogCounting, tmp_path: Path
) -> None:
    log = (ran(1, 9), ran(0, MARK), ran(0, 61), ran(1, 5))
    assert counted(counting, tmp_path, *log) == {0: {9: 1}, 1: {5: 1}}


@pytest.mark.slow
def test_a_way_is_of_one_cpu(counting: LogCounting, tmp_path: Path) -> None:
    log = (ran(0, 7), ran(1, 20), ran(0, 9), ran(0, 7), ran(0, 20), ran(0, 9))
    found = counted(counting, tmp_path, *log)
    assert found == {0: {7: 2, 9: 2, 20: 2, Edge(7, 9): 1, Edge(7, 20): 1}}


@pytest.mark.slow
def test_what_was_interrupted_before_it_began_is_counted_once(
    counting: LogCounting, tmp_path: Path
) -> None:
    log = (ran(0, 7), stopped(7), ran(1, 5), ran(0, 7), ran(0, 9), stopped(9))
    assert counted(counting, tmp_path, *log) == {0: {5: 1, 7: 1}}


@pytest.mark.slow
def test_what_else_qemu_says_is_kept(counting: LogCounting, tmp_path: Path) -> None:
    log = ("CPU Reset (CPU 0)\n", ran(0, 5), "RIP=0\n", "Trace of something\n")
    assert counted(counting, tmp_path, *log) == {0: {5: 1}}
    kept = (tmp_path / "resets.log").read_text()
    assert kept == "CPU Reset (CPU 0)\nRIP=0\nTrace of something\n"


@pytest.mark.slow
def test_marks_are_known_of_all_that_was_logged(counting: LogCounting, tmp_path: Path) -> None:
    with ExitStack() as stack:
        counting.begin(tmp_path, stack)
        with (tmp_path / PIPE).open("w") as qemu:
            for number in range(1, 4):
                qemu.write(ran(0, 5) * 100_000 + ran(0, MARK) + ran(0, 61))
                qemu.flush()
                assert marks_of(tmp_path) == number
    assert not (tmp_path / PIPE).exists()
    assert [rows for _, rows in sorted(told(tmp_path).items())] == [{5: 100_000}] * 3


@pytest.mark.slow
def test_a_log_that_was_not_read_to_its_end_counts_nothing(
    counting: LogCounting, tmp_path: Path
) -> None:
    too_long = "x" * (2 << 20)
    with pytest.raises((InfrastructureError, BrokenPipeError)):
        counted(counting, tmp_path, ran(0, 5), too_long)
    with pytest.raises(InfrastructureError, match="not read to its end"):
        told(tmp_path)


@pytest.mark.slow
def test_a_qemu_that_never_began_leaves_nobody_waiting(
    counting: LogCounting, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        counting.begin(tmp_path, stack)
    assert not (tmp_path / PIPE).exists()


def test_a_few_ranges_have_all_addresses() -> None:
    assert spans((1000, 1200, 1250, 90_000)) == [(1000, 1250), (90_000, 90_000)]
    many = spans(number * 10_000 + (number == 7) * 9_000 for number in range(30))
    assert len(many) == 16
    assert all(
        any(low <= number * 10_000 + (number == 7) * 9_000 <= high for low, high in many)
        for number in range(30)
    )


@pytest.mark.slow
def test_a_name_that_qemu_takes_for_a_pattern_is_refused(
    counting: LogCounting, tmp_path: Path
) -> None:
    odd = tmp_path / "100%"
    odd.mkdir()
    with ExitStack() as stack, pytest.raises(InfrastructureError, match="no %"):
        counting.begin(odd, stack)
    assert [*odd.iterdir()] == []
