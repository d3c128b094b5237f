# SPDX-License-Identifier: GPL-2.0-only
"""What ``lab doctor`` says of other machines: only where ``lab.toml`` names any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lab.doctor.finding import Finding
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.config import LoadedConfig
    from lab.store.settings import StoreSettings


def examine_elsewhere(loaded: LoadedConfig) -> Iterator[Finding]:
    """The cluster that jobs run on, and the store."""
    if loaded.config.executor.kind == "dask":
        yield _cluster(loaded)
    if loaded.store is not None:
        yield _store(loaded.store)


def _cluster(loaded: LoadedConfig) -> Finding:
    """Whether jobs can be sent there; who works for it the runs say."""
    from lab.execution.cluster.asked import address_of, require_dask

    try:
        where = address_of(loaded)
        require_dask()
        if where is None:
            return Finding("cluster", True, "processes of this host")
        # It brings Dask along.
        from lab.execution.cluster.reach import require_answer

        require_answer(where)
    except LabError as error:
        return Finding("cluster", False, error.what, error.hint, needed_for=("test",))
    return Finding("cluster", True, where.url)


def _store(settings: StoreSettings) -> Finding:
    from lab.store.door import Unusable
    from lab.store.store import Store

    try:
        Store(settings).door.do(lambda _, __: None)
    except Unusable as error:
        return Finding("store", False, f"{settings.url}: {error}", error.hint or None)
    return Finding("store", True, str(settings.url))
