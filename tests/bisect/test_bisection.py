# SPDX-License-Identifier: GPL-2.0-only
"""Bisections of kernels that are played: what is tried, what is found, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import asdict, replace
from pathlib import Path
from random import Random

import pytest

from lab.bisect.bisection import Bisection, Listener, Paused
from lab.bisect.course import Phase, Result, Wanted
from lab.bisect.ends import Ends, NoDifference
from lab.bisect.log import Ended, Log, Tried
from lab.bisect.of_build import OfBuild
from lab.bisect.of_metric import OfMetric, parse_threshold
from lab.bisect.of_test import OfTest
from lab.bisect.ordered import OrderedSearch
from lab.bisect.point import Point
from lab.bisect.question import Question, Reference
from lab.bisect.subject import Subject
from lab.bisect.subset import SubsetSearch, spelled
from lab.bisect.told import Seen, Side, Sight, Told, Trial
from lab.bisect.words import log_lines, picture, result_of, steps_of
from lab.errors import UserError
from tests.bisect.played import (
    FAILS,
    NOT_BUILT,
    OTHERWISE,
    OURS,
    PASSES,
    Graph,
    PlayedSubject,
    PlayedTrier,
    begun,
    fails_from,
    now_and_then,
    subject_of,
)

COUNT = 1024
OLD_NEW = ("old", "new")


class Played:
    """A bisection in a folder, which a second one can go on with."""

    def __init__(
        self,
        folder: Path,
        subject: Subject,
        show: Callable[[Point, int], Seen],
        question: Question | None = None,
        words: tuple[str, str] = ("good", "bad"),
        sure: float = 0.99,
    ) -> None:
        self.path = folder / "log"
        self.subject, self.question = subject, question or OfTest("mmap")
        if not self.path.exists():
            Log.begin(self.path, begun(subject, self.question, words, sure))
        self.trier = PlayedTrier(show)
        self.bisection = Bisection(subject, self.question, self.trier, Log.read(self.path))

    def run(self) -> Result:
        return self.bisection.run()

    @property
    def between(self) -> list[str]:
        """The points between the ends that were tried, in order."""
        return [step.point.key for step in self.bisection.course.between]


@pytest.mark.parametrize("first", [1, 512, 700, 1024])
def test_the_first_bad_commit_of_1024_takes_ten_steps_and_a_proof(
    tmp_path: Path, first: int
) -> None:
    played = Played(tmp_path, subject_of(COUNT), fails_from(first))
    result = played.run()
    assert result.found == Point(str(first), f"commit {first}")
    assert result.proved
    assert result.steps <= 10
    assert [(one.what, one.holds) for one in result.proof] == [
        ("fails", True),
        ("passes", True),
        ("reverted", None),
    ]
    assert result.probability is not None
    assert result.probability >= 0.99


def test_both_ends_are_tried_before_all_else(tmp_path: Path) -> None:
    played = Played(tmp_path, subject_of(COUNT), fails_from(700))
    played.run()
    keys = list(dict.fromkeys(point.key for point in played.trier.tried))
    assert keys[:3] == [str(COUNT), "0", "512"]


def test_the_two_that_can_come_next_are_built_ahead(tmp_path: Path) -> None:
    played = Played(tmp_path, subject_of(16), fails_from(7))
    played.run()
    prepared = [ahead for ahead in played.trier.prepared if ahead]
    # With the ends it is what is tried first between them, and what comes after that.
    expected = [("8", "12", "4"), ("12", "4"), ("6", "2")]
    assert list(dict.fromkeys(prepared))[:3] == expected


@pytest.mark.parametrize(
    ("show", "said"),
    [
        (lambda _point, _: PASSES, "the bad end commit 8 passes: test mmap"),
        (lambda _point, _: FAILS, "the good end commit 0 fails too: test mmap"),
        (lambda point, _: FAILS if point.key == "8" else OTHERWISE, "0 fails too, in another way"),
        (lambda _point, _: NOT_BUILT, "the bad end commit 8 cannot be tested"),
        (lambda point, _: FAILS if point.key == "8" else NOT_BUILT, "good end commit 0 cannot be"),
    ],
)
def test_ends_that_are_none_are_refused(
    tmp_path: Path, show: Callable[[Point, int], Seen], said: str
) -> None:
    played = Played(tmp_path, subject_of(8), show)
    with pytest.raises(NoDifference) as caught:
        played.run()
    assert said in str(caught.value)
    assert {point.key for point in played.trier.tried} <= {"0", "8"}
    ended = Log.read(played.path).ended
    assert ended is not None
    assert said in ended.refused


def test_a_good_end_that_skips_what_fails_is_refused(tmp_path: Path) -> None:
    """Else the change would be the commit that brought what the test is of."""
    skips = Seen(Sight.PASSES, "sync: skip: no MAP_SYNC", silent=("sync",))
    fails = replace(FAILS, failed=("sync",))
    played = Played(tmp_path, subject_of(8), lambda one, _: fails if int(one.key) > 4 else skips)
    with pytest.raises(NoDifference, match="the good end commit 0 skips what fails at the other"):
        played.run()


def test_what_is_skipped_between_is_listed(tmp_path: Path) -> None:
    skips = Seen(Sight.PASSES, "sync: skip: no MAP_SYNC", silent=("sync",))
    fails = replace(FAILS, failed=("sync",))

    def show(point: Point, _: int) -> Seen:
        number = int(point.key)
        return fails if number > 4 else skips if number > 2 else PASSES

    result = Played(tmp_path, subject_of(8), show).run()
    assert result.found is None
    assert [point.key for point in result.undecided] == ["3", "4", "5"]
    assert {one.why for one in result.skipped} == {"sync: skip: no MAP_SYNC"}


def test_a_good_end_that_fails_now_and_then_is_refused(tmp_path: Path) -> None:
    show = now_and_then(lambda _point, _: FAILS, 0.2, seed=4)
    with pytest.raises(NoDifference, match="the good end commit 0 fails too"):
        Played(tmp_path, subject_of(8), show).run()


def test_a_crash_on_the_way_is_skipped_and_listed(tmp_path: Path) -> None:
    def show(point: Point, _: int) -> Seen:
        return OTHERWISE if 342 <= int(point.key) <= 682 else fails_from(900)(point, 0)

    result = Played(tmp_path, subject_of(COUNT), show).run()
    assert result.found is not None
    assert result.found.key == "900"
    assert result.proved
    assert [(one.point.key, one.why) for one in result.skipped][:1] == [
        ("512", "fails otherwise: oops: BUG in foo")
    ]


def test_a_change_among_what_does_not_build_is_one_of_these(tmp_path: Path) -> None:
    def show(point: Point, _: int) -> Seen:
        return NOT_BUILT if 412 <= int(point.key) < 612 else fails_from(500)(point, 0)

    result = Played(tmp_path, subject_of(COUNT), show).run()
    assert result.found is None
    assert not result.proved
    assert [point.key for point in result.undecided] == [str(n) for n in range(412, 613)]
    # Each point that passed makes it less likely that it was before.
    assert result.probability is not None
    assert 0.9 < result.probability < 1


@pytest.mark.parametrize("words", [("good", "bad"), OLD_NEW])
def test_how_likely_it_is_one_of_several_is_how_often_it_is(
    tmp_path: Path, words: tuple[str, str]
) -> None:
    """Of kernels that fail now and then; a range that says 0.8 is right eight times in ten."""
    said, right, count = 0.0, 0, 80
    for seed in range(count):
        first = 1 + Random(seed).randrange(32)

        def fails(key: str, first: int = first) -> bool:
            return (int(key) >= first) is (words[0] == "good")

        def show(point: Point, _: int, fails: Callable[[str], bool] = fails) -> Seen:
            if 10 <= int(point.key) < 20:
                return NOT_BUILT
            return FAILS if fails(point.key) else PASSES

        folder = tmp_path / str(seed)
        folder.mkdir()
        played = Played(
            folder, subject_of(32), now_and_then(show, 0.4, seed), words=words, sure=0.8
        )
        try:
            result = played.run()
        except NoDifference:
            continue  # by chance an end passed as often as it takes
        if result.found is None:
            assert result.probability is not None
            said += result.probability
            right += str(first) in [point.key for point in result.undecided]
    assert right > 20
    assert said == pytest.approx(right, abs=3)


def test_a_set_that_is_all_there_is_has_nothing_to_be_taken_out_of(tmp_path: Path) -> None:
    search = SubsetSearch(("a",), lambda some: spelled("option", some, ("a",)))
    subject = PlayedSubject(search, (search.point(()),), search.point(("a",)), noun="option")
    result = Played(tmp_path, subject, lambda point, _: FAILS if point.parts else PASSES).run()
    assert result.proved
    assert result.proof[-1].why == "it is all that differs between the ends"


def test_who_listens_hears_what_each_trial_of_an_end_adds(tmp_path: Path) -> None:
    played = Played(tmp_path, subject_of(8), fails_from(5))
    heard: list[str] = []
    played.bisection.listener = Listener(
        lambda wanted: heard.append(f"{wanted.phase} {wanted.point.key}"),
        on_end=lambda point, seen: heard.append(f"{point.key}: {len(seen)} times"),
    )
    played.run()
    assert heard[:9] == [
        "end 8", "8: 1 times", "end 8", "8: 2 times", "end 8", "8: 3 times",
        "end 0", "0: 1 times", "step 4",
    ]  # fmt: skip


def test_our_own_trouble_is_no_answer_and_the_same_command_goes_on(tmp_path: Path) -> None:
    subject = subject_of(COUNT)
    first = Played(
        tmp_path, subject, lambda point, number: OURS if number == 8 else fails_from(700)(point, 0)
    )
    with pytest.raises(Paused, match="no space left on device"):
        first.run()
    failed_at = first.trier.tried[-1]
    second = Played(tmp_path, subject, fails_from(700))
    result = second.run()
    assert second.trier.tried[0] == failed_at
    assert result.found is not None
    assert result.found.key == "700"
    assert result.proved
    (tmp_path / "whole").mkdir()
    whole = Played(tmp_path / "whole", subject, fails_from(700))
    whole.run()
    assert first.trier.tried[:-1] + second.trier.tried == whole.trier.tried


@pytest.mark.parametrize("end", ["8", "0"])
def test_our_own_trouble_at_an_end_counts_for_nothing(tmp_path: Path, end: str) -> None:
    """Neither as a trial of the failing end's rate, nor as a pass of the other."""
    subject = subject_of(8)

    def show(point: Point, _: int) -> Seen:
        return OURS if point.key == end else fails_from(5)(point, 0)

    with pytest.raises(Paused):
        Played(tmp_path, subject, show).run()
    second = Played(tmp_path, subject, fails_from(5))
    result = second.run()
    assert result.found is not None
    assert result.found.key == "5"
    assert result.rate is not None
    assert result.rate.count == result.rate.total
    assert second.trier.tried[0].key == end
    assert [point.key for point in second.trier.tried].count("8") >= (3 if end == "8" else 0)


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        ("fails", [("fails", None), ("passes", True), ("reverted", True)]),
        ("passes", [("fails", True), ("passes", None), ("reverted", True)]),
        ("reverted", [("fails", True), ("passes", True), ("reverted", None)]),
    ],
)
def test_a_part_of_the_proof_that_cannot_be_tried(
    tmp_path: Path, what: str, shown: list[tuple[str, bool | None]]
) -> None:
    """It is not shown; that the change can be taken out is no part that has to be."""
    without = Point("without", "without")
    # The change is an end, so that it is tried between the ends no more than its parent is.
    subject = subject_of(1, lambda _: without)
    point = {"fails": "1", "passes": "0", "reverted": "without"}[what]
    bisection: list[Bisection] = []

    def show(tried: Point, _: int) -> Seen:
        in_proof = any(one.phase is not Phase.END for one in bisection[0].course.steps) or (
            not isinstance(bisection[0].course.ends, Wanted)
        )
        if tried.key == point and in_proof:
            return NOT_BUILT
        return FAILS if tried.key == "1" else PASSES

    played = Played(tmp_path, subject, show)
    bisection.append(played.bisection)
    result = played.run()
    assert [(one.what, one.holds) for one in result.proof] == shown
    assert result.proved is (what == "reverted")


