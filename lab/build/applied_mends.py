# SPDX-License-Identifier: GPL-2.0-only
"""The mends that one tree gets for one toolchain."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lab.build.mend import Mend, load_mends
from lab.build.toolchain import Toolchain
from lab.errors import UserError
from lab.patches import Overlay, Patch, apply, carries, load_patch
from lab.patches.patched_tree import View
from lab.trees import Tree

FILE = "mends.toml"
#: In a flag: the folder of the kernel's source.
SOURCE = "$SOURCE"


@dataclass(frozen=True)
class Applied:
    """A mend that was applied: with a patch, with flags, or both."""

    name: str
    symptom: str
    commits: tuple[str, ...]
    patch: str | None
    kernel_flags: tuple[str, ...]
    host_flags: tuple[str, ...]

    def __str__(self) -> str:
        means = [self.patch] if self.patch else []
        means += [f"kernel {flag}" for flag in self.kernel_flags]
        means += [f"host {flag}" for flag in self.host_flags]
        return f"{self.name}: {', '.join(means)} ({self.symptom}; {', '.join(self.commits)})"


@dataclass(frozen=True)
class Mended:
    """What is laid over a tree below its series, and the flags it is compiled with.

    ``carried`` names the mends that were left out, since the tree has them.
    """

    overlay: Overlay
    applied: tuple[Applied, ...] = ()
    carried: tuple[str, ...] = ()

    @staticmethod
    def none() -> Mended:
        """A tree that needs no mend."""
        return Mended(Overlay.empty())

    @property
    def kernel_flags(self) -> tuple[str, ...]:
        """Flags that go before all others when a file of the kernel is compiled."""
        return tuple(flag for mend in self.applied for flag in mend.kernel_flags)

    def kernel_flags_for(self, source: Path) -> tuple[str, ...]:
        """The same for a tree in this folder, which $SOURCE stands for and no build is named by."""
        return tuple(flag.replace(SOURCE, str(source)) for flag in self.kernel_flags)

    @property
    def host_flags(self) -> tuple[str, ...]:
        """The same for the programs that run during the build."""
        return tuple(flag for mend in self.applied for flag in mend.host_flags)

    @property
    def flags_digest(self) -> str:
        """Changes with the flags; empty when there are none.  Patches are in the overlay's."""
        if not (self.kernel_flags or self.host_flags):
            return ""
        text = "\n".join((*self.kernel_flags, "", *self.host_flags))
        return hashlib.sha256(text.encode()).hexdigest()


def mend_tree(
    tree: Tree, toolchain: Toolchain, folder: Path, chosen: Collection[str] | None = None
) -> Mended:
    """Choose the mends of ``folder/mends.toml`` that the tree needs, and apply them.

    Args:
        chosen: Just these, whether they are needed or not.

    Raises:
        UserError: The file is not right, or none of a mend's patches applies.
    """
    mended = Mended.none()
    for name, mend in load_mends(folder / FILE).items():
        needed = mend.concerns(tree.version, toolchain.versions)
        if needed if chosen is None else name in chosen:
            mended = _with(mended, tree, name, mend, folder)
    return mended


def _with(mended: Mended, tree: Tree, name: str, mend: Mend, folder: Path) -> Mended:
    patches = [load_patch(folder / patch) for patch in mend.patches]
    if _is_carried(mended, tree, mend, patches):
        return replace(mended, carried=(*mended.carried, name))
    overlay, taken = mended.overlay, None
    if patches:
        overlay, taken = _first_to_apply(tree, patches, overlay, name)
    applied = Applied(name, mend.symptom, mend.commits, taken, mend.kernel_flags, mend.host_flags)
    return Mended(overlay, (*mended.applied, applied), mended.carried)


def _is_carried(mended: Mended, tree: Tree, mend: Mend, patches: Iterable[Patch]) -> bool:
    if mend.carried is not None:
        file = View(tree, mended.overlay).read(mend.carried.file)
        if mend.carried.holds(file.content.decode(errors="replace") if file else ""):
            return True
    return any(carries(tree, patch, over=mended.overlay) for patch in patches)


def _first_to_apply(
    tree: Tree, patches: Iterable[Patch], start: Overlay, name: str
) -> tuple[Overlay, str]:
    refused: UserError | None = None
    for patch in patches:
        try:
            return apply(tree, [patch], start=start).overlay, patch.name
        except UserError as error:
            refused = refused or error
    assert refused is not None
    raise UserError(
        f"mend {name} does not apply to {tree.kernel} ({tree.version}): {refused.what}",
        where=refused.where,
        detail=refused.detail,
        hint=f"port its patch, or narrow its versions in patches/toolchain/{FILE}",
    )
