# SPDX-License-Identifier: GPL-2.0-only
"""What proves that a mounted filesystem is DAX, or that it is not: a mount alone proves neither."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lab.features import has
from lab.filesystems.filesystem import NotProved
from lab.model.proof import DAX, NOT_DAX
from lab.model.version import KernelVersion

#: A mount that cannot have DAX says so here and goes on without (kata-containers/packaging#378).
_REFUSAL = re.compile(
    r"(?:turning off DAX|disabling DAX|"
    r"dax.*(?:disabled|not supported|unsupported)).*",
    re.IGNORECASE,
)
_DAX_BY_HAND = """\
for line in dax_option=yes pfn_in_pmem=yes; do
	grep -qx $line /tmp/proof || { echo "is not DAX: no $line"; exit; }
done
# Kernels before 5.10 do not know the attribute.
! grep -qx statx_known=yes /tmp/proof || grep -qx statx_dax=yes /tmp/proof ||
	echo "is not DAX: no statx_dax=yes"
"""


_NOT_DAX_BY_HAND = """\
for line in dax_option=no pfn_in_pmem=no; do
	grep -qx $line /tmp/proof || { echo "is not proved to be without DAX: no $line"; exit; }
done
! grep -qx statx_known=yes /tmp/proof || grep -qx statx_dax=no /tmp/proof ||
	echo "is not proved to be without DAX: no statx_dax=no"
"""


class NotDax(NotProved):
    """A mounted filesystem could not be proved to use DAX."""


class MayBeDax(NotProved):
    """A mounted filesystem that promises not to use DAX could not be proved to do without."""


@dataclass(frozen=True)
class DaxProof:
    """That a file's pages are those of persistent memory."""

    name: str = DAX
    programs: tuple[str, ...] = ("dax-proof",)
    by_hand: str = _DAX_BY_HAND

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
class NotDaxProof:
    """That a file's pages are none of persistent memory's: a control that is DAX is a lie."""

    name: str = NOT_DAX
    programs: tuple[str, ...] = ("dax-proof",)
    by_hand: str = _NOT_DAX_BY_HAND

    def ask(self, folder: str) -> str:
        """What is asked for DAX."""
        return DaxProof().ask(folder)

    def check(self, filesystem: str, said: Mapping[str, str]) -> str:
        """Raise MayBeDax unless everything that can be asked says that it is none.

        Returns:
            What proves it; before 5.10 statx is not among that.
        """
        asked = _has_statx_dax(said)
        if objections := list(_signs_of_dax(said, asked=asked)):
            what = f"{filesystem} is not proved to be without DAX: {'; '.join(objections)}"
            raise MayBeDax(what)
        return "mount option, statx, page address" if asked else "mount option, page address"


def _objections(said: Mapping[str, str], *, asked: bool) -> Iterator[str]:
    if said.get("dax_option") != "yes":
        yield f"mounted as: {said.get('mount', 'nothing')}"
    if asked and said.get("statx_dax") != "yes":
        yield "statx does not say STATX_ATTR_DAX"
    if said.get("pfn_in_pmem") != "yes":
        yield f"a mapped page in persistent memory: {said.get('pfn_in_pmem', 'not asked')}"
    yield from (match[0] for match in _REFUSAL.finditer(said.get("log", "")))


def _signs_of_dax(said: Mapping[str, str], *, asked: bool) -> Iterator[str]:
    if said.get("dax_option") != "no":
        yield f"mounted as: {said.get('mount', 'nothing')}"
    if asked and said.get("statx_dax") != "no":
        yield f"statx says of DAX: {said.get('statx_dax', 'nothing')}"
    if said.get("pfn_in_pmem") != "no":
        yield f"a mapped page in persistent memory: {said.get('pfn_in_pmem', 'not asked')}"


def _has_statx_dax(said: Mapping[str, str]) -> bool:
    """Whether the kernel says so, or is of a version that must."""
    if said.get("statx_known") == "yes":
        return True
    try:
        return has(KernelVersion.of_release(said.get("release", "")), "statx-dax")
    except ValueError:
        return True
