# SPDX-License-Identifier: GPL-2.0-only
"""Finding tools: a user's PATH often lacks the sbin folders that hold mkfs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def search_path() -> str:
    """``PATH`` with the sbin folders appended."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN))


def find_tool(name: str) -> Path | None:
    """Where a tool is, or None."""
    found = shutil.which(name, path=search_path())
    return Path(found) if found else None
