# SPDX-License-Identifier: GPL-2.0-only
"""The summary of a GitHub step: read as its runner reads a log, and as a page shows Markdown."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from lab.errors import UserError
from lab.model.records import RunRecord
from lab.model.status import Status
from lab.patches import load_series
from lab.report.export.annotation import Annotation
from lab.report.export.exporter import exported
from lab.report.export.forms import Place
from tests.results.made import EVIDENCE, job, result, run

PATCH = """\
Subject: [PATCH] mm: populate the whole range

It stopped.
---
diff --git a/mm/gup.c b/mm/gup.c
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -1,3 +1,3 @@
 a1
-a2
+A2
 a3
"""
HOSTILE = (
    "x %0A \r\n::error::no -->\n--!> ##[error]no | <b>b</b> [a](http://b) `c <i>i</i> <!-- :, "
)
KERNEL = "6.1"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A checkout with the series ``fix``."""
    folder = tmp_path / "patches" / "fix"
    folder.mkdir(parents=True)
    (folder / "series").write_text("one.patch\n")
    (folder / "one.patch").write_text(PATCH)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    return Place(results=tmp_path / "results", patches=tmp_path / "patches")


def both(place: Place, name: str = "fix") -> RunRecord:
    """6.1 without the series, which fails, and with it."""
    assert place.patches is not None
    patches = tuple(
        (f"{name}/{patch.name}", patch.digest)
        for patch in load_series(place.patches, "fix").patches
    )
    variant = f"{KERNEL}+{name}"
    with_it = job(replace(result("a"), variant=variant), variant=variant)
    return run(
        job(result("a", Status.FAIL)),
        replace(with_it, evidence=replace(EVIDENCE, patches=patches)),
    )


def turned(test: str, verdict: str = "regressed", patched: str = "fail") -> dict[str, Any]:
    sides = {"base": "pass", "patched": patched, "verdict": verdict}
    return {"kernel": KERNEL, "filesystem": "ext4-dax", "suite": "s", "test": test, **sides}


def write(place: Place, record: RunRecord, name: str, document: Any) -> None:
    assert place.results is not None
    path = place.results / record.id / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def verified(place: Place, verdict: str, tests: Any = (), **more: Any) -> RunRecord:
    record = both(place)
    patches = [{"patch": "one.patch", "fit": "applies, at its lines"}]
    row: dict[str, Any] = {
        "kernel": KERNEL,
        "verdict": verdict,
        "expected": "fixed",
        "patches": patches,
    }
    row |= {"as_expected": verdict == "fixed", "why": "as it is", **more}
    status = 0 if row["as_expected"] else 1
    document = {"series": "fix", "exit_status": status, "kernels": [row], "verdicts": list(tests)}
    write(place, record, "verdicts.json", document)
    return record


def commands(text: str) -> list[str]:
    """What the runner takes for commands in a step's output."""
    assert "##[" not in text
    return [line for line in re.split("[\r\n]+", text) if line.lstrip().startswith("::")]


def shown(text: str) -> str:
    return str(MarkdownIt("commonmark").enable("table").render(text))


def test_the_hunk_of_a_patch_that_regressed_is_marked(place: Place) -> None:
    record = verified(place, "regressed", [turned("a"), turned("b", "fixed", "pass")])
    text = exported(record, "github", place)
    (command,) = commands(text)
    found = re.fullmatch(r"::error file=(.+),line=(\d+),title=(.+?)::(.+)", command)
    assert found is not None
    assert found[1] == "patches/fix/one.patch"
    assert PATCH.splitlines()[int(found[2]) - 1].startswith("@@ ")
    assert found[3] == "lab%3A fix on 6.1"
    assert found[4] == "as it is%0Aa on ext4-dax: pass → fail"
    assert text.startswith("## lab: not as expected\n")


def test_a_page_shows_no_annotation(place: Place) -> None:
    text = exported(verified(place, "regressed", [turned(HOSTILE)], why=HOSTILE), "github", place)
    visible = re.sub("(?s)<!--.*?-->", "", shown(text))
    assert "::error file" not in visible
    assert text.endswith("\n-->\n")


