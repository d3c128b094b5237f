# SPDX-License-Identifier: GPL-2.0-only
"""Points tried by the real trier: kernels that build in a moment, guests that are played."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.bisect import trier as trier_module
from lab.bisect.ahead import Ahead
from lab.bisect.bisection import Bisection
from lab.bisect.log import Begun, Log
from lab.bisect.of_build import OfBoot, OfBuild
from lab.bisect.of_complaint import OfComplaint
from lab.bisect.of_test import OfTest
from lab.bisect.point import Point
from lab.bisect.question import Question
from lab.bisect.subjects.commits import Commits, open_commits
from lab.bisect.told import Seen, Sight, Trial
from lab.bisect.trier import Asked, GuestTrier
from lab.build import BuildJob, find_build
from lab.errors import InfrastructureError, UserError
from lab.execution.job import Job
from lab.model.records import now
from lab.model.status import Status
from lab.process.shelf import BUILDS
from lab.results import Store
from lab.session import Lab
from tests.bisect.made_repository import (
    Played,
    Repository,
    answers,
    git,
    make_project,
    play,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("programs_at_hand")]

FAIL = """
[[expect]]
tests = ["t"]
status = "fail"
reason = "known"
"""


class Bench:
    """A repository, a lab and guests that are played."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lab = make_project(tmp_path)
        self.repository = Repository.begin(tmp_path / "linux")
        self.first = git(self.repository.folder, "rev-parse", "HEAD")
        self.played = Played(lambda job: answers(self.lab, job))
        self.log = tmp_path / "log"
        play(monkeypatch, self.played)

    def opened(self, new: str = "main") -> Iterator[Commits]:
        with open_commits(self.lab, self.repository.folder, [self.first], new) as subject:
            yield subject

    def trier(self, subject: Commits, question: Question | None = None) -> GuestTrier:
        return GuestTrier(subject, question or OfTest("t"), Asked(suites=("populate",)), ["lab"])


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def _all(trier: GuestTrier, point: Point, times: int = 1) -> list[Trial]:
    with closing(trier.try_(point, times)) as trials:
        return list(trials)


def _sights(trials: list[Trial]) -> list[Sight]:
    return [trial.seen.sight for trial in trials]


def test_a_bug_is_found_and_proved(bench: Bench) -> None:
    for number in range(10):
        bench.repository.add("mm/mlock.c", f"int before_{number};")
    bug = bench.repository.put_bug_in()
    for number in range(10):
        bench.repository.add("fs/dax.c", f"int after_{number};")
    for subject in bench.opened():
        trier, question = bench.trier(subject), OfTest("t")
        begun = Begun(
            question.name, subject.name, ("good", "bad"), subject.old, subject.new, 0.99, now()
        )
        found = Bisection(subject, question, trier, Log.begin(bench.log, begun)).run()
        trier.close()
    assert found.found is not None
    assert found.found.key == bug
    assert found.proved
    assert [(shown.what, shown.holds) for shown in found.proof][-1][1] is True
    assert found.steps <= 5


def test_each_trial_is_a_recorded_run(bench: Bench) -> None:
    bug = bench.repository.put_bug_in()
    for subject in bench.opened():
        (trial,) = _all(bench.trier(subject), subject.new)
    assert trial.seen.sight is Sight.FAILS
    assert trial.build_s > 0
    with Store.open(bench.lab.database) as store:
        run = store.load(trial.run)
    assert run.finished is not None
    (job,) = run.jobs
    assert job.evidence.tree_identity == f"git:{bug}"
    assert job.variant == bug[:12]


def test_the_very_same_bytes_are_not_tested_twice(bench: Bench) -> None:
    one = bench.repository.add("mm/mlock.c", "int other;")
    docs = bench.repository.add("Documentation/a.rst", "Words.")
    code = bench.repository.add("fs/dax.c", "int more;")
    for subject in bench.opened():
        trier = bench.trier(subject)
        points = [subject.order.point(key) for key in (one, docs, code)]
        first, second, third = (_all(trier, point) for point in points)
        assert second[0].run == first[0].run
        assert second[0].test_s == 0.0
        assert third[0].run != first[0].run
        assert len(bench.played.began) == 2
        # What is asked again is to be proved.
        again = _all(trier, points[1])
        assert again[0].run not in ("", first[0].run)


