# SPDX-License-Identifier: GPL-2.0-only
"""What machines share: trees, builds, images and programs by their keys, at a URL.

What is not there, not whole or not to be had is made here, as without a store.
"""

from lab.store.registry import store_of, use_store
from lab.store.settings import StoreSettings
from lab.store.store import Store

__all__ = ["Store", "StoreSettings", "store_of", "use_store"]
