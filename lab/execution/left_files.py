# SPDX-License-Identifier: GPL-2.0-only
"""What a test that failed left in its guest to say why, kept beside what it printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath

from lab.errors import InfrastructureError
from lab.execution.guest_session import GuestSession
from lab.execution.unit import Unit
from lab.suites.judge import Judged
from lab.suites.suite import Leaves


def with_left(
    session: GuestSession, unit: Unit, judged: Sequence[Judged], *, asked: bool
) -> Sequence[Judged]:
    """The results of a test; those that are no good name the files that were kept of it.

    Args:
        asked: Whether the guest can be asked for them.
    """
    if not asked or unit.test is None or not isinstance(unit.kind, Leaves):
        return judged
    if all(one.status.is_ok for one in judged):
        return judged
    kept = tuple(_kept(session, unit, unit.kind.left_by(unit.test)))
    return [one if one.status.is_ok or not kept else _naming(one, kept) for one in judged]


def _naming(judged: Judged, kept: Sequence[str]) -> Judged:
    said = "; ".join(filter(None, (judged.message, f"kept: {', '.join(kept)}")))
    return replace(judged, message=said)


def _kept(session: GuestSession, unit: Unit, places: Sequence[str]) -> Iterator[str]:
    """The files that there are, by their names in the job's folder."""
    job = session.findings.job
    for place in places:
        # None is there, most likely; what the guest came to besides, the next command meets.
        with suppress(InfrastructureError):
            content = session.guest.fetch(place)
            base = unit.file.removesuffix(".ktap")
            path = job.guest.folder / unit.filesystem.name / f"{base}{_ending(place)}"
            path.write_bytes(content)
            yield str(path.relative_to(job.guest.folder))


def _ending(place: str) -> str:
    return "".join(PurePosixPath(place).suffixes)