def test_where_one_passed_by_chance_others_that_did_are_not_believed(
    tmp_path: Path,
) -> None:
    """Of two that were told to be old by chance, the proof contradicts one."""
    chance = {"4": 1, "6": 1}
    counts: dict[str, int] = {}

    def show(point: Point, _: int) -> Seen:
        counts[point.key] = counts.get(point.key, 0) + 1
        if counts[point.key] <= chance.get(point.key, 0):
            return PASSES
        return fails_from(3)(point, 0)

    played = Played(tmp_path, subject_of(8), show)
    result = played.run()
    assert result.found is not None
    assert result.found.key == "3"
    assert result.proved
    # Else 5 were the answer before, and 4 contradicted it.
    steps = played.bisection.course.steps
    assert [step.point.key for step in steps if step.phase is Phase.FAILS] == ["7", "3"]


@pytest.mark.parametrize("seed", range(20))
def test_a_flake_of_one_in_five_is_found(tmp_path: Path, seed: int) -> None:
    first = 1 + seed * 51
    played = Played(tmp_path, subject_of(COUNT), now_and_then(fails_from(first), 0.2, seed))
    result = played.run()
    assert result.found is not None
    assert result.found.key == str(first)
    assert result.proved
    assert result.probability is not None
    assert result.probability >= 0.99
    assert result.rate is not None
    low, high = result.rate.interval
    assert low < 0.35
    assert high > 0.1


