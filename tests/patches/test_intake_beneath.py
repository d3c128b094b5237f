# SPDX-License-Identifier: GPL-2.0-only
"""What a series goes onto is named: the series that was taken in, or what was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.patches.intake import Intake, read_intake
from lab.patches.scratch_tree import patch_id
from tests.patches.test_intake import diff


def taken(folder: Path, title: str, content: bytes, *trailers: str) -> Intake:
    path = folder / f"{title}.eml"
    head = f"From: d@example.org\nMessage-ID: <{title}@example.org>\nSubject: [PATCH] {title}\n\n"
    end = "".join(f"{trailer}\n" for trailer in trailers)
    path.write_bytes(f"{head}Why.\n---\n".encode() + content + f"-- \n2.39\n\n{end}".encode())
    intake = read_intake(str(path), folder / "patches")
    intake.write()
    return intake


@pytest.mark.parametrize(
    "trailer",
    [
        f"prerequisite-patch-id: {patch_id(diff(4))}",
        "prerequisite-message-id: <below@example.org>",
        "Based-on: <below@example.org>",
        "Depends-on: below@example.org",
    ],
)
def test_what_was_taken_in_is_named(tmp_path: Path, trailer: str) -> None:
    taken(tmp_path, "below", diff(4))
    above = taken(tmp_path, "above", diff(14), trailer)
    assert above.choice.notes == ("it goes onto below: lab verify NAME KERNEL+below",)


def test_what_was_not_is_named_too(tmp_path: Path) -> None:
    missing = "0" * 40
    above = taken(
        tmp_path,
        "above",
        diff(14),
        f"prerequisite-patch-id: {missing}",
        "Based-on: <x@example.org>",
    )
    assert above.choice.notes == (
        f"it goes onto what was not taken in yet: {missing}",
        "it goes onto what was not taken in yet: x@example.org",
    )
    assert missing in (above.folder / "origin.toml").read_text()


def test_a_series_that_stands_alone_has_no_note(tmp_path: Path) -> None:
    taken(tmp_path, "below", diff(4))
    assert taken(tmp_path, "above", diff(14), "Fixes: below@example.org").choice.notes == ()
