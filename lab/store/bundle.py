# SPDX-License-Identifier: GPL-2.0-only
"""A sealed folder of files as one entry of a store: programs, of which there may be thousands."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Collection
from pathlib import Path

from lab.errors import InfrastructureError
from lab.process.seal import SEAL, damage, sealed_digests
from lab.process.temporary import temporary_folder
from lab.store.registry import store_of

_BUNDLE = "files.tar"
#: Of one file, and of how many.
_LARGEST, _MOST = 4 << 30, 20_000


def pull_folder(
    kind: str,
    final: Path,
    scratch: Path,
    wanted: Collection[str],
    wrong: Callable[[Path], str] = lambda _: "",
) -> bool:
    """Fill a folder with what the store has under its name; whether that was so.

    Nothing of it is there if not.

    Args:
        final: Where it is going to be: a folder of the cache's shelf.
        scratch: The folder that is filled.
        wanted: Files that have to be among them.
        wrong: Why this machine cannot use what came; "" where it can.
    """
    store = store_of(final.parents[1])
    if store is None or not store.can_unpack():
        return False
    with temporary_folder("store") as work:
        if store.pull(kind, final.name, work, wanted=[_BUNDLE]) is None:
            return False
        try:
            names = _extract(work / _BUNDLE, scratch)
            why = _unsealed(scratch, names, wanted) or wrong(scratch)
        except (tarfile.TarError, EOFError, ValueError) as error:
            why = f"its archive is damaged: {error}"
        except InfrastructureError as error:
            why = error.what
    if why:
        _empty(scratch)
        store.refuse(kind, final.name, why)
    return not why


def push_folder(kind: str, final: Path) -> bool:
    """Put a sealed folder of the cache there, if it is not; whether it is there now."""
    store = store_of(final.parents[1])
    names = sorted(sealed_digests(final))
    if store is None or not store.pushes or not store.can_unpack() or damage(final, names):
        return False
    if store.has(kind, final.name):
        return True
    with temporary_folder("store") as work:
        bundle = work / _BUNDLE
        with tarfile.open(bundle, "w", format=tarfile.GNU_FORMAT) as archive:
            for name in (*names, SEAL):
                archive.add(final / name, name, filter=_anonymous)
        return store.push(kind, final.name, {_BUNDLE: bundle}, packed=[_BUNDLE])


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """So that the same files are the same archive."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def _extract(bundle: Path, folder: Path) -> set[str]:
    names: set[str] = set()
    with tarfile.open(bundle, "r:") as archive:
        for member in archive:
            name = member.name
            if not member.isreg() or "/" in name or name in (".", "..") or name in names:
                raise ValueError(f"its member {name[:80]!r} is no file of a folder")
            if len(names) > _MOST or member.size > _LARGEST:
                raise ValueError("it has more than a folder of programs")
            source = archive.extractfile(member)
            assert source is not None
            with (folder / name).open("xb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            (folder / name).chmod(0o755 if member.mode & 0o100 else 0o644)
            names.add(name)
    return names


def _unsealed(folder: Path, names: Collection[str], wanted: Collection[str]) -> str:
    """What of a folder is not as its seal has it; "" where all is."""
    sealed = sealed_digests(folder)
    if {*names} != {*sealed, SEAL}:
        return "its seal is of other files"
    if missing := sorted({*wanted} - {*sealed}):
        return f"it has no {missing[0]}"
    return damage(folder, sealed) or ""


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
