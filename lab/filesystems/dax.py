# SPDX-License-Identifier: GPL-2.0-only
"""Filesystems of persistent memory that promise DAX, or promise to be without it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from lab.config.model import Filesystem as Table
from lab.features import Feature, feature, has
from lab.filesystems.dax_proof import DaxProof, NotDaxProof
from lab.filesystems.ext2 import OwnDriverProof
from lab.filesystems.filesystem import CannotMount, Proof
from lab.filesystems.plain import Plain
from lab.model.version import KernelVersion

_NEVER = "dax=never"
#: What a mount option asks of a kernel.
_OPTIONS = {
    ("ext2", "dax"): "ext2-dax",
    ("ext4", "dax"): "ext4-dax",
    ("ext4", "dax=always"): "dax-always",
    ("xfs", "dax"): "xfs-dax",
    ("xfs", "dax=always"): "dax-always",
}
#: What a feature of its format asks of a kernel beside that.
_FORMATS = {("xfs", "reflink=1"): "xfs-reflink-dax"}
#: 4.1's XFS, 5.7's ext4; and fs/fs_parser.c, whose callers both are now.
_UNKNOWN_OPTION = (
    r"[^]\n]*(?:un(?:known|recognized) mount option|unknown parameter|(?:bad|unexpected) value for)"
    r"\W*dax.*"
)
#: How a kernel refuses that has not the one or the other.  fs/ext2/super.c; fs/xfs/xfs_super.c,
#: and xfs_sb.c of one that does not know the format at all.
_REFUSALS = {
    "ext2-dax": r"[^]\n]*DAX support has been removed.*",
    "xfs-reflink-dax": r"[^]\n]*(?:DAX and reflink.*|unknown read-only compatible features.*)",
}


@dataclass(frozen=True)
class Dax(Plain):
    """ext2, ext4 or XFS on persistent memory, whose mount must end up with DAX on.

    ``lacking`` is what the mount asks for and the kernel's version does not have.
    """

    lacking: Feature | None = None

    @property
    def is_dax(self) -> bool:
        """It is."""
        return True

    def for_kernel(self, version: KernelVersion, cache: Path) -> Self:
        """The same with what a kernel of ``version`` mounts with DAX, and what it lacks for it."""
        lacking = (feature(name) for name in self._asks() if not has(version, name))
        return replace(super().for_kernel(version, cache), lacking=next(lacking, None))

    def _asks(self) -> Iterator[str]:
        """The features that its mount asks of a kernel."""
        for word in words_of(self.options):
            yield from filter(None, (_OPTIONS.get((self.type, word)),))
        for word in words_of(self.mkfs):
            yield from filter(None, (_FORMATS.get((self.type, word)),))

    def prove(self) -> tuple[Proof, ...]:
        """DAX; of ext2, that it is not ext4's driver that serves it."""
        return (DaxProof(), OwnDriverProof()) if self.type == "ext2" else (DaxProof(),)

    def check_refusal(self, log: str) -> None:
        """Raise CannotMount if the kernel has not what the mount asks for, and says so.

        Both must agree: one alone may be a mistake of the lab's.
        """
        if self.lacking is None:
            return
        refusals = filter(None, (_UNKNOWN_OPTION, _REFUSALS.get(self.lacking.name)))
        if said := re.search("|".join(refusals), log, re.IGNORECASE):
            raise CannotMount(
                f"this kernel does not mount {self.name}: {said[0].strip()}; {self.lacking}"
            )


@dataclass(frozen=True)
class Control(Plain):
    """The same without DAX, which it has to prove: what a result on DAX is compared with."""

    def for_kernel(self, version: KernelVersion, cache: Path) -> Self:
        """The same without the option where a kernel does not know it, and has no DAX unasked."""
        made = super().for_kernel(version, cache)
        if has(version, "dax-always"):
            return made
        left = tuple(word for word in words_of(self.options) if word != _NEVER)
        return replace(made, options=left)

    def prove(self) -> tuple[Proof, ...]:
        """That it is not DAX."""
        return (NotDaxProof(),)


def on_pmem(name: str, table: Table) -> Plain:
    """The filesystem that a table of ``lab.toml`` describes: ``dax`` in its options promises DAX.

    So does what only sounds like it: it is for the proof to say whether that is DAX.
    ``dax=never`` promises that it is none.
    """
    options = table.mount_options
    words = words_of(options)
    made: type[Plain] = Control if _NEVER in words else Plain
    if any(word.startswith("dax") and word != _NEVER for word in words):
        made = Dax
    return made(name, table.type, table.mkfs, options)


def words_of(options: Iterable[str]) -> list[str]:
    """Mount options one by one, however many of them stand in one string."""
    return [word.strip() for option in options for word in option.split(",")]
