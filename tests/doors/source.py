# SPDX-License-Identifier: GPL-2.0-only
"""A source that makes a kernel up, of no more than a Makefile."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lab.config.model import KernelSection
from lab.model.tree_identity import TreeIdentity
from lab.trees.request import Brought, Request
from lab.trees.source import VERSION, Bringing, Called, Commits, SourceKind


class MadeKernel(KernelSection):
    """``kind = "made"``: of the version that it says."""

    kind: Literal["made"] = "made"
    version: str
    #: What it is called; a version, maybe another.
    title: str = ""


@dataclass
class MadeSource(Bringing):
    """It, written anew."""

    section: MadeKernel

    def identify(self) -> TreeIdentity:
        return TreeIdentity.of("made", self.section.version)

    def write(self, source: Path, work: Path) -> Brought:
        source.mkdir()
        names = ("VERSION", "PATCHLEVEL", "SUBLEVEL")
        numbers = zip(names, self.section.version.split("."), strict=True)
        lines = (f"{name} = {number}\n" for name, number in numbers)
        (source / "Makefile").write_text("".join(lines) + "EXTRAVERSION =\n")
        return Brought({"made": "up"})


class MadeKind(SourceKind[MadeKernel]):
    """Its kind."""

    key = "version"

    def source(self, section: MadeKernel, request: Request) -> MadeSource:
        return MadeSource(section)

    def names(self, section: MadeKernel) -> Iterator[Called]:
        yield Called(re.compile(VERSION), section.title, f"its title is {section.title}")

    def commits(
        self, section: MadeKernel, root: Path, before: TreeIdentity, after: TreeIdentity
    ) -> Commits:
        return Commits(1, 0, (f"{before.digest} to {after.digest}",))

    def by_hand(self, identity: TreeIdentity, section: Mapping[str, Any]) -> str:
        return f"echo {shlex.quote(identity.digest)} >$source/version"


MADE = MadeKind()