@pytest.mark.parametrize("words", [("good", "bad"), OLD_NEW])
@pytest.mark.parametrize("seed", range(8))
def test_a_pass_that_was_chance_is_one_of_the_rates(
    tmp_path: Path, seed: int, words: tuple[str, str]
) -> None:
    """Left out, what fails now and then would seem to fail more often than it does."""

    def fails(key: str) -> bool:
        return int(key) >= 5 if words[0] == "good" else int(key) < 12

    show = now_and_then(lambda one, _: FAILS if fails(one.key) else PASSES, 0.6, seed)
    played = Played(tmp_path, subject_of(16), show, words=words)
    result = played.run()
    assert result.found is not None
    if result.found.key == ("5" if words[0] == "good" else "12"):
        assert result.rate is not None
        assert result.rate.total == sum(fails(point.key) for point in played.trier.tried)


@pytest.mark.parametrize("seed", range(4))
def test_passes_of_a_parent_that_was_no_step_count(tmp_path: Path, seed: int) -> None:
    """What forked off behind it was tried, so that it did not have to be until the proof."""
    forked = {"4": ["2"], "5": ["4"], "6": ["5"], "merge": ["3", "6"], "new": ["merge"]}
    graph = Graph({"0": [], "1": ["0"], "2": ["1"], "3": ["2"], **forked})
    search = OrderedSearch(graph, ("0",), "new")
    subject = PlayedSubject(search, (graph.point("0"),), graph.point("new"))
    has_bug = {"3", "merge", "new"}
    show = now_and_then(lambda one, _: FAILS if one.key in has_bug else PASSES, 0.3, seed)
    played = Played(tmp_path, subject, show)
    result = played.run()
    assert "2" not in played.between
    assert result.found is not None
    assert result.found.key == "3"
    assert result.probability is not None
    assert result.probability >= 0.99


