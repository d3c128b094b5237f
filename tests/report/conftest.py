# SPDX-License-Identifier: GPL-2.0-only
"""A report of a bad night, written once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.report.site.publish import publish
from lab.results import Store
from tests.report.recorded import record


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a report: a crash, a regression, known failures, hostile text."""
    results = tmp_path_factory.mktemp("night") / "results"
    record(results, nights=4)
    with Store.open(results / "lab.db") as store:
        yield publish(store, results).parent