def test_nothing_hostile_is_a_command_or_markup(place: Place) -> None:
    record = verified(place, "regressed", [turned(HOSTILE)], why=HOSTILE, kernel=KERNEL)
    text = exported(record, "github", place)
    (command,) = commands(text)
    assert "x %250A " in command
    plain = exported(run(job(result(HOSTILE, Status.FAIL, message=HOSTILE))), "github")
    assert commands(plain) == []
    for page in (shown(text), shown(plain)):
        visible = re.sub("(?s)<!--.*?-->", "", page)
        assert re.findall("<(?:a|b|i|img|!--)|-->", visible) == []


def test_what_a_property_may_not_hold() -> None:
    annotation = Annotation("a,b:c%\n", 3, "t:,", "m:,%\r\n")
    assert str(annotation) == "::error file=a%2Cb%3Ac%25%0A,line=3,title=t%3A%2C::m:,%25%0A"


def test_a_base_that_fails_is_no_news_where_the_patch_is_fixed(place: Place) -> None:
    text = exported(verified(place, "fixed"), "github", place)
    assert text.startswith("## lab: all as expected\n")
    assert "- `6.1`: **fixed**: as it is" in text
    assert "Not as expected" not in text
    assert commands(text) == []


def test_a_run_cut_short_is_no_success(place: Place) -> None:
    record = replace(verified(place, "fixed"), finished=None)
    assert exported(record, "github", place).startswith("## lab: no verdict")


def test_an_expected_regression_is_not_marked(place: Place) -> None:
    record = verified(place, "regressed", expected="regressed", as_expected=True)
    assert commands(exported(record, "github", place)) == []


def test_a_patch_that_was_edited_since_is_not_marked(place: Place) -> None:
    record = verified(place, "regressed")
    assert place.patches is not None
    (place.patches / "fix" / "one.patch").write_text(f"X: y\n{PATCH}")
    text = exported(record, "github", place)
    assert commands(text) == []
    assert "No line is marked of `one.patch`: it is not what was tested" in text


def test_a_patch_of_a_series_that_is_bad_is_marked(place: Place) -> None:
    record = both(place, "fix@1")
    step = {"number": 1, "patch": "one.patch", "bad": "does not build", "unclear": "", "why": ""}
    kernel = {"kernel": KERNEL, "exit_status": 1, "steps": [step]}
    write(place, record, "steps.json", {"series": "fix", "kernels": [kernel]})
    text = exported(record, "github", place)
    (command,) = commands(text)
    assert command.endswith("::does not build")
    assert "- 1 `one.patch`: does not build" in text
    assert text.startswith("## lab: not as expected\n")


def test_github_keeps_ten(place: Place) -> None:
    record = both(place)
    step = {"number": 1, "patch": "one.patch", "bad": "does not boot", "unclear": "", "why": ""}
    kernels = [{"kernel": f"6.{n}", "exit_status": 1, "steps": [step]} for n in range(12)]
    write(place, record, "steps.json", {"series": "fix", "kernels": kernels})
    text = exported(record, "github", place)
    assert len(commands(text)) == 10
    assert "2 more patches got worse than are marked." in text


def test_what_is_not_as_expected_is_told(place: Place) -> None:
    results = (result("a", filesystem="a|b"), result("c", Status.CRASH, message="BUG at x"))
    text = exported(run(job(*results), job(error="QEMU died", variant="v4.2")), "github", place)
    assert text.startswith("## lab: not as expected\n")
    assert "`6.1` on `ext4-dax`: `mlock.c` crash, expected pass: BUG at x" in text
    assert "`v4.2`: QEMU died" in text
    rows = re.findall("<tr>.*?</tr>", shown(text), re.DOTALL)
    assert len(rows) == 4
    assert "<code>a¦b</code>" in rows[1]
    assert all(len(re.findall("<t[dh]", row)) == 10 for row in rows)


def test_damaged_verdicts_are_told(place: Place) -> None:
    record = both(place)
    write(place, record, "verdicts.json", {"series": "fix", "kernels": [{}], "exit_status": 0})
    with pytest.raises(UserError, match="cannot be read"):
        exported(record, "github", place)