def test_a_flake_that_fails_otherwise_first_is_bad_and_never_good(tmp_path: Path) -> None:
    """Of what fails now and then, another failure decides nothing, and is no pass."""
    flaky = now_and_then(fails_from(5), 0.5, seed=3)
    tries: Counter[str] = Counter()

    def show(point: Point, number: int) -> Seen:
        tries[point.key] += 1
        if tries[point.key] == 1 and point.key in ("4", "6", "7"):
            return OTHERWISE
        return flaky(point, number)

    played = Played(tmp_path, subject_of(8), show)
    result = played.run()
    told = {one.point.key: one.told.side for one in played.bisection.course.between if one.told}
    assert told["6"] is Side.NEW
    assert told["4"] is Side.SKIP
    assert [one.key for one in result.undecided] == ["4", "5"]
    assert [one.why for one in result.skipped] == ["fails otherwise: oops: BUG in foo"]


def test_what_only_fails_otherwise_is_not_tried_as_often_as_a_flake(tmp_path: Path) -> None:
    def show(point: Point, number: int) -> Seen:
        return OTHERWISE if point.key == "4" else flaky(point, number)

    flaky = now_and_then(fails_from(6), 0.2, seed=3)
    played = Played(tmp_path, subject_of(8), show)
    played.run()
    assert sum(point.key == "4" for point in played.trier.tried) == 3


