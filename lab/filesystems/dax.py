# SPDX-License-Identifier: GPL-2.0-only
"""Filesystems that promise DAX, and what proves it: a mount that succeeded proves nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from lab.config.model import Filesystem as Table
from lab.features import Feature, feature, has
from lab.filesystems.filesystem import CannotMount, NotProved, Proof
from lab.filesystems.plain import Plain
from lab.model.proof import DAX
from lab.model.version import KernelVersion

#: What a mount option asks of a kernel.
_OPTIONS = {
    ("ext4", "dax"): "ext4-dax",
    ("ext4", "dax=always"): "dax-always",
    ("xfs", "dax"): "xfs-dax",
    ("xfs", "dax=always"): "dax-always",
}
#: 4.1's XFS, 5.7's ext4; and fs/fs_parser.c, whose callers both are now.
_UNKNOWN_OPTION = re.compile(
    r"[^]\n]*(?:un(?:known|recognized) mount option|unknown parameter|(?:bad|unexpected) value for)"
    r"\W*dax.*",
    re.IGNORECASE,
)
#: A mount that cannot have DAX says so here and goes on without (kata-containers/packaging#378).
_REFUSAL = re.compile(
    r"(?:turning off DAX|disabling DAX|"
    r"dax.*(?:disabled|not supported|unsupported)).*",
    re.IGNORECASE,
)
_BY_HAND = """\
for line in dax_option=yes pfn_in_pmem=yes; do
	grep -qx $line /tmp/proof || { echo "is not DAX: no $line"; exit; }
done
# Kernels before 5.10 do not know the attribute.
! grep -qx statx_known=yes /tmp/proof || grep -qx statx_dax=yes /tmp/proof ||
	echo "is not DAX: no statx_dax=yes"
"""


class NotDax(NotProved):
    """A mounted filesystem could not be proved to use DAX."""


@dataclass(frozen=True)
class DaxProof:
    """That a file's pages are those of persistent memory."""

    name: str = DAX
    programs: tuple[str, ...] = ("dax-proof",)
    by_hand: str = _BY_HAND

    def ask(self, folder: str) -> str:
        """What the mount, statx(2) and a mapped page's physical address say."""
        return f"/lab/dax-proof {folder}"

    def check(self, filesystem: str, said: Mapping[str, str]) -> str:
        """Raise NotDax unless everything that can be asked says DAX.

        The mount options must name it, statx must say so where the kernel has
        STATX_ATTR_DAX, a mapped page must lie in persistent memory, and the kernel
        must not have refused.

        Returns:
            What proves it; before 5.10 statx is not among that.
        """
        asked = _has_statx_dax(said)
        if objections := list(_objections(said, asked=asked)):
            raise NotDax(f"{filesystem} is not proved to be DAX: {'; '.join(objections)}")
        return "mount option, statx, page address" if asked else "mount option, page address"


@dataclass(frozen=True)
class Dax(Plain):
    """ext4 or XFS on persistent memory, whose mount must end up with DAX on.

    ``lacking`` is what the mount asks for and the kernel's version does not have.
    """

    lacking: Feature | None = None

    def for_kernel(self, version: KernelVersion, cache: Path) -> Self:
        """The same with what a kernel of ``version`` mounts with DAX, and what it lacks for it."""
        asked = (_OPTIONS.get((self.type, word)) for word in words_of(self.options))
        lacking = (feature(name) for name in asked if name and not has(version, name))
        return replace(super().for_kernel(version, cache), lacking=next(lacking, None))

    def prove(self) -> tuple[Proof, ...]:
        """DAX."""
        return (DaxProof(),)

    def check_refusal(self, log: str) -> None:
        """Raise CannotMount if the kernel has not what the mount asks for, and says so.

        Both must agree: one alone may be a mistake of the lab's.
        """
        said = _UNKNOWN_OPTION.search(log)
        if self.lacking is not None and said:
            raise CannotMount(
                f"this kernel does not mount {self.name}: {said[0].strip()}; {self.lacking}"
            )


def on_pmem(name: str, table: Table) -> Plain:
    """The filesystem that a table of ``lab.toml`` describes: ``dax`` in its options promises DAX.

    So does what only sounds like it: it is for the proof to say whether that is DAX.
    """
    options = table.mount_options
    asks = any(word.startswith("dax") and word != "dax=never" for word in words_of(options))
    return (Dax if asks else Plain)(name, table.type, table.mkfs, options)


def words_of(options: Iterable[str]) -> list[str]:
    """Mount options one by one, however many of them stand in one string."""
    return [word.strip() for option in options for word in option.split(",")]


def _objections(said: Mapping[str, str], *, asked: bool) -> Iterator[str]:
    if said.get("dax_option") != "yes":
        yield f"mounted as: {said.get('mount', 'nothing')}"
    if asked and said.get("statx_dax") != "yes":
        yield "statx does not say STATX_ATTR_DAX"
    if said.get("pfn_in_pmem") != "yes":
        yield f"a mapped page in persistent memory: {said.get('pfn_in_pmem', 'not asked')}"
    yield from (match[0] for match in _REFUSAL.finditer(said.get("log", "")))


def _has_statx_dax(said: Mapping[str, str]) -> bool:
    """Whether the kernel says so, or is of a version that must."""
    if said.get("statx_known") == "yes":
        return True
    try:
        return has(KernelVersion.of_release(said.get("release", "")), "statx-dax")
    except ValueError:
        return True
