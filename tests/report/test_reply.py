# SPDX-License-Identifier: GPL-2.0-only
"""The mail back: the facts, and a tag only where the record bears it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import pytest

from lab.analysis.verdict import Verdict
from lab.errors import UserError
from lab.model.records import JobRecord, RunRecord
from lab.model.status import Outcome, Status
from lab.patches import Series, load_series
from lab.patches.intake import read_intake
from lab.patches.origin import Origin, read_origin
from lab.report.reply import Person, Reply, answers, read_verdicts, reply
from tests.results.made import EVIDENCE, job, result, run

MAIL = """\
From: A. Developer <dev@example.org>
Date: Mon, 1 Jun 2020 10:00:00 +0200
Message-ID: <20200601-dax-1@example.org>
Subject: [PATCH v2] mm: populate the whole range

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
PERSON = Person("Test Er", "er@example.org")
NAME = "mm-populate-the-whole-range-v2"
ROW = {"kernel": "6.1", "verdict": "fixed", "why": "1 test"}
Kept = tuple[Series, Origin]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    path = tmp_path / "mail.mbox"
    path.write_text(MAIL)
    intake = read_intake(str(path), tmp_path)
    intake.write()
    return again(tmp_path)


def again(tmp_path: Path) -> Kept:
    origin = read_origin(tmp_path / NAME)
    assert origin is not None
    return load_series(tmp_path, NAME), origin


def sides(series: Series, base: Status = Status.FAIL, patched: Status = Status.PASS) -> RunRecord:
    return run(*both(series, [result(status=base)], [result(status=patched)]))


def both(series: Series, base: list[Any], patched: list[Any]) -> tuple[JobRecord, JobRecord]:
    variant = f"6.1+{NAME}"
    without = replace(EVIDENCE, series_digests=(), build_key="a")
    with_it = replace(without, series_digests=((NAME, series.digest),), build_key="b")
    return (
        replace(job(*base), evidence=without),
        replace(
            job(*(replace(one, variant=variant) for one in patched), variant=variant),
            evidence=with_it,
        ),
    )


def mail(record: RunRecord, kept: Kept, *rows: Any, person: Person | None = PERSON) -> Reply:
    found = answers(record, NAME, rows or [ROW], ("*",), ())
    return reply(record, kept[0], kept[1], found, person)


def test_the_whole_mail(kept: Kept) -> None:
    text = mail(sides(kept[0]), kept).text
    assert text == (
        "From: Test Er <er@example.org>\n"
        'To: "A. Developer" <dev@example.org>\n'
        "Subject: Re: [PATCH v2] mm: populate the whole range\n"
        "In-Reply-To: <20200601-dax-1@example.org>\n"
        "References: <20200601-dax-1@example.org>\n"
        'Content-Type: text/plain; charset="utf-8"\n'
        "Content-Transfer-Encoding: 8bit\n"
        "MIME-Version: 1.0\n"
        "\n"
        "On Mon, 1 Jun 2020 10:00:00 +0200, A. Developer <dev@example.org> wrote:\n"
        "> [PATCH v2] mm: populate the whole range\n"
        "\n"
        "Tested each kernel without these patches and with them:\n"
        "\n"
        "  6.1: fixed: 1 test, 0 pass before and after\n"
        "\n"
        "What ran:\n"
        "  6.1: kernel 6.1.192, QEMU 7.2.17, accelerator tcg, config default\n"
        "    (none), machine default\n"
        "    mlock on ext4-dax: 1 tests\n"
        "\n"
        "Tested-by: Test Er <er@example.org>\n"
    )


@pytest.mark.parametrize(
    ("base", "patched"),
    [
        (Status.FAIL, Status.FAIL),
        (Status.PASS, Status.FAIL),
        (Status.FAIL, Status.TIMEOUT),
        (Status.TIMEOUT, Status.PASS),
        (Status.FAIL, Status.SKIP),
        (Status.ERROR, Status.PASS),
        (Status.PASS, Status.PASS),
    ],
)
def test_a_verdict_that_the_record_does_not_bear_has_no_tag(
    kept: Kept, base: Status, patched: Status
) -> None:
    """Whatever the file of the run says."""
    found = mail(sides(kept[0], base, patched), kept)
    assert "Tested-by" not in found.text
    assert "6.1: inconclusive: it was called fixed" in found.text
    assert found.why_no_tag.startswith("6.1: inconclusive")


