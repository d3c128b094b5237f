# SPDX-License-Identifier: GPL-2.0-only
"""Each measured number is shown by its own view, and by none where it has none."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lab.analysis.claims import Claims, find_pairs
from lab.model.metric import Metric
from lab.report import print_run
from lab.report.claims import claims_to_markdown, report_claims
from lab.report.metrics.view import VIEWS, charts
from tests.analysis.test_claims import DIGEST, FAST, failed, recorded
from tests.doors.metric_view import SYNC
from tests.results.made import job, result, run, slow_and_fast

METRIC = Metric("sync_s", (), 2.5)


def printed() -> str:
    stream = io.StringIO()
    measured = result("a", metrics=(METRIC, *slow_and_fast()))
    print_run(run(job(measured)), Console(file=stream, highlight=False))
    return stream.getvalue()


def claimed(metric: str) -> str:
    measure = {"metric": metric, "of": {}, "at_most": 9}
    shows = {**FAST["shows"][0], "tests": ["a"], "measure": [measure]}
    claims = Claims.model_validate({"source": "a mail", "claim": [{**FAST, "shows": [shows]}]})
    pairs = find_pairs([recorded(failed(), patched=(result("a", metrics=(METRIC,)),))], DIGEST,
                       ["6.1"])  # fmt: skip
    return claims_to_markdown(report_claims("fix", claims, pairs))


def test_a_number_without_a_view_is_shown_as_no_other() -> None:
    text = printed()
    assert text.count("ns a page") == 1
    assert "sync" not in text
    assert "nanoseconds" not in claimed("sync_s")
    assert [*charts([result(metrics=(METRIC,))])] == []
    assert [chart.title for chart in charts([result(metrics=slow_and_fast())])] == [
        "First access on ext4-dax, ns a page"
    ]


def test_another_view_is_a_module_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VIEWS, "sync", SYNC)
    assert "Seconds of a sync\n  ext4-dax → 2.5\n" in printed()
    text = claimed("sync_s")
    assert "\nSync, seconds:\n\n| kernel | seconds |\n| --- | --- |\n| 6.1 | 2.5 |\n" in text
    assert "nanoseconds" not in text
    assert [chart.title for chart in charts([result(metrics=(METRIC,))])] == ["Syncs"]