def test_what_was_mended_is_told_by_its_passes(tmp_path: Path) -> None:
    def show(point: Point, _: int) -> Seen:
        return PASSES if int(point.key) >= 700 else FAILS

    result = Played(tmp_path, subject_of(COUNT), show, words=OLD_NEW).run()
    assert result.found is not None
    assert result.found.key == "700"
    assert result.proved


@pytest.mark.parametrize("seed", range(10))
def test_what_was_mended_of_a_flake(tmp_path: Path, seed: int) -> None:
    first = 1 + seed * 102

    def show(point: Point, _: int) -> Seen:
        return PASSES if int(point.key) >= first else FAILS

    played = Played(tmp_path, subject_of(COUNT), now_and_then(show, 0.2, seed), words=OLD_NEW)
    result = played.run()
    assert result.found is not None
    assert result.found.key == str(first)
    assert result.proved


def test_old_and_new_may_break_as_well(tmp_path: Path) -> None:
    result = Played(tmp_path, subject_of(64), fails_from(9), words=OLD_NEW).run()
    assert result.found is not None
    assert result.found.key == "9"


def test_old_and_new_that_both_pass_are_refused(tmp_path: Path) -> None:
    played = Played(tmp_path, subject_of(64), lambda _point, _: PASSES, words=OLD_NEW)
    with pytest.raises(NoDifference, match="passes, and so does the other end"):
        played.run()


def _reverted(point: Point) -> Point:
    return Point(f"{1000 + int(point.key)}", f"the end without {point.name}")


def test_the_end_without_the_change_passes(tmp_path: Path) -> None:
    def show(point: Point, _: int) -> Seen:
        return FAILS if 40 <= int(point.key) < 1000 else PASSES

    played = Played(tmp_path, subject_of(64, _reverted), show)
    result = played.run()
    assert result.proved
    assert (result.proof[-1].what, result.proof[-1].holds) == ("reverted", True)
    assert played.trier.tried[-1].key == "1040"


def test_an_end_that_fails_without_the_change_too_is_no_proof(tmp_path: Path) -> None:
    result = Played(tmp_path, subject_of(64, _reverted), fails_from(40)).run()
    assert result.found is not None
    assert result.found.key == "40"
    assert result.proof[-1].holds is False
    assert not result.proved


