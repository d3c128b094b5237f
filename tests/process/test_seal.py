# SPDX-License-Identifier: GPL-2.0-only
"""What is taken from the cache is what was put there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lab.process.seal import SEAL, damage, file_digest, read_answer, seal, write_answer

NAMES = ["bzImage", "config"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).write_bytes(name.encode() * 1000)
    seal(tmp_path, NAMES)
    return tmp_path


def test_sha256sum_reads_the_seal(folder: Path) -> None:
    assert damage(folder, NAMES) is None
    subprocess.run(["sha256sum", "--status", "--strict", "-c", SEAL], cwd=folder, check=True)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_flipped_bit_is_seen(folder: Path) -> None:
    flip(folder / "bzImage")
    assert damage(folder, NAMES) == "its bzImage is not what was written"
    assert damage(folder, ["config"]) is None


def test_truncated_missing_and_unnamed(folder: Path) -> None:
    (folder / "config").write_bytes(b"config")
    assert damage(folder, NAMES) == "its config is not what was written"
    (folder / "config").unlink()
    assert damage(folder, NAMES) == "its config is gone"
    assert damage(folder, ["vmlinux"]) == "nothing says what its vmlinux was"


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"one two\n", b"abc  bzImage"])
def test_damaged_seal(folder: Path, text: bytes) -> None:
    (folder / SEAL).write_bytes(text)
    assert damage(folder, NAMES)


def test_digest_is_read_again_when_the_file_changed(folder: Path) -> None:
    before = file_digest(folder / "config")
    flip(folder / "config")
    assert file_digest(folder / "config") != before


def test_answer(tmp_path: Path) -> None:
    path = tmp_path / "below" / "answer.json"
    assert read_answer(path) is None
    write_answer(path, {"khz": 2445000})
    assert read_answer(path) == {"khz": 2445000}


@pytest.mark.parametrize(
    "text", ["", "[]", "5", "null", "{}", '{"value": 5}', '{"value": 5, "sha256": "0"}']
)
def test_answer_of_another_shape_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "answer").write_text(text)
    assert read_answer(tmp_path / "answer") is None


def test_answer_with_a_flipped_bit_is_none(tmp_path: Path) -> None:
    write_answer(tmp_path / "answer", 2445000)
    text = (tmp_path / "answer").read_text()
    assert json.loads(text)["value"] == 2445000
    (tmp_path / "answer").write_text(text.replace("2445000", "2445001"))
    assert read_answer(tmp_path / "answer") is None
