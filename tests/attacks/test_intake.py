# SPDX-License-Identifier: GPL-2.0-only
"""Mails that are made to hang, to fill, to lead elsewhere, or to be taken for others."""

from __future__ import annotations

import gzip
import random
from contextlib import suppress
from pathlib import Path

import pytest

from lab.errors import UserError
from lab.patches.intake import read_intake
from lab.patches.intake import source as intake_source
from tests.patches.test_intake import MAILS, diff

HEAD = "From: A <a@example.org>\nMessage-ID: <1@example.org>\nMIME-Version: 1.0\n"


def refused(folder: Path, content: bytes, said: str) -> None:
    path = folder / "mail.mbox"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_intake(str(path), folder / "patches")
    assert not (folder / "patches").exists()


def test_parts_in_parts(tmp_path: Path) -> None:
    deep = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(3000))
    refused(tmp_path, f"{HEAD}Subject: [PATCH] x\n{deep}".encode(), "mails lie in mails|more parts")


def test_mails_in_mails(tmp_path: Path) -> None:
    deep = "Content-Type: message/rfc822\n\nSubject: x\n" * 60
    refused(tmp_path, f"{HEAD}Subject: x\n{deep}\n".encode(), "mails lie in mails")


def test_many_parts(tmp_path: Path) -> None:
    many = "--b\nContent-Type: text/plain\n\nx\n" * 2000
    content = f"{HEAD}Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n{many}--b--\n"
    refused(tmp_path, content.encode(), "more parts than the lab looks through")


def test_many_mails(tmp_path: Path) -> None:
    mail = b"From a@example.org Mon Jun  1 10:00:00 2020\nSubject: x\n\nx\n"
    refused(tmp_path, mail * 5001, "it holds 5001 mails")


def test_a_series_of_ten_thousand(tmp_path: Path) -> None:
    content = f"{HEAD}Subject: [PATCH 1/10000] x\n\n".encode() + diff()
    refused(tmp_path, content, "the series has 10000 patches")


def test_what_unpacks_to_more_than_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_source, "_MOST_BYTES", 1 << 20)
    refused(tmp_path, gzip.compress(bytes(2 << 20)), "it has more than 1 MiB")
    refused(tmp_path, gzip.compress(b"x" * 5000)[:-9], "it cannot be unpacked")


@pytest.mark.parametrize(
    "title",
    ["../../../../etc/x", "/etc/passwd", ".git/hooks/x", "-p9 # versions: >=9", "..", "series"],
)
def test_a_title_leads_nowhere(title: str, tmp_path: Path) -> None:
    path = tmp_path / "mail.mbox"
    path.write_bytes(f"{HEAD}Subject: [PATCH] {title}\n\n".encode() + diff())
    intake = read_intake(str(path), tmp_path / "patches")
    intake.write()
    assert intake.folder.parent == tmp_path / "patches"
    patch, *others = sorted(path.name for path in intake.folder.iterdir())
    assert patch.startswith("0001-")
    assert others == ["origin.toml", "series"]
    assert len((intake.folder / "series").read_text().split()) == 1


@pytest.mark.parametrize("file", ["../../etc/passwd", ".git/config", "/etc/passwd"])
def test_a_path_that_leaves_the_tree(file: str, tmp_path: Path) -> None:
    content = f"{HEAD}Subject: [PATCH] x\n\n".encode() + diff(file=file)
    refused(tmp_path, content, "is not a path inside of the kernel's tree")


def test_headers_cannot_write_others(tmp_path: Path) -> None:
    path = tmp_path / "mail.mbox"
    subject = "=?UTF-8?B?W1BBVENIXSB4Ck1lc3NhZ2UtSWQ6IDxldmlsPgoKZGlmZiAtLWdpdCBhL3ggYi94?="
    path.write_bytes(f"{HEAD}Subject: {subject}\n\nText.\n".encode() + diff())
    intake = read_intake(str(path), tmp_path / "patches")
    head, _, _ = next(iter(intake.files.values())).partition(b"\n\n")
    assert [line.partition(b":")[0] for line in head.splitlines()] == [
        b"From", b"Subject", b"Message-Id",
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(path.name for path in MAILS.iterdir()))
def test_bytes_that_changed_on_the_way(name: str, tmp_path: Path) -> None:
    """Whatever comes in, it is a series or an error of the user's."""
    content = (MAILS / name).read_bytes()
    chance = random.Random(name)
    path = tmp_path / "mail.mbox"
    for _ in range(12):
        changed = bytearray(content)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(changed) or 1)
            changed[at : at + chance.randint(0, 9)] = chance.randbytes(chance.randint(0, 4))
        path.write_bytes(bytes(changed))
        with suppress(UserError):
            read_intake(str(path), tmp_path / "patches")
