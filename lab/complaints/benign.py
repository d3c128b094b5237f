# SPDX-License-Identifier: GPL-2.0-only
"""Complaints that say nothing of the kernel under test, each with its reason."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from lab.errors import UserError
from lab.model.complaint import Complaint
from lab.model.glob import matches
from lab.model.version import KernelVersion, VersionRange


@dataclass(frozen=True)
class Benign:
    """Complaints whose ``KIND: TITLE`` matches the glob, on some kernels, and why they are so."""

    title: str
    versions: VersionRange
    reason: str

    @staticmethod
    def make(title: str, versions: str, reason: str) -> Benign:
        """As a ``[[benign]]`` table says it; raises UserError for a range that is none."""
        try:
            return Benign(title, VersionRange.parse(versions), reason)
        except ValueError as error:
            raise UserError(
                f"benign {title!r}: {error}", hint='versions = ">=4.1 <4.3", or none for all'
            ) from error

    def covers(self, complaint: Complaint, version: KernelVersion) -> bool:
        """Whether it is about this complaint, on this kernel."""
        return self.versions.contains(version) and matches(str(complaint), (self.title,))


@cache
def shipped() -> tuple[Benign, ...]:
    """Those in ``benign.toml``."""
    text = files("lab.complaints").joinpath("benign.toml").read_text(encoding="utf-8")
    return tuple(
        Benign.make(row["title"], row["versions"], row["reason"])
        for row in tomllib.loads(text).get("benign", ())
    )


def excuse(complaint: Complaint, version: KernelVersion, rules: Iterable[Benign]) -> str:
    """Why the complaint is benign on this kernel; ``""`` when it is not.

    One that became a panic never is.
    """
    if complaint.fatal:
        return ""
    return next((rule.reason for rule in rules if rule.covers(complaint, version)), "")
