# SPDX-License-Identifier: GPL-2.0-only
"""When what a mutant's guests show is the kernel's doing, and when the host's."""

from __future__ import annotations

import pytest

from lab.analysis.mutant_score import Fate, Seen, TestName
from lab.execution.mutant_trial import verdict

NAME: TestName = ("ext4-dax", "mlock", "mlock", "mlock.a")
HUNG = Seen(Fate.NOTICED, "mlock.a on ext4-dax: timeout", hung=NAME)
OURS = Seen(Fate.ERROR, "no QEMU")
FAILED = Seen(Fate.NOTICED, "mlock.a on ext4-dax: fail")
STILL = Seen(Fate.SURVIVED, "")


@pytest.mark.parametrize(
    ("tries", "patched", "fate"),
    [
        ((FAILED,), None, Fate.NOTICED),
        ((STILL,), None, Fate.SURVIVED),
        ((OURS, FAILED), None, Fate.NOTICED),
        ((OURS, STILL), None, Fate.SURVIVED),
        ((OURS, OURS), None, Fate.ERROR),
        ((HUNG, FAILED), None, Fate.NOTICED),
        # Twice, and the patched kernel does not: it is the mutant.
        ((HUNG, HUNG), STILL, Fate.NOTICED),
        # The host was as busy as that, or nobody can tell.
        ((HUNG, HUNG), HUNG, Fate.ERROR),
        ((HUNG, HUNG), FAILED, Fate.ERROR),
        ((HUNG, HUNG), OURS, Fate.ERROR),
        ((HUNG, STILL), None, Fate.ERROR),
        # Once is not twice, whatever kept the other try from saying anything.
        ((OURS, HUNG), None, Fate.ERROR),
        ((HUNG, OURS), None, Fate.ERROR),
    ],
)
def test_what_the_tries_come_to(tries: tuple[Seen, ...], patched: Seen | None, fate: Fate) -> None:
    asked: list[TestName] = []

    def tried(name: TestName) -> Seen:
        asked.append(name)
        assert patched is not None
        return patched

    assert verdict(iter(tries), tried).fate is fate
    assert asked == ([NAME] if patched else [])


def test_no_more_is_tried_than_it_takes() -> None:
    tries = iter((FAILED, OURS))
    verdict(tries, lambda _: STILL)
    assert next(tries) is OURS
