# SPDX-License-Identifier: GPL-2.0-only
"""What a job takes, had from the store of the host where it runs: the sender need not send it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import InfrastructureError
from lab.execution.cluster.parcel import Bundle, receive
from lab.process.shelf import BUILDS, PROGRAMS, SENT, USERLANDS, Shelf
from lab.process.temporary import temporary_folder
from lab.store.bundle import pull_folder
from lab.store.registry import store_of

if TYPE_CHECKING:
    from lab.store.store import Store


#: Jobs of one build begin together.
_ONE_AT_A_TIME = threading.Lock()


def bring_from_store(cache: Path, bundle: Bundle, sender: Path) -> int | None:
    """Keep a bundle as if it had been sent; the bytes that came, None where it has to be sent.

    It is believed by the digests that the sender named, whatever the store says of it.

    Args:
        cache: Of this host, whose store is asked.
        sender: The sender's cache, in which the bundle lies.
    """
    store, shelf = store_of(cache), _shelf(bundle, sender)
    if store is None or shelf is None or store.away:
        return None
    with _ONE_AT_A_TIME, temporary_folder("store") as folder, suppress(OSError):
        if bundle.is_in(SENT.place(cache, bundle.digest)):
            return 0
        before = store.account.read
        if not _had(store, shelf, cache, bundle, folder):
            return None
        contents = {one.name: (folder / one.name).read_bytes() for one in bundle.large}
        try:
            receive(cache, bundle, contents)
        except InfrastructureError as error:
            store.refuse(shelf.kind, bundle.folder.name, error.what)
        else:
            return store.account.read - before
    return None


def _had(store: Store, shelf: Shelf, cache: Path, bundle: Bundle, folder: Path) -> bool:
    names, key = [one.name for one in bundle.large], bundle.folder.name
    if shelf is PROGRAMS:
        return pull_folder(shelf.kind, shelf.place(cache, key), folder, names)
    return store.pull(shelf.kind, key, folder, wanted=names, only=names) is not None


def _shelf(bundle: Bundle, sender: Path) -> Shelf | None:
    """The kind of thing that a bundle is a part of; None of what no store has."""
    found: Iterator[Shelf] = (
        shelf for shelf in (BUILDS, USERLANDS, PROGRAMS)
        if bundle.folder.parent == shelf.place(sender) and bundle.large
    )  # fmt: skip
    return next(found, None)
