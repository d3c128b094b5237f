# SPDX-License-Identifier: GPL-2.0-only
"""A kernel's names against its tree: what is called 6.1 must be 6.1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lab.config.model import AptKernel, GitKernel, Kernel, TarballKernel
from lab.errors import UserError
from lab.model.version import KernelVersion
from lab.trees.request import ELSEWHERE, Request

_NUMBER = r"(\d+)\.(\d+)(?:\.(\d+))?(?:-rc(\d+))?"
# v6.1, 6.1.192, v7.3-rc2, linux-6.1.y, 6.1-mine; mainline and next-20261127 are none.
_SECTION = re.compile(rf"(?:linux-)?v?{_NUMBER}(?:\.y)?(?:[-_].*)?")
# No more than the version: a branch 6.2-port may well be on 6.1.
_REF = re.compile(rf"(?:.*/)?(?:linux-)?v?{_NUMBER}(?:\.y)?")
# Ubuntu's linux-source-6.8.0 is 6.8.12.
_PACKAGE = re.compile(r"linux-source-(\d+)\.(\d+)(?:[.:-].*)?")
_TARBALL = re.compile(rf"(?:.*/)?linux-(?:source-)?{_NUMBER}\.(?:tar(?:\.\w+)?|t[gx]z)")

#: The key that says where a kernel comes from.
_KEYS = {"apt": "package", "dir": "path", "git": "ref", "tarball": "url"}


@dataclass(frozen=True)
class Misnomer:
    """What has the wrong name, and the key that leads to it."""

    what: str
    key: str


def misnomer(kernel: Kernel, section: str, version: KernelVersion) -> Misnomer | None:
    """A name that looks like a version and says another one than the source, if any.

    A name may say less: ``v4.4`` is 4.4.302 too, and 7.3-rc2 is a 7.3.
    """
    for pattern, name, found in _names(kernel, section):
        if match := pattern.fullmatch(name):
            said = (int(part) if part else None for part in match.groups())
            if any(part not in (None, it) for part, it in zip(said, _parts(version), strict=False)):
                return found
    return None


def check_names(kernel: Kernel, version: KernelVersion, request: Request) -> None:
    """Raise UserError for a misnomer; it says both."""
    found = misnomer(kernel, request.name, version)
    if found is not None:
        raise UserError(
            f"{found.what}, and the source is Linux {version}",
            where=request.where(found.key),
            hint=f"another name for it, or the source that is meant; or {ELSEWHERE}",
        )


def _names(kernel: Kernel, section: str) -> Iterator[tuple[re.Pattern[str], str, Misnomer]]:
    key = _KEYS[kernel.kind]
    yield _SECTION, section, Misnomer(f"the kernel is called {section}", key)
    if isinstance(kernel, AptKernel):
        yield _PACKAGE, kernel.package, Misnomer(f"the package is {kernel.package}", key)
    elif isinstance(kernel, GitKernel):
        yield _REF, kernel.ref, Misnomer(f"the ref is {kernel.ref}", key)
    elif isinstance(kernel, TarballKernel):
        yield _TARBALL, str(kernel.url), Misnomer(f"the tarball is {kernel.url}", key)
    # A folder's name is the user's: people go on to the next release in one called linux-6.1.


def _parts(version: KernelVersion) -> tuple[int | None, ...]:
    return (version.version, version.patchlevel, version.sublevel, version.rc)
