# SPDX-License-Identifier: GPL-2.0-only
"""Nights that bisect: a git kernel that builds in a moment, guests that are played."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from lab.bisect.folder import Bisections
from lab.bisect.log import Log, Tried
from lab.errors import ExitStatus
from lab.execution.job import Job
from lab.model.status import Status
from lab.nightly import bisecting
from lab.nightly.bisected import Ending
from lab.nightly.budget import Budget
from lab.nightly.channel import has_news
from lab.nightly.message import document_of, subject_of, text_of
from lab.nightly.night import Night, nightly
from lab.nightly.state import Memory
from lab.process.interrupt import Interrupted
from lab.session import Lab
from tests.bisect.made_repository import Played, Repository, answers, git, make_project, play

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("programs_at_hand")]

COMMAND = ("lab", "nightly")
#: Less than any step takes: each night tries one point once.
NO_TIME = "bisect_budget = 0.001"
LOCAL = """
[kernels.next]
kind = "git"
url = {url}
ref = "main"

[matrix.default]
variants = ["next"]

[nightly]
reruns = 1
{nightly}
"""


def tell_nobody(
    night: Night, unsent: Sequence[Mapping[str, Any]]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Mapping[str, Any], ...]]:
    return (), (), ()


class Nights:
    """A repository, a lab that tests its branch each night, and guests that are played."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = make_project(tmp_path).loaded.root
        self.repository = Repository.begin(tmp_path / "linux")
        self.monkeypatch = monkeypatch
        self.asked("bisect = true")
        self.played = Played(lambda job: answers(self.lab, job))
        play(monkeypatch, self.played)

    def asked(self, nightly: str, url: str = "") -> None:
        """What ``[nightly]`` says from now on."""
        where = json.dumps(url or str(self.repository.folder))
        (self.folder / "lab.local.toml").write_text(LOCAL.format(url=where, nightly=nightly))

    @property
    def lab(self) -> Lab:
        return Lab.open(self.folder)

    def night(self) -> Night:
        self.played.began.clear()
        return nightly(self.lab, COMMAND, tell_nobody)

    @property
    def memory(self) -> Memory:
        return Memory.load(self.lab.results / "nightly" / "memory.json")

    def day(self, before: int = 3, after: int = 3) -> str:
        """Commits of a day, one of them with the bug; gives that one."""
        for number in range(before):
            self.repository.add("mm/mlock.c", f"int before_{number};")
        bug = self.repository.put_bug_in()
        for number in range(after):
            self.repository.add("fs/dax.c", f"int after_{number};")
        return bug

    def head(self) -> str:
        return git(self.repository.folder, "rev-parse", "HEAD")

    def logs(self) -> list[Log]:
        bisections = Bisections(self.lab.results)
        return [Log.read(bisections.log(name)) for name in bisections.names()]


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    made = Nights(tmp_path, monkeypatch)
    assert made.night().status is ExitStatus.EXPECTED
    return made


def test_what_got_worse_is_bisected_and_told(nights: Nights) -> None:
    old, bug = nights.head(), nights.day()
    night = nights.night()
    (found,) = night.bisected
    assert (found.ending, found.proved) == (Ending.FOUND, True)
    assert (found.what.old, found.what.new) == (old, nights.head())
    assert found.culprit is not None
    assert (found.culprit.commit, found.culprit.author) == (bug, "t")
    text = text_of(night)
    assert "BISECTED (1)" in text
    assert f'{bug[:12]} ("mm/gup: a bug") is the first bad commit' in text
    assert "by t\n" in text
    assert found.probability is not None
    assert found.probability > 0.99
    assert f"probability {found.probability:.1%}" in text
    assert text.index("REGRESSED (1)") < text.index("BISECTED (1)")
    assert f"bisected to {bug[:12]}" in subject_of(night)
    document = document_of(night)
    (row,) = document["bisected"]
    assert row["commit"] == {"commit": bug, "subject": "mm/gup: a bug", "author": "t"}
    assert (row["ending"], row["proved"], row["goes_on"]) == ("found", True, False)
    # Who wrote it is told of, and never written to.
    assert "t@example.org" not in text + json.dumps(document)
    assert night.status is ExitStatus.UNEXPECTED
    assert not night.troubles


