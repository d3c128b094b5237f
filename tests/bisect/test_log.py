# SPDX-License-Identifier: GPL-2.0-only
"""The file that a bisection goes on from: cut anywhere, undone, damaged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.bisect.bisection import Bisection
from lab.bisect.log import FORMAT, Log, Tried, Undone
from lab.bisect.of_test import OfTest
from lab.errors import InfrastructureError, UserError
from tests.bisect.played import PlayedTrier, begun, fails_from, subject_of

SUBJECT = subject_of(4)
QUESTION = OfTest("mmap")
ANSWER = 3


def _run(path: Path) -> tuple[Bisection, PlayedTrier]:
    trier = PlayedTrier(fails_from(ANSWER))
    bisection = Bisection(SUBJECT, QUESTION, trier, Log.read(path))
    result = bisection.run()
    assert result.found is not None
    assert result.found.key == str(ANSWER)
    assert result.proved
    return bisection, trier


def _begin(path: Path) -> Path:
    Log.begin(path, begun(SUBJECT, QUESTION))
    return path


def _without_times(path: Path) -> list[tuple[object, ...]]:
    lines = (line for line in Log.read(path).lines if isinstance(line, Tried))
    return [(line.step, line.phase, line.point, line.times, line.trial.seen) for line in lines]


def test_cut_at_each_byte_it_goes_on_and_comes_to_the_same(tmp_path: Path) -> None:
    """As kill -9 leaves it, whatever was being done: what is there of the last line is dropped."""
    whole = _begin(tmp_path / "log")
    _, trier = _run(whole)
    content, lines, seen = whole.read_bytes(), Log.read(whole).lines, _without_times(whole)
    begin = content.index(b"\n") + 1
    cut = tmp_path / "cut"
    for size in range(begin, len(content) + 1):
        cut.write_bytes(content[:size])
        kept = content[begin:size].count(b"\n")
        assert Log.read(cut).lines == lines[:kept]
        # Where a line ends, and within each.
        if kept == len(lines) or content[size - 1 : size] == b"\n" or size % 97 == 0:
            tried = len(_without_times(cut))
            _, other = _run(cut)
            assert _without_times(cut) == seen
            assert len(other.tried) == len(trier.tried) - tried


def test_what_a_kill_left_of_a_line_is_no_part_of_the_next(tmp_path: Path) -> None:
    path = _begin(tmp_path / "log")
    with path.open("ab") as file:
        file.write(b'{"line":"tried","step":1')
    log = Log.read(path)
    assert not log.lines
    log.add(Undone(1, ""))
    assert path.read_bytes().count(b"\n") == 2
    assert not Log.read(path).lines


@pytest.mark.parametrize("step", range(1, 6))
def test_a_step_that_is_undone_is_tried_again_with_all_behind_it(tmp_path: Path, step: int) -> None:
    path = _begin(tmp_path / "log")
    _, trier = _run(path)
    seen = _without_times(path)
    log = Log.read(path)
    assert log.ended is not None
    log.add(Undone(step, ""))
    assert log.ended is None
    assert _without_times(path) == [line for line in seen if int(str(line[0])) < step]
    _, again = _run(path)
    assert _without_times(path) == seen
    assert len(again.tried) == sum(int(str(line[0])) >= step for line in seen)
    assert len(again.tried) <= len(trier.tried)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "its first line does not say what is bisected"),
        (b'{"line":"undone","step":1,"time":""}\n', "its first line does not say what is bisected"),
        (b"what?\n", "its first line does not say what is bisected"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        Log.read(path)


def test_no_file_and_a_damaged_line_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no log of a bisection"):
        Log.read(tmp_path / "none")
    path = _begin(tmp_path / "log")
    _run(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1], b"\0" * 40 + b"\n", *lines[2:]]))
    with pytest.raises(UserError, match="log:3: no line of a bisection's log"):
        Log.read(path)


def test_the_log_of_a_newer_lab_is_refused(tmp_path: Path) -> None:
    path = _begin(tmp_path / "log")
    path.write_text(path.read_text().replace(f'"format":{FORMAT}', f'"format":{FORMAT + 1}'))
    with pytest.raises(UserError, match="a newer lab wrote it"):
        Log.read(path)


def test_a_line_is_on_the_disk_when_it_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    path = _begin(tmp_path / "log")
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_bytes()))
    Log.read(path).add(Undone(1, "now"))
    assert synced == [path.read_bytes()]
    assert b"undone" in synced[0]


def test_a_log_that_cannot_be_written_is_the_machines_trouble(tmp_path: Path) -> None:
    path = _begin(tmp_path / "log")
    log = Log.read(path)
    path.unlink()
    with pytest.raises(InfrastructureError, match="the bisection's log cannot be written"):
        log.add(Undone(1, ""))


def test_the_ends_and_the_question_make_it_the_same_one() -> None:
    one = begun(SUBJECT, QUESTION)
    assert one.key == begun(SUBJECT, QUESTION, sure=0.5).key
    assert one.key != begun(SUBJECT, OfTest("mlock")).key
    assert one.key != begun(subject_of(5), QUESTION).key
    assert one.key != begun(SUBJECT, QUESTION, ("old", "new")).key


def test_what_was_seen_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = _begin(tmp_path / "log")
    bisection, _ = _run(path)
    assert Log.read(path).lines[:-1] == bisection.log.lines[:-1]
