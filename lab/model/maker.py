# SPDX-License-Identifier: GPL-2.0-only
"""What a line of a registry names, looked up when it is first asked for.

So that to list what there is imports none of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def made_by(maker: str) -> Any:
    """What ``MODULE:NAME`` stands for."""
    module, _, name = maker.partition(":")
    return getattr(import_module(module), name)
