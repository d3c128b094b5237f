# SPDX-License-Identifier: GPL-2.0-only
"""Files of the cache and the results, as a power cut or a person may have left them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.errors import InfrastructureError
from lab.filesystems.mkfs import known_to_mkfs
from lab.guest.command import CommandResult
from lab.guest.qemu.saved_state import SEALED, find_state
from lab.guest.qemu.tsc import host_tsc_khz
from lab.host.boot_id import boot_id
from lab.image.sources import up_to_date
from lab.nightly.state import Memory
from lab.process.seal import seal
from lab.process.stored import parse_stored, read_stored
from lab.trees.tree import load_tree

#: What is no document of the lab's, whichever it is.
SHAPES = (
    b"", b"null", b"[]", b"{}", b"0", b'"x"', b"[1, [2]]", b'{"a": 1}', b'{"identity": []}',
    b"{", b'{"format": 2', b"\xff\xfe\0", b"\0" * 4096, b"[" * 100_000, b"NaN", b"1" * 5000,
    b'{"format": 2, "baseline": 3, "known": {"a": [[1]]}}',
)  # fmt: skip


@dataclass(frozen=True)
class Thing:
    name: str
    sizes: tuple[int, ...] = ()


@pytest.mark.parametrize("content", SHAPES)
def test_other_shapes_are_not_there(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    assert read_stored(path, Thing) is None
    with pytest.raises(ValueError) as error:
        parse_stored(content, Thing)
    assert len(str(error.value).splitlines()) == 1


def test_what_was_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(asdict(Thing("a", (1, 2))) | {"more": 3}))
    assert read_stored(tmp_path / "x.json", Thing) == Thing("a", (1, 2))
    assert read_stored(tmp_path, Thing) is None
    assert read_stored(tmp_path / "no", Thing) is None


@pytest.mark.parametrize("content", SHAPES)
def test_no_reader_of_the_cache_falls_over(tmp_path: Path, content: bytes) -> None:
    for name in ("state.json", "tree.json", "sources.json", "tsc.json"):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "source").mkdir()
    (tmp_path / "manifest").write_text("")
    assert find_state(tmp_path.parent, tmp_path.name) is None
    assert load_tree(tmp_path) is None
    assert up_to_date(tmp_path, "recipe") is None


@pytest.mark.parametrize("content", SHAPES)
def test_a_nightly_s_memory_is_not_made_again(tmp_path: Path, content: bytes) -> None:
    """What it knew nobody can make again: said, with what to do."""
    path = tmp_path / "memory.json"
    path.write_bytes(content)
    with pytest.raises(InfrastructureError, match="cannot be read") as error:
        Memory.load(path)
    assert "move it away" in str(error.value)


STATE: dict[str, Any] = {
    "sizes": [["ram", 1], ["devices", 1], ["kernel", 1], ["console.log", 1]],
    "host_key": "ab" * 32,
    "login": "lab-x",
    "used_ports": 1,
    "prepared": asdict(CommandResult(0, "", "", 0.1)),
    "checksums": [["ram", 1]],
}


def state(folder: Path, change: Callable[[dict[str, Any]], object]) -> bool:
    document = json.loads(json.dumps(STATE))
    change(document)
    for name in ("ram", "devices", "kernel", "console.log"):
        (folder / name).write_bytes(b"x")
    (folder / "state.json").write_text(json.dumps(document))
    seal(folder, SEALED)
    return find_state(folder.parent, folder.name) is not None


def test_a_state_that_is_whole(tmp_path: Path) -> None:
    assert state(tmp_path, lambda _: None)


@pytest.mark.parametrize("name", SEALED)
def test_a_state_with_a_flipped_bit_is_none(tmp_path: Path, name: str) -> None:
    assert state(tmp_path, lambda _: None)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes().replace(b"x", b"y", 1))
    assert find_state(tmp_path.parent, tmp_path.name) is None


@pytest.mark.parametrize(
    "change",
    [
        {"host_key": "ab" * 31},
        {"host_key": "ab" * 33},
        {"host_key": "xy" * 32},
        {"used_ports": "a"},
        {"used_ports": -1},
        {"used_ports": 5},
        {"used_ports": None},
        {"login": ""},
        {"login": ["x"]},
        {"sizes": []},
        {"sizes": [["ram", 2]]},
        {"sizes": [["../../ram", 1]]},
        {"sizes": {"ram": 1}},
        {"prepared": None},
        {"prepared": {"status": 0}},
        {"prepared": {**STATE["prepared"], "status": "x"}},
    ],
)
def test_a_state_of_another_shape_is_made_again(tmp_path: Path, change: dict[str, Any]) -> None:
    assert not state(tmp_path, lambda document: document.update(change))


@pytest.mark.parametrize("khz", ['"a"', "-1", "0", "[1]", "1.5"])
def test_a_frequency_that_is_none_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, khz: str
) -> None:
    monkeypatch.setattr("lab.guest.qemu.tsc._steady", lambda _: True)
    monkeypatch.setattr("lab.guest.qemu.tsc._measure", lambda: 123)
    (tmp_path / "tsc.json").write_text(f'{{"boot": "{boot_id()}", "khz": {khz}}}')
    assert host_tsc_khz(tmp_path) == 123


@pytest.mark.slow
@pytest.mark.parametrize("content", [b'"abc"', b"[1]", b"5", b"{}", b"[[]]"])
def test_what_mkfs_knows_is_asked_again(tmp_path: Path, content: bytes) -> None:
    known = known_to_mkfs("ext4", tmp_path)
    (answer,) = (tmp_path / "mkfs").iterdir()
    answer.write_bytes(content)
    assert known_to_mkfs("ext4", tmp_path) == known
    assert json.loads(answer.read_text())