@pytest.mark.parametrize(
    "row",
    [
        {"kernel": "4.2", "verdict": "inconclusive", "why": "v4.2: no network"},
        {"kernel": "4.2", "verdict": "does not apply", "why": "0001: hunk 1"},
        {"kernel": "4.2", "verdict": "already fixed upstream", "why": "1 passes"},
        {"kernel": "4.2", "verdict": "regressed", "why": "1 test"},
        {"kernel": "4.2", "verdict": "fixed", "why": "1 test"},
        {"kernel": "4.2", "verdict": "no change", "why": "2 pass before and after"},
    ],
)
def test_each_kernel_that_was_asked_for_counts(kept: Kept, row: dict[str, str]) -> None:
    found = mail(sides(kept[0]), kept, ROW, row)
    assert "Tested-by" not in found.text
    assert found.why_no_tag.startswith("4.2: ")
    assert "  4.2: nothing\n" in found.text


@pytest.mark.parametrize(("expected", "tagged"), [("no change", True), ("fixed", False)])
def test_what_still_passes_bears_a_tag_where_that_is_expected(
    kept: Kept, expected: str, tagged: bool
) -> None:
    record = sides(kept[0], Status.PASS, Status.PASS)
    row = {**ROW, "verdict": "no change"}
    (answer,) = answers(record, NAME, [row], ("*",), ())
    assert {test.verdict for test in answer.tests} == {Verdict.STILL_PASSING}
    found = reply(record, *kept, [replace(answer, expected=Outcome(expected))], PERSON)
    assert ("Tested-by: Test Er" in found.text) is tagged


def test_what_fails_before_and_after_bears_none(kept: Kept) -> None:
    record = sides(kept[0], Status.FAIL, Status.FAIL)
    (answer,) = answers(record, NAME, [{**ROW, "verdict": "no change"}], ("*",), ())
    expected = replace(answer, expected=Outcome.NO_CHANGE)
    assert "Tested-by" not in reply(record, *kept, [expected], PERSON).text


def edit_before(tmp_path: Path) -> None:
    patch = next((tmp_path / NAME).glob("*.patch"))
    patch.write_text(patch.read_text().replace("+A2", "+B2"))


def edit_white_space(tmp_path: Path) -> None:
    patch = next((tmp_path / NAME).glob("*.patch"))
    patch.write_text(patch.read_text().replace("+A2", "+A 2"))


def doubt(tmp_path: Path) -> None:
    origin = tmp_path / NAME / "origin.toml"
    origin.write_text(origin.read_text() + 'not-proved = "no index line"\n')


def doubt_beneath(tmp_path: Path) -> None:
    below = tmp_path / "below.mbox"
    text = MAIL.replace("dax-1", "dax-0").replace("populate the whole", "count the")
    below.write_text(text.replace("gup.c", "mmap.c"))
    intake = read_intake(str(below), tmp_path)
    intake.write()
    assert intake.kept_origin is not None
    (patch,) = intake.kept_origin.patches
    with (intake.folder / "origin.toml").open("a") as file:
        file.write('not-proved = "no index line"\n')
    with (tmp_path / NAME / "origin.toml").open("a") as file:
        file.write(f'[[beneath]]\nseries = "{intake.name}"\npatch-ids = ["{patch.patch_id}"]\n')


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (edit_before, "is not as it was sent"),
        (edit_white_space, "is not as it was sent"),
        (doubt, "not proved"),
        (doubt_beneath, "mm-count-the-range-v2, beneath it: rebuilt, not proved"),
    ],
)
def test_another_patch_than_was_sent_bears_none(
    tmp_path: Path, kept: Kept, change: Callable[[Path], None], why: str
) -> None:
    change(tmp_path)
    series, origin = again(tmp_path)
    found = mail(sides(series), (series, origin))
    assert "Tested-by" not in found.text
    assert why in found.why_no_tag