def test_what_does_not_build_says_nothing(bench: Bench) -> None:
    bench.repository.add("mm/gup.c", "#error not now")
    for subject in bench.opened():
        (trial,) = _all(bench.trier(subject), subject.new)
        assert trial.seen.sight is Sight.UNTESTABLE
        assert "not now" in trial.seen.why
        assert trial.run == ""
        (trial,) = _all(bench.trier(subject, OfBuild()), subject.new)
        assert trial.seen.sight is Sight.FAILS
        (trial,) = _all(bench.trier(subject, OfBuild()), subject.old[0])
        assert trial.seen.sight is Sight.PASSES
    assert bench.played.began == []


def test_a_disk_that_is_full_is_ours(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.repository.put_bug_in()

    def full(*_: object, **__: object) -> None:
        raise InfrastructureError("no space left on device")

    for subject in bench.opened():
        for name in ("_built", "_digest"):
            with monkeypatch.context() as patched:
                patched.setattr(trier_module, name, full)
                (trial,) = _all(bench.trier(subject), subject.new)
            assert trial.seen.sight is Sight.OURS
        for question in (OfTest("t"), OfBuild()):
            with monkeypatch.context() as patched:
                patched.setattr(trier_module, "_built", full)
                (trial,) = _all(bench.trier(subject, question), subject.new)
            assert trial.seen.sight is Sight.OURS
        with monkeypatch.context() as patched:
            patched.setattr("lab.execution.run.Runner.run", full)
            (trial,) = _all(bench.trier(subject), subject.new)
        assert trial.seen.sight is Sight.OURS
        # Nothing of it is taken for what the point shows.
        (trial,) = _all(bench.trier(subject), subject.new)
        assert trial.seen.sight is Sight.FAILS


@pytest.mark.parametrize(
    ("question", "count"), [(OfBoot(), 1), (OfTest("t"), 4)], ids=["boot", "test"]
)
def test_a_boot_runs_one_suite_on_one_filesystem(
    bench: Bench, question: Question, count: int
) -> None:
    toml = bench.lab.loaded.root / "lab.toml"
    more = '[filesystems.other]\ntype = "ext4"\n[suites.mlock]\nprograms = ["mlock"]\n'
    toml.write_text(f"{toml.read_text()}\n{more}")
    bench.lab = Lab.open(toml.parent)
    bench.repository.add("mm/mlock.c", "int other;")
    asked = Asked(("ext4-dax", "other"), ("populate", "mlock"))
    for subject in bench.opened():
        (trial,) = _all(GuestTrier(subject, question, asked, ["lab"]), subject.new)
    with Store.open(bench.lab.database) as store:
        planned = store.load(trial.run).planned
    assert planned is not None
    assert [len(job.places) for job in planned.jobs] == [count]


def test_a_machine_and_a_config_of_one_name_are_two_questions() -> None:
    numa = [Asked(filesystems=("numa",)), Asked(suites=("numa",))]
    numa += [Asked(machine="numa"), Asked(config="numa")]
    assert len({asked.named for asked in numa}) == 4
    assert Asked().named == ()


def test_another_test_of_the_same_name_is_another_question(bench: Bench) -> None:
    """Else the trials of one and of the other would come to one answer."""
    bench.repository.put_bug_in()
    folder = bench.lab.loaded.root
    toml, tests = folder / "lab.toml", folder / "guest-tests"
    ours = tests.resolve()
    tests.unlink()
    shutil.copytree(ours, tests)
    edits: list[Callable[[], object]] = [
        partial(_edit, tests / "populate.c", "", "/* other */"),
        partial(_edit, toml, 'type = "ext4"', 'type = "ext4"\nmkfs = ["-b", "4096"]'),
        partial(_edit, toml, 'programs = ["populate"]', 'programs = ["populate", "mlock"]'),
        partial(_edit, toml, "", '[machines.default]\nmemory = "2G"'),
    ]
    digests = [_tested_with(bench)]
    for edit in edits:
        edit()
        digests.append(_tested_with(bench))
    assert len({*digests, ""}) == len(edits) + 2
    # What nothing of it is run with, or is only words, makes no difference.
    _edit(toml, 'programs = ["populate"', 'description = "words"\nprograms = ["populate"')
    _edit(toml, "", '[filesystems.other]\ntype = "xfs"\nby_name = true')
    _edit(tests / "witness.c", "", "/* other */")
    assert _tested_with(bench) == digests[-1]
    assert _tested_with(bench, OfBuild()) == ""


def _edit(path: Path, old: str, new: str) -> None:
    """Another text in place of one, or more of it at the end."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new) if old else f"{text}\n{new}\n")


def _tested_with(bench: Bench, question: Question | None = None) -> str:
    bench.lab = Lab.open(bench.lab.loaded.root)
    (digest,) = [bench.trier(subject, question).tested_with() for subject in bench.opened()]
    return digest


def test_what_is_expected_of_a_kernel_changes_nothing(bench: Bench) -> None:
    toml = bench.lab.loaded.root / "lab.toml"
    toml.write_text(toml.read_text().replace("[paths]", f"{FAIL}\n[paths]"))
    bench.lab = Lab.open(bench.lab.loaded.root)
    bench.repository.put_bug_in()
    for subject in bench.opened():
        (trial,) = _all(bench.trier(subject), subject.new)
        (good,) = _all(bench.trier(subject), subject.old[0])
    assert (trial.seen.sight, good.seen.sight) == (Sight.FAILS, Sight.PASSES)


def test_repetitions_end_with_who_asks(bench: Bench) -> None:
    left = iter(range(100))
    bench.played.says = lambda job: _flaky(next(left))
    bench.repository.put_bug_in()
    for subject in bench.opened():
        trier = bench.trier(subject)
        trials = []
        with closing(trier.try_(subject.new, 21)) as asked:
            for trial in asked:
                trials.append(trial)
                if trial.seen.sight is Sight.FAILS:
                    break
        assert _sights(trials) == [Sight.PASSES] * 6 + [Sight.FAILS]
        # Of the runs' repetitions no third one began.
        assert len(bench.played.began) == 2
        assert next(left) == 12
        bench.played.says = lambda job: (Status.PASS, "")
        assert _sights(_all(trier, subject.new, 21)) == [Sight.PASSES] * 21


@pytest.mark.parametrize("question", [OfBoot(), OfComplaint("WARNING in foo")], ids=str)
def test_what_is_known_of_a_run_as_a_whole_has_one_repetition_a_trial(
    bench: Bench, question: Question
) -> None:
    """Else one trial would be of four repetitions, and the next of one: they have no rate."""
    repeated: list[int] = []

    def says(job: Job) -> tuple[Status, str]:
        repeated.append(job.repeat)
        return Status.PASS, ""

    bench.played.says = says
    bench.repository.add("mm/mlock.c", "int other;")
    for subject in bench.opened():
        assert len(_all(bench.trier(subject, question), subject.old[0], 6)) == 6
    assert repeated == [1] * 6


def _flaky(number: int) -> tuple[Status, str]:
    return (Status.FAIL, "gup: ENOMEM") if number == 6 else (Status.PASS, "")


def test_the_next_is_built_while_a_guest_runs(bench: Bench) -> None:
    one = bench.repository.add("mm/mlock.c", "int one;")
    bad = bench.repository.add("mm/mlock.c", "#error not now")
    two = bench.repository.change("mm/mlock.c", "#error not now", "int two;", "mended")
    for subject in bench.opened():
        trier = bench.trier(subject)
        setups = {key: subject.setup(subject.order.point(key)) for key in (bad, two)}
        job = setups[two].builder.build_job(setups[two].variant, "default")
        is_built = partial(_is_built, job)
        bench.played.meanwhile = partial(_until, is_built)
        trier.prepare([subject.order.point(bad), subject.order.point(two)])
        assert not (BUILDS.place(bench.lab.cache, job.key)).exists()
        (trial,) = _all(trier, subject.order.point(one))
        assert trial.seen.sight is Sight.PASSES
        bench.played.meanwhile = lambda: None
        trier.prepare([])
        # That it did not build then is no reason: it is built anew, and says so itself.
        (failed,) = _all(trier, subject.order.point(bad))
        assert failed.seen.sight is Sight.UNTESTABLE
        (trial,) = _all(trier, subject.order.point(two))
        assert trial.seen.sight is Sight.PASSES
        trier.close()


def test_what_failed_ahead_is_built_again_in_earnest(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = bench.repository.add("mm/mlock.c", "int one;")
    two = bench.repository.add("mm/mlock.c", "int two;")
    real, failed = trier_module._built, threading.Event()

    def ahead_fails(builder: object, *rest: object) -> object:
        if getattr(builder, "nice", 0):
            failed.set()
            raise InfrastructureError("no space left on device")
        return real(builder, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(trier_module, "_built", ahead_fails)
    bench.played.meanwhile = lambda: _until(failed.is_set)
    for subject in bench.opened():
        trier = bench.trier(subject)
        trier.prepare([subject.order.point(two)])
        assert _sights(_all(trier, subject.order.point(one))) == [Sight.PASSES]
        bench.played.meanwhile = lambda: None
        assert _sights(_all(trier, subject.order.point(two))) == [Sight.PASSES]
        trier.close()


def test_nothing_is_built_while_something_is_measured(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = bench.repository.add("mm/mlock.c", "int one;")
    two = bench.repository.add("mm/mlock.c", "int two;")
    began: list[object] = []
    monkeypatch.setattr(Ahead, "begin", lambda _, points: began.append(points))
    for subject in bench.opened():
        for trials, times in ((5, 0), (0, 1)):
            question = OfTest("t")
            object.__setattr__(question, "trials", trials)
            trier = bench.trier(subject, question)
            trier.prepare([subject.order.point(two)])
            assert _sights(_all(trier, subject.order.point(one))) == [Sight.PASSES]
            assert len(began) == times


def _is_built(job: BuildJob) -> bool:
    return find_build(job) is not None


def _until(is_so: object) -> None:
    assert callable(is_so)
    for _ in range(3000):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come to that")


class Slow:
    """Builds that end when they are told to."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.ended: list[tuple[str, bool]] = []
        self.go_on = threading.Event()

    def make(self, point: Point, stopped: object) -> None:
        assert callable(stopped)
        self.began.append(point.key)
        _until(lambda: stopped() or self.go_on.is_set())
        self.ended.append((point.key, stopped()))


POINTS = [Point("1", "1"), Point("2", "2"), Point("3", "3")]


@pytest.mark.parametrize("last", [Sight.OURS, Sight.UNTESTABLE])
def test_nothing_is_run_again_after_what_says_nothing(
    monkeypatch: pytest.MonkeyPatch, last: Sight
) -> None:
    sights = (Sight.PASSES, Sight.PASSES, Sight.PASSES, last)
    trials = [Trial(Seen(sight), "run") for sight in sights]
    monkeypatch.setattr(GuestTrier, "_run", lambda *_: trials)
    assert list(_alone()._run_all(cast(Any, None), 20)) == trials


def test_our_trouble_is_not_what_the_same_bytes_show(monkeypatch: pytest.MonkeyPatch) -> None:
    trier = _alone()
    ours, passes = Trial(Seen(Sight.OURS), "1", 0.0, 2.0), Trial(Seen(Sight.PASSES), "2", 0.0, 2.0)
    assert _of_same_bytes(monkeypatch, trier, "a", [ours]) == [ours]
    assert _of_same_bytes(monkeypatch, trier, "b", [passes, passes]) == [passes, passes]
    # What was tried is not tried again, has no seconds again, and is no more than was asked for.
    assert _of_same_bytes(monkeypatch, trier, "c", []) == [replace(passes, test_s=0.0)]


def _alone() -> GuestTrier:
    """One that knows of no kernel."""
    return GuestTrier(cast(Any, None), OfTest("t"), Asked(), ["lab"])


def _of_same_bytes(
    monkeypatch: pytest.MonkeyPatch, trier: GuestTrier, key: str, runs: list[Trial]
) -> list[Trial]:
    """What is said of a point; guests, where any run, show this."""
    monkeypatch.setattr(trier_module, "_digest", lambda *_: "the same")
    monkeypatch.setattr(GuestTrier, "_run_all", lambda *_: iter(runs))
    setup = cast(Any, SimpleNamespace(builder=None))
    nothing = cast(Any, None)
    return list(trier._tried(Point(key, key), setup, nothing, nothing, len(runs) or 1))


def test_a_kernel_with_other_programs_is_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bzImage").write_bytes(b"a kernel")
    built = cast(Any, SimpleNamespace(image=tmp_path / "bzImage"))

    def digest(programs: str) -> str:
        made = SimpleNamespace(digests=lambda: {"mmap": programs})
        preparer = SimpleNamespace(programs=lambda *_: made)
        monkeypatch.setattr(trier_module, "Preparer", lambda _: preparer)
        return trier_module._digest(cast(Any, None), cast(Any, SimpleNamespace(suites=())), built)

    before = digest("one")
    assert before == digest("one") != digest("other")
    (tmp_path / "bzImage").write_bytes(b"another")
    assert digest("one") != before


def test_what_is_wanted_is_waited_for() -> None:
    slow = Slow()
    ahead = Ahead(slow.make)
    ahead.begin(POINTS)
    _until(lambda: slow.began == ["1"])
    threading.Timer(0.05, slow.go_on.set).start()
    ahead.give_way(POINTS[0])
    assert slow.ended == [("1", False)]
    assert slow.began == ["1"]


def test_what_is_not_wanted_is_stopped() -> None:
    slow = Slow()
    ahead = Ahead(slow.make)
    ahead.begin(POINTS)
    _until(lambda: slow.began == ["1"])
    ahead.give_way(POINTS[1])
    assert slow.ended == [("1", True)]
    ahead.begin(POINTS[2:])
    _until(lambda: slow.began == ["1", "3"])
    ahead.end()
    assert slow.ended[1:] == [("3", True)]


def test_what_takes_its_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.bisect.ahead._PATIENCE_S", 0.05)
    monkeypatch.setattr("lab.bisect.ahead._LOOK_S", 0.01)
    monkeypatch.setattr("lab.bisect.ahead.is_contended", lambda: True)
    slow = Slow()
    ahead = Ahead(slow.make)
    ahead.begin(POINTS)
    _until(lambda: slow.began == ["1"])
    ahead.give_way(POINTS[0])
    assert slow.ended == [("1", True)]


def test_what_nobody_competes_with_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Now and then something else wants to run, for a moment."""
    looks = iter([True, True, False, True, True, False])
    slow = Slow()

    def is_contended() -> bool:
        found = next(looks, None)
        if found is None:
            slow.go_on.set()
        return bool(found)

    monkeypatch.setattr("lab.bisect.ahead._PATIENCE_S", 0.05)
    monkeypatch.setattr("lab.bisect.ahead._LOOK_S", 0.01)
    monkeypatch.setattr("lab.bisect.ahead.is_contended", is_contended)
    ahead = Ahead(slow.make)
    ahead.begin(POINTS)
    _until(lambda: slow.began == ["1"])
    ahead.give_way(POINTS[0])
    assert slow.ended == [("1", False)]


def test_what_is_waited_for_is_stopped_by_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("lab.bisect.ahead._PATIENCE_S", 0.05)
    monkeypatch.setattr("lab.bisect.ahead.is_contended", interrupted)
    slow = Slow()
    ahead = Ahead(slow.make)
    ahead.begin(POINTS)
    _until(lambda: slow.began == ["1"])
    with pytest.raises(KeyboardInterrupt):
        ahead.give_way(POINTS[0])
    assert slow.ended == [("1", True)]


def test_one_that_fails_does_not_keep_the_next_from_it() -> None:
    done: list[str] = []

    def make(point: Point, _: object) -> None:
        done.append(point.key)
        raise ValueError(point.key)

    ahead = Ahead(make)
    ahead.begin(POINTS)
    _until(lambda: len(done) == 3)
    ahead.end()


def test_a_name_that_no_test_has_is_refused_before_anything_is_built(bench: Bench) -> None:
    """It booted the bad end, and said that this cannot be tested."""
    bench.repository.add("mm/mlock.c", "int one;")
    for subject in bench.opened():
        question = OfTest("populat.*")
        trier = GuestTrier(subject, question, Asked(suites=("populate",)), ["lab"])
        with pytest.raises(UserError, match=r"no test has a name like 'populat\.\*'"):
            trier.refuse_pattern()
        assert not list(BUILDS.place(bench.lab.cache).glob("*/bzImage"))
        known = GuestTrier(subject, OfTest("populate.*"), Asked(suites=("populate",)), ["lab"])
        known.refuse_pattern()


def test_what_comes_next_is_begun_while_a_kernel_is_linked(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = bench.repository.add("mm/mlock.c", "int one;")
    two = bench.repository.add("mm/mlock.c", "int two;")
    happened: list[str] = []
    for subject in bench.opened():
        trier = bench.trier(subject)
        points = [subject.order.point(key) for key in (one, two)]
        _all(trier, points[0])
        # The other workbench is there, too.
        trier._build_ahead(subject.order.point(bench.first), lambda: False)
        monkeypatch.setattr(trier._builds, "begin", lambda _: happened.append("ahead"))
        bench.played.meanwhile = lambda: happened.append("guest")
        trier.prepare(points[:1])
        _all(trier, points[1])
        assert happened[:2] == ["ahead", "ahead"]
        assert happened[2] == "guest"
        assert trier._free == 2
        trier.close()


def test_all_is_brought_before_any_is_built() -> None:
    done: list[str] = []
    ahead = Ahead(
        lambda point, _: done.append(f"built {point.key}"),
        lambda point: done.append(f"brought {point.key}"),
    )
    ahead.begin(POINTS)
    _until(lambda: len(done) == 6)
    ahead.end()
    assert done[:4] == ["brought 1", "brought 2", "brought 3", "built 1"]


def test_what_is_under_way_is_not_begun_anew() -> None:
    slow = Slow()
    ahead = Ahead(slow.make)
    ahead.begin(POINTS)
    _until(lambda: slow.began == ["1"])
    ahead.begin(list(POINTS))
    ahead.end()
    assert slow.began == ["1"]


def test_builds_ahead_are_nice(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    niced = bench.repository.folder.parent / "nice"
    makefile = bench.repository.folder / "Makefile"
    text = makefile.read_text().replace(
        '@echo "  LD      vmlinux"', f"@nice >> {niced}; echo '  LD      vmlinux'"
    )
    makefile.write_text(text)
    one = bench.repository.commit("tells its niceness")
    toml = bench.lab.loaded.root / "lab.toml"
    toml.write_text(f'{toml.read_text()}\n[build]\nsandbox = "none"\n')
    bench.lab = Lab.open(bench.lab.loaded.root)
    for subject in bench.opened():
        trier = bench.trier(subject)
        trier._build_ahead(subject.order.point(one), lambda: False)
    assert niced.read_text().split() == [str(min(19, os.nice(0) + 19))]
