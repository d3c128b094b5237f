# SPDX-License-Identifier: GPL-2.0-only
"""What bisections that are played have in common."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _no_power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk's time is not spent here: thousands of trials are written, and no power is cut."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