def test_a_series_that_was_changed_since_the_run_bears_none(tmp_path: Path, kept: Kept) -> None:
    record = sides(kept[0])
    edit_before(tmp_path)
    assert "was changed since" in mail(record, again(tmp_path)).why_no_tag


def test_a_run_that_did_not_finish_bears_none(kept: Kept) -> None:
    found = mail(replace(sides(kept[0]), finished=None), kept)
    assert "Tested-by" not in found.text
    assert "did not finish" in found.text


def test_a_commit_that_a_mail_became_is_named(kept: Kept) -> None:
    series, origin = kept
    assert "commit" not in mail(sides(series), kept).text
    taken = tuple(replace(patch, commit="1027e4436b6a" + 28 * "0") for patch in origin.patches)
    found = mail(sides(series), (series, replace(origin, patches=taken)))
    assert "What was tested was commit 1027e4436b6a\n" in found.text
    several = replace(origin, patches=(*taken, replace(taken[0], file="2", commit="b" * 40)))
    found = mail(sides(series), (series, several))
    assert "What was tested was commits 1027e4436b6a to bbbbbbbbbbbb\n" in found.text


def test_nobody_without_a_name_gives_a_tag(kept: Kept) -> None:
    found = mail(sides(kept[0]), kept, person=None)
    assert "Tested-by" not in found.text
    assert "user.name" in found.why_no_tag


@pytest.mark.parametrize(
    "hostile",
    [
        "x\nBcc: everybody@example.org",
        "x\r\nBcc: everybody@example.org\r\n\r\nTested-by: E. Vil <e@example.org>",
        "x\n\nTested-by: E. Vil <e@example.org>",
        "=?utf-8?q?x=0ABcc=3A_everybody=40example=2Eorg?=",
        "\u2028Tested-by: E. Vil <e@example.org>\u2029\x0b\x0c\x85",
        "ü" * 3000,
    ],
)
def test_nothing_hostile_becomes_a_header_or_a_tag(kept: Kept, hostile: str) -> None:
    patches = tuple(
        replace(patch, author=f"{hostile} <dev@example.org>", date=hostile)
        for patch in kept[1].patches
    )
    origin = replace(kept[1], headline=hostile, subject=hostile, patches=patches)
    rows = [{"kernel": "4.2", "verdict": "does not apply", "why": hostile}]
    text = mail(sides(kept[0]), (kept[0], origin), *rows).text
    read = message_from_string(text, policy=policy.default)
    assert set(read.keys()) <= {
        *("From", "To", "Subject", "In-Reply-To", "References", "MIME-Version"),
        *("Content-Type", "Content-Transfer-Encoding"),
    }
    body = text.partition("\n\n")[2]
    assert not any(line.startswith(("Tested-by", "Bcc")) for line in body.split("\n"))
    assert all(len(line) <= 72 for line in body.split("\n"))


@pytest.mark.parametrize("identity", ["a@b>\nBcc: <x@example.org", "a b@c", "ä@example.org"])
def test_a_hostile_message_id_is_left_out(kept: Kept, identity: str) -> None:
    text = mail(sides(kept[0]), (kept[0], replace(kept[1], identity=identity))).text
    assert "In-Reply-To" not in text
    assert "Bcc" not in text


def test_a_long_message_id_stays_in_one_piece(kept: Kept) -> None:
    identity = "a" * 200 + "@example.org"
    text = mail(sides(kept[0]), (kept[0], replace(kept[1], identity=identity))).text
    assert f"\nIn-Reply-To: <{identity}>\n" in text


def test_the_verdicts_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.json"
    with pytest.raises(UserError, match="verified no series"):
        read_verdicts(path)
    for damaged in ("{", "[]", '{"series": "x", "kernels": [{"kernel": "6.1"}]}'):
        path.write_text(damaged)
        with pytest.raises(UserError, match="cannot be read"):
            read_verdicts(path)
    path.write_text(json.dumps({"series": "x", "kernels": [ROW]}))
    assert read_verdicts(path) == ("x", [ROW])
