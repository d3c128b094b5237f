# SPDX-License-Identifier: GPL-2.0-only
"""What several stages' tests share: a tiny kernel that ``make`` really builds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

FAKES = Path(__file__).parent / "fakes"


@pytest.fixture(scope="session", autouse=True)
def own_state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the lab keeps of its own failures must not be in the home of who tests it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def fake_kernel(tmp_path: Path) -> Path:
    """A folder that looks like a kernel's source and builds in a moment."""
    folder = tmp_path / "fake-kernel"
    shutil.copytree(FAKES / "kernel", folder)
    return folder
