# SPDX-License-Identifier: GPL-2.0-only
"""What a series goes onto is named: the series that was taken in, or what was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import UserError
from lab.patches.beneath import beneath_of, doubt_of
from lab.patches.intake import Intake, read_intake
from lab.patches.origin import Layer, read_origin
from lab.patches.scratch_tree import patch_id
from lab.process.removal import remove_tree
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
    assert above.choice.notes == ("it goes onto below, which lab verify lays beneath it",)


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


def beneath(folder: Path, above: Intake) -> tuple[str, ...]:
    return beneath_of(folder / "patches", above.name, above.kept_origin)


def test_it_is_laid_beneath_and_pinned_by_patch_id(tmp_path: Path) -> None:
    taken(tmp_path, "lowest", diff(24))
    taken(tmp_path, "below", diff(4), "Based-on: <lowest@example.org>")
    above = taken(tmp_path, "above", diff(14), "Based-on: <below@example.org>")
    origin = read_origin(above.folder)
    assert origin is not None
    assert origin.beneath == (Layer("below", (patch_id(diff(4)),)),)
    assert origin.doubt == ""
    assert beneath(tmp_path, above) == ("lowest", "below")


def test_one_that_changed_since_is_refused_with_both_ids(tmp_path: Path) -> None:
    below = taken(tmp_path, "below", diff(4))
    above = taken(tmp_path, "above", diff(14), "Based-on: <below@example.org>")
    (below.folder / "0001-below.patch").write_bytes(diff(4, "other"))
    with pytest.raises(UserError) as raised:
        beneath(tmp_path, above)
    assert f"has the patch-id {patch_id(diff(4, 'other'))}, and had {patch_id(diff(4))}" in str(
        raised.value
    )
    (below.folder / "series").write_text("0001-below.patch\n0001-below.patch\n")
    (below.folder / "0001-below.patch").write_bytes(diff(4))
    with pytest.raises(UserError, match=r"its patch 2 has the patch-id .* and had no patch"):
        beneath(tmp_path, above)


def test_a_series_that_is_gone_is_named(tmp_path: Path) -> None:
    below = taken(tmp_path, "below", diff(4))
    above = taken(tmp_path, "above", diff(14), "Based-on: <below@example.org>")
    remove_tree(below.folder)
    with pytest.raises(UserError, match="there is no series 'below'"):
        beneath(tmp_path, above)


def test_a_circle_ends(tmp_path: Path) -> None:
    taken(tmp_path, "below", diff(4))
    above = taken(tmp_path, "above", diff(14), "Based-on: <below@example.org>")
    with (tmp_path / "patches/below/origin.toml").open("a") as file:
        file.write(f'[[beneath]]\nseries = "above"\npatch-ids = ["{patch_id(diff(14))}"]\n')
    with pytest.raises(UserError, match="above goes onto itself, by above, below"):
        beneath(tmp_path, above)


def test_what_is_missing_is_a_doubt_until_it_is_taken_in(tmp_path: Path) -> None:
    above = taken(tmp_path, "above", diff(14), "Based-on: <below@example.org>")
    origin = read_origin(above.folder)
    assert origin is not None
    assert origin.doubt == "without what it says it goes onto: below@example.org"
    assert beneath(tmp_path, above) == ()
    taken(tmp_path, "below", diff(4))
    again = taken(tmp_path, "above", diff(14), "Based-on: <below@example.org>")
    assert again.known
    found = read_origin(above.folder)
    assert found is not None
    assert (found.doubt, beneath(tmp_path, again)) == ("", ("below",))


def test_what_was_pinned_stays_pinned(tmp_path: Path) -> None:
    below = taken(tmp_path, "below", diff(4))
    taken(tmp_path, "above", diff(14), "Based-on: <below@example.org>")
    (below.folder / "0001-below.patch").write_bytes(diff(4, "other"))
    again = taken(tmp_path, "above", diff(14), "Based-on: <below@example.org>")
    with pytest.raises(UserError, match="goes onto below as it was"):
        beneath(tmp_path, again)


def test_a_part_of_a_series_is_not_the_series(tmp_path: Path) -> None:
    below = taken(tmp_path, "below", diff(4))
    with (below.folder / "origin.toml").open("a") as file:
        file.write('[[patch]]\nfile = "2.patch"\npatch-id = "1"\n')
    name = patch_id(diff(4))
    above = taken(tmp_path, "above", diff(14), f"prerequisite-patch-id: {name}")
    assert (above.choice.beneath, above.choice.missing) == ((), (name,))


def test_a_doubt_of_what_lies_beneath_is_one_of_the_series(tmp_path: Path) -> None:
    lowest = taken(tmp_path, "lowest", diff(24))
    below = taken(tmp_path, "below", diff(4), "Based-on: <lowest@example.org>")
    above = taken(tmp_path, "above", diff(14), "Based-on: <below@example.org>")
    assert doubt_of(above.folder) == ""
    origin = lowest.folder / "origin.toml"
    origin.write_text(origin.read_text() + 'not-proved = "no index line"\n')
    said = "lowest, beneath it: rebuilt, not proved to be what was sent: "
    assert doubt_of(above.folder) == f"{said}0001-lowest.patch: no index line"
    assert doubt_of(lowest.folder) == said.split(": ", 1)[1] + "0001-lowest.patch: no index line"
    (below.folder / "0001-below.patch").write_bytes(diff(4, "other"))
    assert doubt_of(above.folder).startswith("above goes onto below as it was: its patch 1 has")
