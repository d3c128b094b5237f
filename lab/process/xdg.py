# SPDX-License-Identifier: GPL-2.0-only
"""Where a user's own files go: XDG Base Directory Specification 0.8."""

from __future__ import annotations

import os
from pathlib import Path


def cache_home() -> Path:
    """``$XDG_CACHE_HOME``, for what can be made again."""
    return _home("XDG_CACHE_HOME", ".cache")


def config_home() -> Path:
    """``$XDG_CONFIG_HOME``, for what the user wrote."""
    return _home("XDG_CONFIG_HOME", ".config")


def data_home() -> Path:
    """``$XDG_DATA_HOME``, for what is to be kept."""
    return _home("XDG_DATA_HOME", ".local/share")


def state_home() -> Path:
    """``$XDG_STATE_HOME``, for logs and the like."""
    return _home("XDG_STATE_HOME", ".local/state")


def _home(variable: str, otherwise: str) -> Path:
    # A relative path counts for nothing.
    asked = Path(os.environ.get(variable, ""))
    return asked if asked.is_absolute() else Path.home() / otherwise