def test_a_build_is_asked_for_once_each(tmp_path: Path) -> None:
    broken = Seen(Sight.FAILS, "mm/gup.c:12: error: x", ("mm/gup.c:N: error: x",))
    played = Played(
        tmp_path,
        subject_of(64),
        lambda point, _: broken if int(point.key) >= 33 else PASSES,
        OfBuild(),
    )
    result = played.run()
    assert result.found is not None
    assert result.found.key == "33"
    assert all(times == 1 for _, times in played.trier.asked)
    assert result.probability is None


def test_a_metric_is_compared_with_the_good_end(tmp_path: Path) -> None:
    def show(point: Point, number: int) -> Seen:
        value = 250.0 if int(point.key) >= 20 else 100.0
        # One measurement in five is far off.
        return Seen(Sight.MEASURED, "", (), value * (5 if number % 5 == 2 else 1))

    text = "first_access_ns_per_page > 2 x good"
    played = Played(tmp_path, subject_of(32), show, OfMetric(text, parse_threshold(text)))
    result = played.run()
    assert result.found is not None
    assert result.found.key == "20"
    assert result.proved


def test_all_that_a_step_measures_is_judged_together(tmp_path: Path) -> None:
    """Each step's first two are far off, and its median is not."""
    counts: dict[str, int] = {}

    def show(point: Point, _: int) -> Seen:
        counts[point.key] = counts.get(point.key, 0) + 1
        value = 250.0 if int(point.key) >= 20 else 100.0
        far = 350.0 - value if counts[point.key] in (1, 2) else value
        return Seen(Sight.MEASURED, "", (), far)

    text = "first_access_ns_per_page > 2 x good"
    played = Played(tmp_path, subject_of(32), show, OfMetric(text, parse_threshold(text)))
    result = played.run()
    assert result.found is not None
    assert result.found.key == "20"
    assert {count % 5 for count in counts.values()} == {0}


@pytest.mark.parametrize(("second", "count"), [(110.0, 5), (90.0, 15)])
def test_what_guests_measure_on_both_sides_is_measured_again(
    tmp_path: Path, second: float, count: int
) -> None:
    """A host that is busy for one guest's time says the same four times of five."""
    text = "ns > 100"
    course = Played(
        tmp_path, subject_of(8), lambda *_: PASSES, OfMetric(text, parse_threshold(text))
    ).bisection.course
    course.__dict__["ends"] = Ends(Reference(), None, 1)
    busy = [_ran(110.0, "busy") for _ in range(4)]
    trials = [*busy, _ran(second, "other"), *(_ran(90.0, "quiet") for _ in range(10))]
    point = course.subject.new
    needed = [course.tell(point, Phase.STEP, trials[:n], 5) for n in range(5, count, 5)]
    assert needed == [5] * len(needed)
    told = course.tell(point, Phase.STEP, trials[:count], 5)
    assert isinstance(told, Told)
    assert told.side is (Side.NEW if count == 5 else Side.OLD)
    assert course.tell(point, Phase.STEP, trials[:3], 5) == 2


def _ran(value: float, run: str) -> Trial:
    return Trial(Seen(Sight.MEASURED, "", (), value), run)


def test_what_cannot_be_measured_is_skipped(tmp_path: Path) -> None:
    def show(point: Point, _: int) -> Seen:
        if point.key == "16":
            return Seen(Sight.UNTESTABLE, "nothing measured it")
        return Seen(Sight.MEASURED, "", (), 250.0 if int(point.key) >= 20 else 100.0)

    text = "first_access_ns_per_page > 2 x good"
    played = Played(tmp_path, subject_of(32), show, OfMetric(text, parse_threshold(text)))
    result = played.run()
    assert result.found is not None
    assert result.found.key == "20"
    assert [(one.point.key, one.why) for one in result.skipped] == [("16", "nothing measured it")]


