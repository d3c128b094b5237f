# SPDX-License-Identifier: GPL-2.0-only
"""What mkfs is told: what the user wants, and no format that the kernel cannot mount.

A mkfs of today switches on by itself what old kernels refuse, and one of
yesterday refuses option names that it does not know
(kata-containers/osbuilder#455, grml/grml-debootstrap#204).  The guest runs the
host's own mkfs, so the host's is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lab.errors import InfrastructureError
from lab.features import Layout, layouts
from lab.host import need_tool
from lab.model.version import KernelVersion
from lab.process import run
from lab.process.seal import read_answer, write_answer
from lab.process.shelf import MKFS
from lab.process.stamp import stamp
from lab.process.temporary import temporary_folder

#: What makes each go on without a question, and say little.
QUIET: Mapping[str, tuple[str, ...]] = {
    "ext2": ("-q", "-F", "-t", "ext2"),
    "ext4": ("-q", "-F"),
    "xfs": ("-q", "-f"),
}
#: The program of each type: mke2fs goes by its name, or by -t.
TOOLS: Mapping[str, str] = {"ext2": "mkfs.ext4", "ext4": "mkfs.ext4", "xfs": "mkfs.xfs"}
#: Work everything out and write nothing: mke2fs(8), mkfs.xfs(8).  need_tool() may find
#: mkfs.ext4 under its other name.
_DRY = {"ext4": ("-n", "-t", "ext4"), "xfs": ("-N",)}
#: mkfs.xfs refuses less than 300 MB since 5.19.
_TRIAL_BYTES = 512 << 20
_DEADLINE_S = 30
#: Raised when an answer comes to be kept otherwise.
_FORMAT = 2


def mkfs_options(
    filesystem: str, wanted: Sequence[str], version: KernelVersion, cache: Path, *, dax: bool
) -> tuple[str, ...]:
    """The options for a filesystem that a kernel of ``version`` mounts.

    Args:
        filesystem: ``ext2``, ``ext4`` or ``xfs``.
        wanted: The user's own; what they name is left to them.
        cache: Where the answers of the host's mkfs are kept.
        dax: Whether it is mounted with DAX.

    Raises:
        InfrastructureError: The host's mkfs is missing, or does not run.
    """
    named = _named(filesystem, wanted)
    known = known_to_mkfs(filesystem, cache)
    off = (
        layout
        for layout in layouts(filesystem)
        if layout.name in known - named and not layout.mounts(version, dax=dax)
    )
    return _merged(_split(filesystem, wanted), off)


def known_to_mkfs(filesystem: str, cache: Path) -> frozenset[str]:
    """The names of the layouts that the host's mkfs knows.

    It is asked once: ``CACHE/mkfs`` has the answer until the program changes.

    Raises:
        InfrastructureError: It is missing, or refuses what has no options at all.
    """
    asked = layouts(filesystem)
    if not asked:
        return frozenset()
    tool = need_tool(TOOLS[filesystem])
    identity = (_FORMAT, str(tool), stamp(tool), asked)
    name = hashlib.sha256(repr(identity).encode()).hexdigest()[:24]
    answer = MKFS.place(cache, f"{name}.json")
    names = read_answer(answer)
    if names is None:
        names = [layout.name for layout in _known(filesystem, asked)]
        write_answer(answer, names)
    return frozenset(names)


def _known(filesystem: str, asked: tuple[Layout, ...]) -> tuple[Layout, ...]:
    if _refusal(filesystem, asked) is None:
        return asked
    if refusal := _refusal(filesystem, ()):
        raise InfrastructureError(
            f"{TOOLS[filesystem]} does not even run on an empty file",
            where=need_tool(TOOLS[filesystem]),
            detail=refusal,
        )
    return tuple(layout for layout in asked if _refusal(filesystem, (layout,)) is None)


def _refusal(filesystem: str, off: Iterable[Layout]) -> str | None:
    """What mkfs says against leaving these out; None when it would do it."""
    tool = need_tool(TOOLS[filesystem])
    with temporary_folder("mkfs") as folder:
        device = Path(folder, "device")
        with device.open("wb") as stream:
            stream.truncate(_TRIAL_BYTES)
        result = run(
            [tool, *_DRY[filesystem], *QUIET[filesystem], *_merged((), off), device],
            cwd=Path(folder),
            check=False,
            timeout=_DEADLINE_S,
        )
    return None if result.status == 0 else result.stderr or f"status {result.status}"


def _merged(wanted: Sequence[str], off: Iterable[Layout]) -> tuple[str, ...]:
    """``wanted`` with the words of ``off``, each flag once: mke2fs takes its last -O alone."""
    words = list(wanted)
    for layout in off:
        if layout.flag in words[:-1]:
            value = words.index(layout.flag) + 1
            words[value] = f"{words[value]},{layout.off}"
        else:
            words += [layout.flag, layout.off]
    return tuple(words)


def _split(filesystem: str, wanted: Sequence[str]) -> list[str]:
    """``wanted`` with ``-Ofeature`` as two words, for the flags that hold features."""
    flags = {layout.flag for layout in layouts(filesystem)}
    words: list[str] = []
    for word in wanted:
        words += [word[:2], word[2:]] if word[:2] in flags and word[2:] else [word]
    return words


def _named(filesystem: str, wanted: Sequence[str]) -> set[str]:
    """The on-disk features that the user speaks of, for or against."""
    words = ",".join(_split(filesystem, wanted)).split(",")
    return {word.lstrip("^+-").partition("=")[0] for word in words}
