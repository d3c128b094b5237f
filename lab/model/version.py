# SPDX-License-Identifier: GPL-2.0-only
"""Kernel versions, and ranges of them."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from functools import total_ordering
from pathlib import Path

from lab.errors import Location, UserError

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:-rc(\d+))?")
_ASSIGNMENT = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=(.*)$", re.MULTILINE)
#: Of a Makefile: 6.1's has 60 KB.
_LONGEST = 1 << 20
_BOUND = re.compile(r"(>=|<)\s*([^\s<>,]+)")


@total_ordering
@dataclass(frozen=True)
class KernelVersion:
    """A version as the top Makefile gives it; ``rc`` is N of ``-rcN``.

    Ordered: release candidates come before their release.
    """

    version: int
    patchlevel: int
    sublevel: int = 0
    rc: int | None = None

    @staticmethod
    def parse(text: str) -> KernelVersion:
        """``6.1``, ``v6.1.192`` or ``6.2-rc3``; raises ValueError for anything else."""
        match = _VERSION.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a kernel version such as 6.1.192 or 6.2-rc3")
        version, patchlevel, sublevel, rc = match.groups()
        return KernelVersion(
            int(version), int(patchlevel), int(sublevel or 0), int(rc) if rc else None
        )

    @staticmethod
    def of_release(release: str) -> KernelVersion:
        """The version in a kernel's release, as ``uname -r`` gives it: ``4.2.8-ckt12+``.

        Raises:
            ValueError: It does not begin with a version.
        """
        match = _VERSION.match(release)
        if match is None:
            raise ValueError(f"{release!r} is not a kernel's release such as 6.1.192")
        return KernelVersion.parse(match[0])

    @staticmethod
    def read(tree: Path, where: Location | None = None) -> KernelVersion:
        """The version of the source in ``tree``, from its top Makefile.

        Args:
            where: What to blame when the folder is no kernel's.

        Raises:
            UserError: There is no Makefile with a version.
        """
        try:
            text = _text(tree / "Makefile")
        except OSError:
            text = ""
        found = {name: value.strip() for name, value in reversed(_ASSIGNMENT.findall(text))}
        rc = re.match(r"-rc(\d+)", found.get("EXTRAVERSION", ""))
        try:
            return KernelVersion(
                int(found["VERSION"]),
                int(found["PATCHLEVEL"]),
                int(found.get("SUBLEVEL") or 0),
                int(rc[1]) if rc else None,
            )
        except (KeyError, ValueError):
            raise UserError(
                "this is no kernel source: its top Makefile has no VERSION and PATCHLEVEL",
                where=where or tree,
                hint=f"ls {tree}",
            ) from None

    def __str__(self) -> str:
        text = f"{self.version}.{self.patchlevel}.{self.sublevel}"
        return text if self.rc is None else f"{text}-rc{self.rc}"

    def __lt__(self, other: KernelVersion) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[float, ...]:
        rc = float("inf") if self.rc is None else self.rc
        return (self.version, self.patchlevel, self.sublevel, rc)


@dataclass(frozen=True)
class VersionRange:
    """Versions from ``first`` on and before ``end``; None is no bound."""

    first: KernelVersion | None = None
    end: KernelVersion | None = None

    @staticmethod
    def parse(text: str) -> VersionRange:
        """``>=4.1 <4.3``, either half alone, or nothing for every version.

        Raises:
            ValueError: It is spelled otherwise, or no version is in it.
        """
        bounds: dict[str, KernelVersion] = {}
        rest = _BOUND.sub(lambda match: _bound(bounds, match), text)
        if rest.strip(" ,\t"):
            raise ValueError(f"{text!r} is not a range of versions such as >=4.1 <4.3")
        first, end = bounds.get(">="), bounds.get("<")
        if first is not None and end is not None and end <= first:
            raise ValueError(f"{text!r} has no version in it")
        return VersionRange(first, end)

    def contains(self, version: KernelVersion) -> bool:
        """Whether ``version`` is in the range; 4.3-rc1 is before 4.3."""
        return (self.first is None or self.first <= version) and (
            self.end is None or version < self.end
        )

    def __str__(self) -> str:
        bounds = ((">=", self.first), ("<", self.end))
        return " ".join(f"{sign}{bound}" for sign, bound in bounds if bound is not None)


def _text(makefile: Path) -> str:
    """What is in a file; of what may be a link to a device or a pipe, nothing."""
    descriptor = os.open(makefile, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as stream:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return stream.read(_LONGEST).decode(errors="replace")


def _bound(bounds: dict[str, KernelVersion], match: re.Match[str]) -> str:
    if match[1] in bounds:
        raise ValueError(f"{match.string!r} has two {match[1]}")
    bounds[match[1]] = KernelVersion.parse(match[2])
    return ""