def test_a_trial_is_written_down_before_anybody_hears_of_it(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    played = Played(tmp_path, subject_of(8), fails_from(5))
    played.bisection.listener = Listener(on_trial=kill)
    with pytest.raises(Killed):
        played.run()
    (line,) = Log.read(played.path).lines
    assert isinstance(line, Tried)
    assert line.point.key == "8"


@pytest.mark.parametrize("first", [5, 6])
def test_what_a_step_came_to_is_written_down_after_a_kill_as_well(
    tmp_path: Path, first: int
) -> None:
    """Else it would be under way for ever to who reads the log, with an answer behind it."""
    without = Point("without", "the end without the change")
    subject = subject_of(8, lambda _: without)

    def show(point: Point, number: int) -> Seen:
        return PASSES if point == without else fails_from(first)(point, number)

    said = Played(tmp_path, subject, show).run()
    log = tmp_path / "log"
    lines = log.read_bytes().splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if b'"line":"told"' in line]
    assert len(ends) >= 5
    for number in ends:
        log.write_bytes(b"".join(lines[:number]))
        assert Played(tmp_path, subject, show).run() == said
        steps = list(steps_of(Log.read(log)))
        assert [one.number for one in steps if one.side is None] == [1, 2]
        assert Log.read(log).ended is not None
    # What an older lab left so is mended with the same command, and still has its end.
    log.write_bytes(b"".join(line for line in lines if b'"line":"told"' not in line))
    again = Played(tmp_path, subject, show)
    assert again.run() == said
    assert again.trier.tried == []
    assert [one.side is None for one in steps_of(Log.read(log))].count(True) == 2
    assert Log.read(log).ended is not None


def test_ends_that_measure_alike_are_refused(tmp_path: Path) -> None:
    text = "first_access_ns_per_page > 2 x good"
    played = Played(
        tmp_path,
        subject_of(32),
        lambda _point, _: Seen(Sight.MEASURED, "", (), 100.0),
        OfMetric(text, parse_threshold(text)),
    )
    with pytest.raises(NoDifference, match="the bad end commit 32 is not on the bad side"):
        played.run()


def test_two_options_that_are_needed_together(tmp_path: Path) -> None:
    parts = tuple(f"CONFIG_{n}" for n in range(40))
    search = SubsetSearch(parts, lambda some: spelled("option", some, parts))
    subject = PlayedSubject(search, (search.point(()),), search.point(parts), noun="option")
    pair = {"CONFIG_3", "CONFIG_31"}
    result = Played(
        tmp_path, subject, lambda point, _: FAILS if pair <= set(point.parts) else PASSES
    ).run()
    assert result.found is not None
    assert set(result.found.parts) == pair
    assert result.proved
    assert [one.what for one in result.proof] == ["fails", "passes", "passes", "reverted"]


@pytest.mark.parametrize("seed", range(3))
def test_a_flake_that_a_merge_brings_comes_to_an_end(tmp_path: Path, seed: int) -> None:
    """Both its parents have to pass, each as often as it takes."""
    sides = {"2": ["1"], "3": ["1"], "merge": ["2", "3"], "4": ["merge"], "new": ["4"]}
    graph = Graph({"0": [], "1": ["0"], **sides})
    search = OrderedSearch(graph, ("0",), "new")
    subject = PlayedSubject(search, (graph.point("0"),), graph.point("new"))
    has_bug = {"merge", "4", "new"}
    show = now_and_then(lambda one, _: FAILS if one.key in has_bug else PASSES, 0.3, seed)
    played = Played(tmp_path, subject, show)
    for _ in range(60):
        wanted = played.bisection.course.next()
        if isinstance(wanted, Result):
            break
        played.bisection._try(wanted)
    result = played.bisection.course.next()
    assert isinstance(result, Result)
    assert result.found == graph.point("merge")
    assert result.probability is not None
    assert result.probability >= 0.99


def test_a_second_time_it_says_the_same_and_tries_nothing(tmp_path: Path) -> None:
    first = Played(tmp_path, subject_of(64), fails_from(9))
    result = first.run()
    second = Played(tmp_path, subject_of(64), fails_from(50))
    assert second.run() == result
    assert not second.trier.tried
    assert first.path.read_text().count('"ended"') == 1


