# SPDX-License-Identifier: GPL-2.0-only
"""Names of files and fragments, and numbers, as pages have them."""

from __future__ import annotations

from lab.results.folder import safe_name

__all__ = ["count", "safe_name"]


def count(number: int, noun: str) -> str:
    """``1 test``, ``2 tests``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