def test_that_kernels_are_made_on_this_host_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As lab bisect does: whoever has a cluster would look for their builds there."""
    folder = make_project(tmp_path).loaded.root
    (folder / "lab.local.toml").write_text('[executor]\nkind = "dask"\n')
    lab, said = Lab.open(folder), list[str]()
    monkeypatch.setattr(lab.listener, "say", said.append)
    monkeypatch.setattr(bisecting, "_bisected", lambda *_: None)
    bisecting.bisect_all(lab, (), Budget(1.0), COMMAND)
    assert not said
    bisecting.bisect_all(lab, (Mock(), Mock()), Budget(1.0), COMMAND)
    assert len(said) == 1
    assert said[0].startswith("bisecting: kernels are made on this host")


def test_the_state_has_what_was_found_and_the_next_night_does_not_tell_it(nights: Nights) -> None:
    bug = nights.day()
    nights.night()
    assert nights.memory.bisecting == ()
    (row,) = nights.memory.bisected
    assert row["commit"]["commit"] == bug
    night = nights.night()
    assert night.bisected == ()
    assert not has_news(night)
    assert len(nights.logs()) == 1


def test_the_nights_report_has_its_page(nights: Nights) -> None:
    bug = nights.day()
    night = nights.night()
    (found,) = night.bisected
    assert night.report is not None
    page = night.report.parent / "bisections" / f"{found.bisection}.html"
    assert f"{bug[:12]} is the first bad one" in page.read_text()
    assert f"bisections/{found.bisection}.html" in night.report.read_text()
    assert list((night.report.parent / "runs").iterdir())


def test_nothing_is_bisected_unless_asked_for(nights: Nights) -> None:
    nights.asked("")
    nights.day()
    night = nights.night()
    assert (night.bisected, night.status) == ((), ExitStatus.UNEXPECTED)
    assert nights.logs() == []
    assert "BISECTED" not in text_of(night)


def test_a_kernel_that_did_not_move_is_not_bisected(nights: Nights) -> None:
    nights.played.says = lambda _: (Status.FAIL, "gup: ENOMEM")
    night = nights.night()
    assert (night.bisected, night.status) == ((), ExitStatus.UNEXPECTED)


def test_a_budget_that_ends_goes_on_the_next_night(nights: Nights) -> None:
    nights.asked(f"bisect = true\n{NO_TIME}")
    bug = nights.day()
    night = nights.night()
    (cut,) = night.bisected
    assert (cut.ending, cut.goes_on, cut.culprit) == (Ending.BUDGET_ENDED, True, None)
    assert "the budget of 0.001 s has ended; the next night goes on with it" in text_of(night)
    assert night.status is ExitStatus.UNEXPECTED
    (pending,) = nights.memory.bisecting
    assert pending == cut.what
    found, news = _until_found(nights)
    assert found.bisected[0].culprit is not None
    assert found.bisected[0].culprit.commit == bug
    assert "bisected to" in subject_of(found)
    # It is told when it is begun, and when it is found: what is between is no news.
    assert set(news) <= {False}
    assert has_news(found)
    assert found.status is ExitStatus.UNEXPECTED
    assert nights.memory.bisecting == ()
    (log,) = nights.logs()
    # Nothing was tried twice for having been cut short.
    tried = [line for line in log.lines if isinstance(line, Tried)]
    assert len(tried) < 25


def _until_found(nights: Nights) -> tuple[Night, list[bool]]:
    """The night in which it was found, and whether those before had any news."""
    news: list[bool] = []
    for _ in range(40):
        night = nights.night()
        if night.bisected[0].culprit is not None:
            return night, news
        assert night.bisected[0].ending is Ending.BUDGET_ENDED
        news.append(has_news(night))
    raise AssertionError("40 nights, and nothing found")


def test_with_some_steps_done_the_range_is_told(nights: Nights) -> None:
    nights.asked(f"bisect = true\n{NO_TIME}")
    nights.day(before=7, after=7)
    for _ in range(12):
        night = nights.night()
        (cut,) = night.bisected
        if cut.left_count is not None and cut.left_count < 15:
            break
    assert cut.ending is Ending.BUDGET_ENDED
    text = text_of(night)
    assert f"{cut.left_count} commits left after step" in text
    assert "good: " in text
    assert document_of(night)["bisected"][0]["left_count"] == cut.left_count


def test_one_that_breaks_costs_the_night_nothing(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.asked("")
    nights.day()
    plain = nights.night()
    nights.repository.change("mm/gup.c", "return 1;", "return 0;", "mended")
    nights.night()
    nights.asked("bisect = true")
    nights.repository.put_bug_in()

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("no bisection")

    monkeypatch.setattr("lab.nightly.bisecting.open_commits", broken)
    night = nights.night()
    (failed,) = night.bisected
    assert failed.ending is Ending.FAILED
    assert "ZeroDivisionError: no bisection" in " ".join(text_of(night).split())
    assert (night.status, night.troubles) == (plain.status, plain.troubles)
    assert [found.kind for found in night.judgement.findings] == [
        found.kind for found in plain.judgement.findings
    ]
    assert nights.memory.baseline == night.run.id
    # It is tried again, and given up when it fails each night; a good night stays a good one.
    endings = []
    nights.repository.change("mm/gup.c", "return 1;", "return 0;", "mended again")
    while nights.memory.bisecting:
        night = nights.night()
        endings.append((night.status, night.bisected[0].is_news))
    assert endings == [
        *[(ExitStatus.EXPECTED, False)] * 3,
        (ExitStatus.EXPECTED, True),
    ]


def test_the_machines_trouble_is_tried_again(nights: Nights) -> None:
    bug = nights.day()
    says = nights.played.says

    def trouble(job: Job) -> tuple[Status, str]:
        bisected = not str(job.variant).startswith("next")
        return (Status.ERROR, "no space left on device") if bisected else says(job)

    nights.played.says = trouble
    night = nights.night()
    (failed,) = night.bisected
    assert (failed.ending, failed.goes_on, failed.what.failures) == (Ending.FAILED, True, 1)
    assert "no space left on device" in text_of(night)
    assert night.status is ExitStatus.UNEXPECTED
    nights.played.says = says
    (found,) = nights.night().bisected
    assert found.culprit is not None
    assert (found.culprit.commit, found.what.failures) == (bug, 0)


def test_ends_that_do_not_differ_are_told_once(nights: Nights) -> None:
    """It failed tonight, and no commit of the day does by itself."""
    nights.repository.add("fs/dax.c", "int harmless;")
    nights.played.says = lambda job: (
        (Status.FAIL, "gup: ENOMEM") if str(job.variant) == "next" else (Status.PASS, "")
    )
    night = nights.night()
    (refused,) = night.bisected
    assert (refused.ending, refused.goes_on, refused.is_news) == (Ending.REFUSED, False, True)
    assert "the bad end" in text_of(night)
    assert "1 bisection without a commit" in subject_of(night)
    assert nights.night().bisected == ()


def test_commits_that_cannot_be_told_apart_are_all_named(nights: Nights) -> None:
    nights.repository.change("mm/gup.c", "int", "broken", "mm/gup: does not build")
    bug = nights.repository.put_bug_in()
    nights.repository.change("mm/gup.c", "broken", "int", "mm/gup: builds again")
    night = nights.night()
    (found,) = night.bisected
    assert found.ending is Ending.UNDECIDED
    assert found.culprit is None
    assert bug in [one.commit for one in found.left]
    assert "the first bad commit is one of these" in text_of(night)
    assert found.left_count == len(document_of(night)["bisected"][0]["left"]) == 3


def test_history_that_is_elsewhere_is_told(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.nightly.bisecting.repository_here", lambda *_: None)
    nights.night()
    nights.day()
    night = nights.night()
    (failed,) = night.bisected
    assert (failed.ending, failed.goes_on) == (Ending.FAILED, False)
    assert "the history of its commits is not on this machine" in text_of(night)
    assert "a clone of it" in text_of(night)
    assert night.status is ExitStatus.UNEXPECTED
    assert nights.memory.bisecting == ()


@pytest.mark.parametrize("guest", [3, 6])
def test_a_night_that_is_killed_while_it_bisects_goes_on(nights: Nights, guest: int) -> None:
    bug = nights.day()

    def kill() -> None:
        if len(nights.played.began) == guest:
            raise KeyboardInterrupt

    nights.played.meanwhile = kill
    with pytest.raises((KeyboardInterrupt, Interrupted)):
        nights.night()
    nights.played.meanwhile = lambda: None
    night = nights.night()
    (found,) = night.bisected
    assert found.culprit is not None
    assert found.culprit.commit == bug
    assert len(nights.logs()) == 1
    # The night itself is not repeated: what got worse in it is, once, as each night.
    assert nights.played.began.count("next") == 1


def test_what_is_asked_for_no_more_is_forgotten(nights: Nights) -> None:
    nights.asked(f"bisect = true\n{NO_TIME}")
    nights.day()
    nights.night()
    assert nights.memory.bisecting
    nights.asked("")
    assert nights.night().bisected == ()
    assert nights.memory.bisecting == ()