def test_what_the_log_says_of_it_is_what_its_trials_come_to(tmp_path: Path) -> None:
    """Else --json and the report have one answer, and the command that goes on another."""
    said = Played(tmp_path, subject_of(16), fails_from(7)).run()
    log = tmp_path / "log"
    whole = log.read_bytes()
    *lines, last = whole.splitlines(keepends=True)
    assert Played(tmp_path, subject_of(16), fails_from(7)).run() == said
    assert log.read_bytes() == whole
    other = last.replace(b'"found":{"key":"7"', b'"found":{"key":"9"')
    assert other != last
    log.write_bytes(b"".join((*lines, other)))
    assert Played(tmp_path, subject_of(16), fails_from(7)).run() == said
    assert result_of(Log.read(log)) == said


def test_a_result_that_cannot_be_read_is_said_again(tmp_path: Path) -> None:
    said = Played(tmp_path, subject_of(16), fails_from(7)).run()
    log = tmp_path / "log"
    log.write_bytes(log.read_bytes().replace(b'"found":{"key":', b'"found":{"no-key":'))
    for reads in (log_lines, picture):
        with pytest.raises(UserError, match="cannot be read"):
            list(reads(Log.read(log)))
    assert Played(tmp_path, subject_of(16), fails_from(7)).run() == said
    assert result_of(Log.read(log)) == said


def test_ends_that_are_none_are_no_result_of_before(tmp_path: Path) -> None:
    with pytest.raises(NoDifference) as refused:
        Played(tmp_path, subject_of(16), lambda *_: PASSES).run()
    log = tmp_path / "log"
    *lines, _ = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines))
    Log.read(log).add(Ended(asdict(Result(Point("7", "7"))), ""))
    with pytest.raises(NoDifference):
        Played(tmp_path, subject_of(16), lambda *_: PASSES).run()
    ended = Log.read(log).ended
    assert ended is not None
    assert ended.refused == str(refused.value)


def test_what_was_copied_from_the_same_bytes_is_no_pass_of_its_own(tmp_path: Path) -> None:
    """As a trier does that tests no binary twice: the same run, shown of another point."""
    subject, question = subject_of(16), OfTest("mmap")
    log = Log.begin(tmp_path / "log", begun(subject, question))
    bisection = Bisection(subject, question, PlayedTrier(fails_from(10)), log)
    sure = bisection.run().probability
    copied = [
        replace(one, trial=replace(one.trial, run="run")) if isinstance(one, Tried) else one
        for one in log.lines
    ]
    log.lines = copied
    doubtful = bisection.course.next()
    assert sure is not None
    assert sure >= 0.99
    # No pass but one counts: it has to be tried again.
    assert isinstance(doubtful, Wanted)
    assert doubtful.phase is Phase.PASSES


@pytest.mark.parametrize("seed", range(4))
def test_what_was_copied_from_the_same_bytes_is_no_failure_of_its_own(
    tmp_path: Path, seed: int
) -> None:
    """Else what happened to fail soon at the bad end fails so at each that is the same as it."""
    show = now_and_then(fails_from(2), 0.2, seed)
    ends: dict[str, list[Trial]] = {}

    class Copying(PlayedTrier):
        def try_(self, point: Point, times: int) -> Generator[Trial, None, None]:
            like = "64" if int(point.key) >= 2 else "0"
            if point.key not in (like, "1", "2"):
                yield from ends[like][:times]
                return
            for trial in super().try_(point, times):
                if point.key == like:
                    ends.setdefault(like, []).append(trial)
                yield trial

    subject, question = subject_of(64), OfTest("mmap")
    trier = Copying(show)
    log = Log.begin(tmp_path / "log", begun(subject, question))
    result = Bisection(subject, question, trier, log).run()
    assert result.found is not None
    assert result.found.key == "2"
    assert result.rate is not None
    assert result.rate.total == sum(int(point.key) >= 2 for point in trier.tried)
