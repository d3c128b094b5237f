# SPDX-License-Identifier: GPL-2.0-only
"""Which regressions of a night have a commit that brought them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import replace

from lab.model.records import RunRecord
from lab.model.status import Status
from lab.model.tree_identity import TreeIdentity
from lab.nightly.baseline import Before
from lab.nightly.judgement import Finding, Judgement, Kind
from lab.nightly.worse import GotWorse
from lab.report.cause import cause_in, said_cause

_GIT = "git"
#: Where a function is in the source: another line in each commit.
_PLACE = re.compile(r" \([^()]*:\d+\)$")


def wanted(pending: Sequence[GotWorse], found: Sequence[GotWorse]) -> tuple[GotWorse, ...]:
    """What is to be bisected: what nights before have not come to the end of goes first."""
    known = {one.same for one in pending}
    return (*pending, *(one for one in found if one.same not in known))


def got_worse(before: Before, judgement: Judgement, tonight: RunRecord) -> tuple[GotWorse, ...]:
    """The regressions of a night whose kernels are other commits than before, each cause once."""
    alike: dict[Hashable, list[GotWorse]] = {}
    trees = {job.names: job.evidence.tree_identity for job in tonight.jobs}
    for found in judgement.of(Kind.REGRESSED):
        one = _between(found, before, trees.get(found.key.job, ""))
        if one is not None:
            alike.setdefault(_cause(found, one), []).append(one)
    return tuple(_first(same) for same in alike.values())


def _between(found: Finding, before: Before, tree: str) -> GotWorse | None:
    old, new = TreeIdentity(before.tree(found.key)), TreeIdentity(tree)
    if {old.kind, new.kind} != {_GIT} or old == new:
        return None
    return GotWorse(found.key, old.digest, new.digest, _complaint(found))


def _complaint(found: Finding) -> str:
    """What the kernel died of; else the test is asked for its result."""
    if found.key.is_complaint:
        return found.key.test
    bad = (one for one in found.after if one.status is Status.CRASH and one.complaint)
    return next((_PLACE.sub("", one.complaint) for one in bad), "")


def _cause(found: Finding, one: GotWorse) -> Hashable:
    bad = next((result for result in found.after if not result.as_expected), None)
    said = said_cause(bad) if bad else ""
    why = cause_in(found.why, found.key.test)
    return one.variant.kernel, found.key.job[1:], one.old, one.new, one.complaint, said, why


def _first(same: Sequence[GotWorse]) -> GotWorse:
    """The one with the fewest series, the first of those."""
    first = min(same, key=lambda one: len(one.variant.series))
    return replace(first, more=len(same) - 1)
