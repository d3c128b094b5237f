# SPDX-License-Identifier: GPL-2.0-only
"""Which store the makers of a cache's things ask: they know of nothing but the cache."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lab.store.settings import StoreSettings

if TYPE_CHECKING:
    from lab.store.store import Store

#: By the process, too: who was forked has no part in another's connections.
_stores: dict[tuple[Path, int], Store] = {}


def use_store(
    cache: Path, settings: StoreSettings | None, tell: Callable[[str], None]
) -> Store | None:
    """Have the makers of a cache's things ask this store from now on; None is none.

    What was found out about it stays: one that is away is not asked again.

    Args:
        tell: Told in a line what is wrong with it.
    """
    name = (cache, os.getpid())
    known = _stores.get(name)
    if settings is None:
        _stores.pop(name, None)
        return None
    if known is None or known.settings != settings:
        # 10 ms, which whoever has no store need not wait for.
        from lab.store.store import Store

        known = _stores[name] = Store(settings, tell)
    known.telling(tell)
    return known


def store_of(cache: Path) -> Store | None:
    """The store that is asked for what a cache has not; None where there is none."""
    return _stores.get((cache, os.getpid()))
