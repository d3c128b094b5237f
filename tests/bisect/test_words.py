# SPDX-License-Identifier: GPL-2.0-only
"""What a bisection says to people, and where it is kept."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lab.bisect.bisection import Bisection, Paused
from lab.bisect.course import Result, Shown
from lab.bisect.ends import NoDifference
from lab.bisect.folder import Bisections
from lab.bisect.log import Closed, Ended, Log
from lab.bisect.of_test import OfTest
from lab.bisect.point import Point
from lab.bisect.records import record_of
from lab.bisect.subset import spelled
from lab.bisect.told import Seen, Side, Sight
from lab.bisect.words import log_lines, picture, proof_line, result_lines, seen_words
from lab.errors import UserError
from tests.bisect.played import (
    NOT_BUILT,
    OURS,
    PASSES,
    PlayedTrier,
    begun,
    fails_from,
    row,
    subject_of,
)

QUESTION = OfTest("mmap")
WORDS = ("good", "bad")
OPTIONS = tuple(f"CONFIG_{number}=y" for number in range(9))


def _show(point: Point, _: int) -> Seen:
    return NOT_BUILT if point.key == "8" else fails_from(6)(point, 0)


def _run(folder: Path) -> tuple[Log, Result]:
    subject = subject_of(16)
    name, log = Bisections(folder).going_on(begun(subject, QUESTION))
    assert name in Bisections(folder).names()
    result = Bisection(subject, QUESTION, PlayedTrier(_show), log).run()
    return log, result


def test_the_result(tmp_path: Path) -> None:
    _, result = _run(tmp_path)
    assert list(result_lines(result, "commit", WORDS)) == [
        "commit 6 is the first bad commit",
        "  commit 6 fails: mmap: fail: 3 of 4 pages are not present",
        "  commit 5 passes 3 of 3",
        "  not shown by taking it out: what it brought cannot be taken out of the end by itself",
        "  probability 99.3%; where it fails it failed 6/6 [61%, 100%]",
        "  skipped commit 8: mm/gup.c:12: error: expected ';'",
        "  5 steps",
    ]


def test_the_log_of_one_that_ended_says_what_was_found(tmp_path: Path) -> None:
    log, result = _run(tmp_path)
    said = list(result_lines(result, subject_of(16).noun, WORDS))
    assert list(log_lines(Log.read(log.path)))[-len(said) :] == said
    # An older lab's did not have what one of those between the ends is.
    text = log.path.read_text()
    assert f',"noun":"{subject_of(16).noun}"' in text
    log.path.write_text(text.replace(f',"noun":"{subject_of(16).noun}"', ""))
    assert "commit 6 is the first bad change" in list(log_lines(Log.read(log.path)))


@pytest.mark.parametrize("holds", [False, None])
def test_what_is_not_proved_says_so_in_its_first_line(holds: bool | None) -> None:
    found = Point("6", "commit 6")
    first, *_ = result_lines(Result(found, proof=(Shown("fails", found, holds),)), "commit", WORDS)
    assert first == "commit 6 is the first bad commit, not proved"


def test_nothing_is_called_certain() -> None:
    found = Point("6", "commit 6")
    (_, sure, _) = result_lines(Result(found, probability=1.0), "commit", WORDS)
    assert "probability above 99.9%" in sure


def test_a_set_is_no_first_of_anything() -> None:
    found = Point("CONFIG_DAX=y", "CONFIG_DAX=y", parts=("CONFIG_DAX=y",))
    lines = list(result_lines(Result(found), "option", WORDS))
    assert lines[0] == "CONFIG_DAX=y makes it bad"


@pytest.mark.parametrize(
    ("count", "words", "said"),
    [
        (2, WORDS, '2 of 9 options ("CONFIG_0=y, CONFIG_1=y") make it bad'),
        (1, ("old", "new"), "CONFIG_0=y makes the difference"),
        (2, ("old", "new"), '2 of 9 options ("CONFIG_0=y, CONFIG_1=y") make the difference'),
    ],
)
def test_several_parts_are_a_plural_and_nothing_is_made_new(
    count: int, words: tuple[str, str], said: str
) -> None:
    result = Result(spelled("option", OPTIONS[:count], OPTIONS))
    first, *others = result_lines(result, "option", words)
    assert first == said
    assert others == ["  0 steps"]


def test_of_a_set_that_is_found_each_part_has_its_whole_name() -> None:
    result = Result(spelled("option", OPTIONS[:5], OPTIONS))
    lines = list(result_lines(result, "option", WORDS))
    assert lines[0] == '5 of 9 options ("0=y, 1=y, 2=y, 3=y, 4=y") make it bad'
    assert lines[1:6] == [f"  {name}" for name in OPTIONS[:5]]


@pytest.mark.parametrize(
    ("count", "what", "said"),
    [
        (2, "fails", 'with 2 of 9 options ("CONFIG_0=y, CONFIG_1=y") it fails: ENOMEM'),
        (1, "passes", "with CONFIG_0=y alone it passes: ENOMEM"),
        (0, "passes", "with none of 9 options it passes: ENOMEM"),
        (8, "reverted", 'with 8 of 9 options ("all but 8=y") it is as the other end: ENOMEM'),
    ],
)
def test_what_is_shown_of_a_set_is_of_the_kernel_that_has_it(
    count: int, what: str, said: str
) -> None:
    point = spelled("option", OPTIONS[:count], OPTIONS)
    assert proof_line(Shown(what, point, True, "ENOMEM")) == said


def test_the_commit_that_was_made_for_a_proof_is_told_as_that() -> None:
    made = Point("cda61", "cda61dbf9b58", "Revert")
    assert proof_line(Shown("reverted", made, True, "passes 1 of 1")) == (
        "the end without it, cda61dbf9b58, is as the other end: passes 1 of 1"
    )
    assert proof_line(Shown("fails", made, True, "ENOMEM")) == "cda61dbf9b58 fails: ENOMEM"


def test_other_failures_of_the_end_are_told(tmp_path: Path) -> None:
    """What is found is the change for one of them alone."""
    # The same test says another word of it each time.
    both = Seen(Sight.FAILS, "a: fail", ("a: fail: EIO", "a: fail: ENOMEM", "b: fail: EIO"))
    one = Seen(Sight.FAILS, "a: fail", ("a: fail: EIO",))

    def show(point: Point, _: int) -> Seen:
        return PASSES if int(point.key) < 6 else one if int(point.key) < 11 else both

    subject = subject_of(16)
    log = Log.begin(tmp_path / "log", begun(subject, QUESTION))
    result = Bisection(subject, QUESTION, PlayedTrier(show), log).run()
    assert result.found is not None
    assert (result.found.key, result.beside) == ("6", ("b: fail: EIO",))
    lines = list(result_lines(result, "commit", WORDS))
    assert lines[4:6] == [
        "  the end that fails does so otherwise, too: b: fail: EIO",
        "    of this change that was not seen: ask for it with -k or --complaint",
    ]
    record = record_of("b", log)
    assert record.proof[-2:] == tuple(line[2:] for line in lines[4:6])


def test_an_answer_that_was_not_counted_says_why() -> None:
    result = Result(Point("6", "commit 6"), uncounted="medians are compared")
    assert "  no probability: medians are compared" in result_lines(result, "commit", WORDS)


def test_what_was_seen_of_an_end() -> None:
    fails = Seen(Sight.FAILS, "mmap: fail")
    assert seen_words([fails, PASSES, fails]) == "fails 2 of 3, passes 1 of 3: mmap: fail"
    measured = [Seen(Sight.MEASURED, f"{value:g}", (), value) for value in (1.0, 9.0, 5.0)]
    assert seen_words(measured) == "5, the median of 3"


def test_one_of_several() -> None:
    points = tuple(Point(str(n), f"commit {n}") for n in range(30))
    lines = list(result_lines(Result(None, points), "commit", WORDS))
    assert lines[0] == "the first bad commit is one of these 30:"
    assert lines[20:] == ["  commit 19", "  and 10 more", "  0 steps; not proved"]


def test_of_a_set_several_together_may_be_it() -> None:
    points = tuple(spelled("option", (name,), OPTIONS) for name in OPTIONS[:2])
    first, *_ = result_lines(Result(None, points), "option", WORDS)
    assert first == "what makes it bad is one option or several together of these 2:"


def test_the_log_has_each_step_with_its_cost_and_runs(tmp_path: Path) -> None:
    log, _ = _run(tmp_path)
    lines = list(log_lines(log))
    assert lines[:6] == [
        "commits that are played: test mmap",
        "  1 end: commit 16",
        "      fails 3 of 3: mmap: fail: 3 of 4 pages are not present; build 6 s, test 3 s",
        "      16-1 16-2 16-3",
        "  2 end: commit 0",
        "      passes 1 of 1; build 2 s, test 1 s",
    ]
    assert "      skipped: mm/gup.c:12: error: expected ';'; build 2 s, test 1 s" in lines


def test_one_that_is_not_decided_says_what_goes_on_with_it(tmp_path: Path) -> None:
    asked = begun(subject_of(16), QUESTION)
    log = Log.begin(tmp_path / "log", replace(asked, command=("/a/lab", "bisect", "-k", "m*")))
    assert list(log_lines(log))[-1] == (
        "  it is not decided yet; what goes on with it: lab bisect -k 'm*'"
    )
    log = Log.begin(tmp_path / "older", asked)
    assert list(log_lines(log))[-1].endswith("the command that began it")


def test_the_picture_has_the_newest_first(tmp_path: Path) -> None:
    log, _ = _run(tmp_path)
    assert list(picture(log)) == [
        "commits that are played: test mmap",
        "  bad: commit 16 (end)",
        "  bad: commit 12",
        "  bad: commit 6  <- the change",
        "  skipped: commit 8: mm/gup.c:12: error: expected ';'",
        "  good: commit 5",
        "  good: commit 4",
        "  good: commit 0 (end)",
    ]


def test_the_change_is_the_last_of_the_new_side_and_what_it_was_taken_out_of_is_none(
    tmp_path: Path,
) -> None:
    """What was skipped before a failure is known may bring a step behind the change."""
    subject = subject_of(16)
    log = Log(tmp_path / "log", begun(subject, QUESTION))
    points = row(16).points
    log.lines = [
        Closed(1, "step", points[6], Side.NEW, "", ""),
        Closed(2, "step", points[12], Side.NEW, "", ""),
        Closed(3, "revert", Point("r", "the end without it"), Side.OLD, "", ""),
        Ended(asdict(Result(points[6])), ""),
    ]
    assert list(picture(log)) == [
        "commits that are played: test mmap",
        "  bad: commit 16 (end)",
        "  bad: commit 12",
        "  bad: commit 6  <- the change",
        "  good: commit 0 (end)",
    ]


def test_the_same_question_goes_on_and_another_does_not(tmp_path: Path) -> None:
    bisections, subject = Bisections(tmp_path), subject_of(16)
    name, log = bisections.going_on(begun(subject, QUESTION))
    with pytest.raises(Paused):
        Bisection(subject, QUESTION, PlayedTrier(lambda *_: OURS), log).run()
    again, _ = bisections.going_on(begun(subject, QUESTION))
    assert again == name
    other, _ = bisections.going_on(begun(subject, OfTest("mlock")))
    assert other != name


def test_ends_that_were_none_are_tried_anew(tmp_path: Path) -> None:
    bisections, subject = Bisections(tmp_path), subject_of(16)
    name, log = bisections.going_on(begun(subject, QUESTION))
    with pytest.raises(NoDifference):
        Bisection(subject, QUESTION, PlayedTrier(lambda *_: PASSES), log).run()
    assert "the bad end commit 16 passes" in "\n".join(log_lines(Log.read(log.path)))
    again, _ = bisections.going_on(begun(subject, QUESTION))
    assert again != name


def test_a_name_that_is_none_is_told_with_those_there_are(tmp_path: Path) -> None:
    bisections = Bisections(tmp_path)
    with pytest.raises(UserError, match="no bisection was begun here"):
        bisections.named(None)
    log, _ = _run(tmp_path)
    with pytest.raises(UserError) as caught:
        bisections.named("none")
    assert log.path.parent.name in str(caught.value)
    assert bisections.named(None)[1].lines == Log.read(log.path).lines


def test_a_log_is_taken_over(tmp_path: Path) -> None:
    log, result = _run(tmp_path)
    name, taken = Bisections(tmp_path / "other").take(log.path)
    assert taken.path == tmp_path / "other/bisects" / name / "log"
    trier = PlayedTrier(_show)
    assert Bisection(subject_of(16), QUESTION, trier, taken).run() == result
    assert not trier.tried


def test_one_at_a_time(tmp_path: Path) -> None:
    log, _ = _run(tmp_path)
    bisections, name = Bisections(tmp_path), log.path.parent.name
    with (
        bisections.held(name),
        pytest.raises(UserError, match="another lab is at work"),
        bisections.held(name),
    ):
        pass


def test_another_confidence_has_the_same_trials_and_no_answer_yet(tmp_path: Path) -> None:
    log, _ = _run(tmp_path)
    bisections, name = Bisections(tmp_path), log.path.parent.name
    asked = begun(subject_of(16), QUESTION, sure=0.999999)
    other, surer = bisections.going_on(asked)
    assert other != name
    assert surer.begun.confidence == 0.999999
    assert surer.ended is None
    assert surer.lines == log.lines[:-1]
    assert Log.read(surer.path) == surer
    # Each goes on with its own.
    assert bisections.going_on(asked)[0] == other
    assert bisections.going_on(begun(subject_of(16), QUESTION))[0] == name


def test_a_damaged_log_of_another_question_is_in_nobodys_way(tmp_path: Path) -> None:
    bisections, subject = Bisections(tmp_path), subject_of(16)
    name, log = bisections.going_on(begun(subject, QUESTION))
    log.path.write_bytes(log.path.read_bytes() + b"no line\n")
    (bisections.path / "empty").mkdir()
    bisections.log("empty").write_bytes(b"")
    other, _ = bisections.going_on(begun(subject, OfTest("mlock")))
    assert other != name
    # Of the same one it is said: what was tried is not to be lost in silence.
    with pytest.raises(UserError, match="no line of a bisection's log"):
        bisections.going_on(begun(subject, QUESTION))


def test_who_holds_it_has_what_others_wrote_meanwhile(tmp_path: Path) -> None:
    bisections, subject = Bisections(tmp_path), subject_of(16)
    name, before = bisections.going_on(begun(subject, QUESTION))
    _run(tmp_path)
    assert not before.lines
    with bisections.held(name) as log:
        assert log == Log.read(before.path)
        assert log.lines


def test_what_is_made_from_something_else_since_is_another_question(tmp_path: Path) -> None:
    """A series that was edited has its name still, and its patches their numbers."""
    bisections = Bisections(tmp_path)
    asked = [replace(begun(subject_of(16), QUESTION), given=given) for given in ("a", "b", "")]
    first, _ = bisections.going_on(asked[0])
    second, _ = bisections.going_on(asked[1])
    assert first != second
    assert bisections.going_on(asked[0])[0] == first
    # By whoever has another test of that name since, as well.
    tested = [replace(asked[0], tested=tested) for tested in ("t", "u")]
    assert bisections.going_on(tested[0])[0] == first
    third, _ = bisections.going_on(replace(tested[0], given="c"))
    assert bisections.going_on(replace(tested[1], given="c"))[0] not in (first, second, third)
    assert bisections.changed_since(replace(tested[1], given="d")) is not None
    assert bisections.changed_since(replace(tested[1], given="c")) is None
    assert bisections.changed_since(begun(subject_of(8), QUESTION)) is None
    # What another lab took it for nobody knows here.
    taken, _ = Bisections(tmp_path / "other").take(bisections.log(first))
    assert Bisections(tmp_path / "other").going_on(asked[1])[0] == taken
