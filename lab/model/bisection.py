# SPDX-License-Identifier: GPL-2.0-only
"""A bisection as it is shown: what was asked, what each point said, what it came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BisectionState(StrEnum):
    """How far one is."""

    GOES_ON = "goes on"
    #: Nobody is at work on it, and it is not decided: the command that began it goes on.
    INTERRUPTED = "interrupted"
    #: Its ends are none.
    REFUSED = "refused"
    FOUND = "found"
    #: It is one of several, which nothing can tell apart.
    UNDECIDED = "not told apart"
    #: Its log cannot be read.
    DAMAGED = "damaged"


class StepSide(StrEnum):
    """Where a point is, as far as its step said."""

    OLD = "old"
    NEW = "new"
    SKIPPED = "skipped"
    OPEN = "open"


@dataclass(frozen=True)
class PointName:
    """A commit, a number of patches, a set of options: its name and its title, "" for none."""

    name: str
    title: str = ""


@dataclass(frozen=True)
class TrialSaid:
    """What trials in a row said alike.

    Args:
        run: The run that recorded them; "" for none.
    """

    said: str
    count: int
    run: str


@dataclass(frozen=True)
class BisectionStep:
    """A point that was tried.

    Args:
        purpose: What for: ``step``, ``proof: it fails``.
        word: The side as the user calls it; "" while it is open.
        said: What the trials came to.
    """

    number: int
    purpose: str
    point: PointName
    side: StepSide
    word: str
    said: str
    trials: tuple[TrialSaid, ...]
    build_s: float
    test_s: float


def made(parts: int, word: str) -> str:
    """What so many parts of a set did, as a verb: ``makes it bad``.

    Args:
        word: What their side is called; new is none that something is made.
    """
    verb = "makes" if parts == 1 else "make"
    return f"{verb} the difference" if word == "new" else f"{verb} it {word}"


@dataclass(frozen=True)
class BisectionRecord:
    """A bisection, as far as it is.

    Args:
        question, subject: What was asked, of what.
        words: What the sides are called, the old one first.
        found: The change; None where it is not known.
        of_parts: Of a set, how many parts that has; 0 for one of points in an order.
        proof: What was shown of it, a line each.
        sure: How sure it is, in words; "" where that is not counted.
        undecided: The points of which one is the change.
        trouble: Why the ends are none, or the log is not readable.
    """

    id: str
    state: BisectionState
    question: str = ""
    subject: str = ""
    words: tuple[str, str] = ("good", "bad")
    old: tuple[PointName, ...] = ()
    new: PointName = PointName("")
    confidence: float = 0.0
    began: str = ""
    command: tuple[str, ...] = ()
    steps: tuple[BisectionStep, ...] = ()
    found: PointName | None = None
    of_parts: int = 0
    proved: bool = False
    proof: tuple[str, ...] = ()
    sure: str = ""
    undecided: tuple[PointName, ...] = ()
    skipped: tuple[tuple[PointName, str], ...] = ()
    trouble: str = ""

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that recorded its steps, each once."""
        named = (trial.run for step in self.steps for trial in step.trials)
        return tuple(dict.fromkeys(filter(None, named)))

    @property
    def headline(self) -> str:
        """What it came to, in a sentence."""
        if self.found is not None:
            word = self.words[1]
            what = made(self.of_parts, word) if self.of_parts else f"is the first {word} one"
            proved = "" if self.proved else ", not proved"
            return f"{self.found.name} {what}{proved}"
        return {
            BisectionState.UNDECIDED: f"One of {len(self.undecided)}, which cannot be told apart",
            BisectionState.REFUSED: "Refused: the ends are not as was said",
            BisectionState.GOES_ON: f"Goes on: step {len(self.steps)}",
            BisectionState.INTERRUPTED: f"Interrupted after step {len(self.steps)}",
            BisectionState.DAMAGED: "Its log cannot be read",
        }.get(self.state, self.state.value)
