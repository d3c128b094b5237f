# SPDX-License-Identifier: GPL-2.0-only
"""What of a store is damaged, and what can go: nothing that somebody may be about to name."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lab.store.door import Door, Unusable
from lab.store.gc import GRACE_S, StoreRemoval, carry_out, clock, plan_store_removal
from lab.store.inventory import take_inventory, with_contents_read
from tests.store.conftest import Machine, blobs, manifests

pytestmark = pytest.mark.slow


def put(machine: Machine, key: str, size: int = 1000) -> None:
    """An entry of one file of its own."""
    source = machine.cache.parent / key
    source.write_bytes(key.encode() * (size // len(key)))
    assert machine.store.push("programs", key, {"file": source})


def door(machine: Machine) -> Door:
    return machine.store.door


def age(folder: Path, seconds: float = GRACE_S + 60) -> None:
    for path in folder.rglob("*"):
        when = path.stat().st_mtime - seconds
        os.utime(path, (when, when))


def plan(machine: Machine, budget: int | None = None) -> StoreRemoval:
    return plan_store_removal(take_inventory(door(machine)), clock(door(machine)), budget)


def test_all_is_whole(one: Machine, folder: Path) -> None:
    put(one, "one")
    put(one, "two")
    found = take_inventory(door(one))
    entries = [with_contents_read(door(one), entry, {}) for entry in found.entries]
    assert [(entry.kind, entry.key, entry.trouble) for entry in entries] == [
        ("programs", "one", ""),
        ("programs", "two", ""),
    ]
    age(folder)
    removal = plan(one)
    assert (removal.entries, removal.contents, removal.before) == ((), (), removal.after)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: path.unlink(), "the content of its file is gone"),
        (lambda path: path.write_bytes(b"x"), "its file is not whole"),
        (lambda path: path.write_bytes(b"x" * path.stat().st_size), "is not what was put there"),
    ],
)
def test_a_damaged_content_is_found(one: Machine, folder: Path, harm: object, words: str) -> None:
    put(one, "one")
    (path,) = blobs(folder)
    harm(path)  # type: ignore[operator]
    (entry,) = take_inventory(door(one)).entries
    assert words in with_contents_read(door(one), entry, {}).trouble


def test_a_damaged_manifest_goes_and_what_it_named(one: Machine, folder: Path) -> None:
    put(one, "one")
    put(one, "two")
    (first, _) = manifests(folder)
    first.write_text("{}")
    (entry, _) = take_inventory(door(one)).entries
    assert entry.trouble.startswith("its manifest: it cannot be read")
    assert plan(one).entries == ()
    age(folder)
    removal = plan(one)
    assert [entry.key for entry, _ in removal.entries] == ["one"]
    assert carry_out(door(one), removal, lambda _: None).freed == 999
    assert len(manifests(folder)) == len(blobs(folder)) == 1
    assert one.store.has("programs", "two")


def test_what_nothing_names_goes_after_a_day(one: Machine, folder: Path) -> None:
    """Contents come before their manifest: what is young is somebody's that pushes now."""
    put(one, "one")
    put(one, "two")
    manifests(folder)[0].unlink()
    part = blobs(folder)[0].with_name(".x.part")
    part.write_bytes(b"half")
    assert plan(one).contents == ()
    age(folder)
    names = {Path(found.name).name for found in plan(one).contents}
    assert names == {".x.part", *(path.name for path in blobs(folder) if path != part)} - named(one)


def named(machine: Machine) -> set[str]:
    found = take_inventory(door(machine))
    return {Path(name).name for name in found.named_by(iter(found.entries))}


def test_a_content_that_two_name_stays(one: Machine, folder: Path) -> None:
    put(one, "one")
    source = one.cache.parent / "one"
    assert one.store.push("programs", "other", {"file": source})
    manifests(folder)[0].write_text("{}")
    age(folder)
    removal = plan(one)
    assert (len(removal.entries), removal.contents) == (1, ())


def test_the_oldest_goes_beyond_a_budget(one: Machine, folder: Path) -> None:
    for number, key in enumerate(("aaa", "bbb", "ccc")):
        put(one, key)
        age(folder, (3 - number) * GRACE_S)
    assert [entry.key for entry, _ in plan(one, 3000).entries] == []
    assert [entry.key for entry, _ in plan(one, 2000).entries] == ["aaa"]
    assert [entry.key for entry, _ in plan(one, 1).entries] == ["aaa", "bbb", "ccc"]
    assert plan(one, 1).after == 0


def test_who_pushes_trusts_no_old_content(one: Machine, folder: Path) -> None:
    """It may be about to go; it is put there again, and is young then."""
    put(one, "one")
    manifests(folder)[0].unlink()
    age(folder)
    put(one, "one")
    (path,) = blobs(folder)
    assert time.time() - path.stat().st_mtime < 3600
    assert plan(one).contents == ()


def test_what_is_put_there_anew_meanwhile_stays(one: Machine, two: Machine, folder: Path) -> None:
    """It was removed by its name: who had put it there was not asked, and it was damaged."""
    put(one, "one")
    put(one, "two")
    manifests(folder)[0].write_text("{}")
    age(folder)
    removal = plan(one)
    assert (len(removal.entries), len(removal.contents)) == (1, 1)
    put(two, "one")
    told: list[str] = []
    went = carry_out(door(one), removal, told.append)
    assert (went.entries, went.contents, went.freed, told) == ((), (), 0, [])
    assert went.after == went.before
    assert two.store.has("programs", "one")


def test_a_store_that_cannot_be_listed_loses_nothing(
    one: Machine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Manifests that are not seen name nothing: their contents would go."""
    put(one, "one")
    age(folder)
    place = one.store.door._place
    real = place._fs.ls  # type: ignore[union-attr]

    def refused(path: str, detail: bool) -> object:
        if path.endswith("/programs"):
            raise PermissionError(13, "Permission denied")
        return real(path, detail=detail)

    monkeypatch.setattr(place._fs, "ls", refused)  # type: ignore[union-attr]
    with pytest.raises(Unusable, match="Permission denied"):
        take_inventory(door(one))


def test_the_clock_is_the_stores(one: Machine, folder: Path) -> None:
    assert abs(clock(door(one)) - time.time()) < 3600
    assert not list(folder.rglob("clock-*"))
