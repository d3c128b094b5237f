# SPDX-License-Identifier: GPL-2.0-only
"""Which units of a job share a guest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby

from lab.config.model import Fresh
from lab.errors import LabError
from lab.execution.job import Job
from lab.execution.remainder import list_tests
from lab.execution.unit import Unit
from lab.filesystems.pmem import DAX_DEVICE
from lab.suites.on_host import OnHost


def groups_of(job: Job) -> Iterator[Sequence[Unit]]:
    """The units that share a guest, in order; for one a test, a guest is asked for their names.

    No two repetitions share one.
    """
    if job.repeat == 1:
        yield from _groups_of(job)
        return
    groups = [list(group) for group in _groups_of(job)]
    for number in range(1, job.repeat + 1):
        for group in groups:
            yield [replace(unit, repetition=number) for unit in group]


def _groups_of(job: Job) -> Iterator[Sequence[Unit]]:
    """The same of one repetition: what runs on the host has a guest for each test, always."""
    for group in _by_freshness(job):
        for (alone, _), found in groupby(group, _needs):
            units = list(found)
            yield from ([unit] for unit in units) if alone else [units]


def _needs(unit: Unit) -> tuple[bool, bool]:
    """What no unit with other needs shares a guest with.

    Whether it runs on the host, and whether it has the persistent memory as a device, where
    no filesystem is on it any more.
    """
    return isinstance(unit.kind, OnHost), unit.filesystem.device == DAX_DEVICE


def _by_freshness(job: Job) -> Iterator[Sequence[Unit]]:
    match job.fresh:
        case Fresh.JOB:
            yield job.units
        case Fresh.FILESYSTEM:
            yield from (
                list(group) for _, group in groupby(job.units, lambda unit: unit.filesystem)
            )
        case Fresh.PROGRAM:
            yield from ([unit] for unit in job.units)
        case Fresh.TEST:
            yield from ([unit] for unit in _single_tests(job))


def _single_tests(job: Job) -> Iterator[Unit]:
    """Each test of each program that can list them; a program that cannot, as a whole."""
    left = list(job.units)
    # The guests that follow meet the same trouble, and say so.
    with suppress(LabError):
        if left:
            with job.guest.in_folder(job.guest.folder / "list").guest() as guest:
                while left:
                    if isinstance(left[0].kind, OnHost):
                        yield left.pop(0)
                        continue
                    names = list_tests(guest, left[0].kind, left[0].listing(job.pattern))
                    unit = left.pop(0)
                    # A program that lists nothing says of itself what that means.
                    whole = not names and (names is None or job.pattern is None)
                    yield from [unit] if whole else unit.singles(names or ())
    yield from left
