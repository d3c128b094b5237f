# SPDX-License-Identifier: GPL-2.0-only
"""A build tells whoever looks at the results how far it is, before there is a run."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.build import Step
from lab.builder import Builder, Silent
from lab.process.deadline import Deadline
from lab.results import hosts
from lab.results.hosts import Doing
from lab.results.under_way import being_built


def test_each_step_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "EVERY_S", 0.01)
    builder = cast(
        Any, SimpleNamespace(loaded=SimpleNamespace(results=tmp_path), listener=Silent())
    )
    with Builder._stepping(builder, "6.1") as step:
        step(Step("CC", "mm/gup.o", 3, 1400))
        said = Doing(platform.node(), "6.1", "CC mm/gup.o, step 3 of 1400")
        deadline = Deadline("a row", 30)
        while being_built(tmp_path) != (said,):
            assert deadline.left_s > 0
            time.sleep(0.01)
    assert being_built(tmp_path) == ()


def test_results_that_cannot_be_written_stop_no_build(tmp_path: Path) -> None:
    (tmp_path / "building").write_text("in the way")
    builder = cast(
        Any, SimpleNamespace(loaded=SimpleNamespace(results=tmp_path), listener=Silent())
    )
    with Builder._stepping(builder, "6.1") as step:
        step(Step("CC", "mm/gup.o"))
