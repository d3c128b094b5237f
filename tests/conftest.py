# SPDX-License-Identifier: GPL-2.0-only
"""What several stages' tests share: a tiny kernel that ``make`` really builds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

FAKES = Path(__file__).parent / "fakes"


@pytest.fixture
def fake_kernel(tmp_path: Path) -> Path:
    """A folder that looks like a kernel's source and builds in a moment."""
    folder = tmp_path / "fake-kernel"
    shutil.copytree(FAKES / "kernel", folder)
    return folder
