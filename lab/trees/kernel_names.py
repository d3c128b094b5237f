# SPDX-License-Identifier: GPL-2.0-only
"""A kernel's names against its tree: what is called 6.1 must be 6.1."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.config.model import KernelSection
from lab.errors import UserError
from lab.model.version import KernelVersion
from lab.trees.request import ELSEWHERE, Request
from lab.trees.source import VERSION, Called, source_kind

# v6.1, 6.1.192, v7.3-rc2, linux-6.1.y, 6.1-mine; mainline and next-20261127 are none.
_SECTION = re.compile(rf"(?:linux-)?v?{VERSION}(?:\.y)?(?:[-_].*)?")


@dataclass(frozen=True)
class Misnomer:
    """What has the wrong name, and the key that leads to it."""

    what: str
    key: str


def misnomer(kernel: KernelSection, section: str, version: KernelVersion) -> Misnomer | None:
    """A name that looks like a version and says another one than the source, if any.

    A name may say less: ``v4.4`` is 4.4.302 too, and 7.3-rc2 is a 7.3.
    """
    kind = source_kind(kernel.kind)
    own = Called(_SECTION, section, f"the kernel is called {section}")
    for called in (own, *kind.names(kernel)):
        if match := called.pattern.fullmatch(called.name):
            said = (int(part) if part else None for part in match.groups())
            if any(part not in (None, it) for part, it in zip(said, _parts(version), strict=False)):
                return Misnomer(called.what, kind.key)
    return None


def check_names(kernel: KernelSection, version: KernelVersion, request: Request) -> None:
    """Raise UserError for a misnomer; it says both."""
    found = misnomer(kernel, request.name, version)
    if found is not None:
        raise UserError(
            f"{found.what}, and the source is Linux {version}",
            where=request.where(found.key),
            hint=f"another name for it, or the source that is meant; or {ELSEWHERE}",
        )


def _parts(version: KernelVersion) -> tuple[int | None, ...]:
    return (version.version, version.patchlevel, version.sublevel, version.rc)
