# SPDX-License-Identifier: GPL-2.0-only
"""Where mainline fixed by itself what a series fixes, in the words of its ``series`` file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.errors import Location, UserError
from lab.model.version import VersionRange

_LINE = re.compile(
    r"upstream:\s*(?P<commit>[0-9a-f]{12,40})\s+since\s+(?P<since>\S+)"
    r"(?:\s+before\s+(?P<before>\S+))?\s+(?P<subject>\S.*)"
)
_MEANT = re.compile(r"upstream\s*:", re.IGNORECASE)
UPSTREAM_EXAMPLE = "# upstream: 1027e4436b6a since 4.3 mm: make GUP handle pfn mapping"


@dataclass(frozen=True)
class Upstream:
    """A commit that made a series unneeded, and the versions that have it."""

    commit: str
    versions: VersionRange
    subject: str


def parse_upstream(where: Location, comment: str) -> Upstream | None:
    """Read ``upstream: COMMIT since VERSION [before VERSION] SUBJECT``; None for other comments.

    ``before`` is for a backport: a stable series has it from its own version on.

    Raises:
        UserError: It begins so, and is spelled otherwise.
    """
    if not _MEANT.match(comment):
        return None
    match = _LINE.fullmatch(comment.strip())
    if match is None:
        raise _misspelt(where, f"`# {comment}` does not say which commit, and since when")
    try:
        before = f" <{match['before']}" if match["before"] else ""
        versions = VersionRange.parse(f">={match['since']}{before}")
    except ValueError as error:
        raise _misspelt(where, str(error)) from None
    return Upstream(match["commit"], versions, match["subject"])


def _misspelt(where: Location, what: str) -> UserError:
    return UserError(what, where=where, hint=UPSTREAM_EXAMPLE)
