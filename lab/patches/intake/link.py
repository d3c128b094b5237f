# SPDX-License-Identifier: GPL-2.0-only
"""The mail that a commit was made of, as its ``Link:`` says; nobody is asked."""

from __future__ import annotations

import re
from urllib.parse import unquote

#: What maintainers' tools add below the author's own lines
#: (Documentation/maintainer/configure-git.rst).
_LINK = re.compile(
    r"^Link: https?://(?:lore\.kernel\.org/[^/\s]{1,100}|lkml\.kernel\.org/r|patch\.msgid\.link)"
    r"/([^\s/<>]{1,400})/?$",
    re.MULTILINE,
)
_SIGNED = re.compile(r"^Signed-off-by: ", re.MULTILINE)
_IDENTITY = re.compile(r"[^\s<>@]+@[^\s<>@]+")


def mail_of(message: str) -> str:
    """The Message-Id of the mail that a commit was applied from; "" where nobody can tell.

    A ``Link:`` above the first ``Signed-off-by:`` is the author's, as a rule of a report of the
    bug; of several below it none is known to be the patch.
    """
    signed = _SIGNED.search(message)
    found = {unquote(name) for name in _LINK.findall(message, signed.end())} if signed else set()
    name = found.pop() if len(found) == 1 else ""
    return name if _IDENTITY.fullmatch(name) else ""
