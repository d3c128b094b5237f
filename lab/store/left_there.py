# SPDX-License-Identifier: GPL-2.0-only
"""A file of a build that was left in the store until something needs it: ``vmlinux``.

What is beside the build says where it is, so that whoever has the folder can have the file.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import InfrastructureError
from lab.model.url import Url
from lab.process.lock import locked
from lab.process.scratch import write_whole
from lab.process.seal import sealed_digests
from lab.process.temporary import temporary_folder
from lab.store.note import VMLINUX, Note, note_of
from lab.store.registry import store_of
from lab.store.settings import StoreSettings

if TYPE_CHECKING:
    from lab.store.store import Store


def require_vmlinux(folder: Path) -> Path:
    """A build's vmlinux, from the store where it was left there.

    Raises:
        InfrastructureError: It cannot be had.
    """
    why = _bring(folder, VMLINUX)
    if why:
        raise InfrastructureError(
            f"the vmlinux of this build is in the store, and cannot be had: {why}",
            where=folder,
            hint=f"rm -r {folder}: the same command then has it anew, from there or made here; "
            "lab store check says whether what is there is damaged",
        )
    return folder / VMLINUX


def vmlinux_of(folder: Path) -> Path:
    """Where a build's vmlinux is, if it is to be had at all: nothing may be there."""
    with suppress(OSError, InfrastructureError):
        _bring(folder, VMLINUX)
    return folder / VMLINUX


def _bring(folder: Path, name: str) -> str:
    """Bring a file that was left; why that cannot be done, "" where it is there."""
    if (folder / name).is_file():
        return ""
    note = note_of(folder)
    file = next((each for each in note.left if each.name == name), None) if note else None
    if note is None or file is None:
        return "nothing says where it is"
    if sealed_digests(folder).get(name) != file.sha256:
        return "it is another one there"
    with locked(folder / f".{name}.lock"):
        if (folder / name).is_file():
            return ""
        with temporary_folder("store") as work:
            why = _store(folder, note).bring(file, work)
            if not why:
                write_whole(folder / name, (work / name).read_bytes())
            return why


def _store(folder: Path, note: Note) -> Store:
    """The one that this process uses if it is that, else one of its own."""
    known = store_of(folder.parents[1])
    if known is not None and str(known.settings.url) == note.url:
        return known
    # 10 ms, which a build whose vmlinux is here need not wait for.
    from lab.store.store import Store

    return _stores.setdefault(note.url, Store(StoreSettings(Url(note.url), stall_s=note.stall_s)))


_stores: dict[str, Store] = {}
