# SPDX-License-Identifier: GPL-2.0-only
"""Files into a guest and out of it, by another process: the guest is a folder and a shell."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import InfrastructureError, UserError
from lab.guest import courier
from lab.guest.command import CommandResult
from lab.guest.courier import SOCKET, Courier, get, put, who
from lab.guest.fake import FakeGuest, FakeSpec, Stage


def _shell(guest: FakeGuest, command: str, _: float) -> CommandResult:
    """Relative paths of the guest are below the folder that it writes to."""
    folder = guest.spec.folder / "files"
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False
    )
    return CommandResult(done.returncode, done.stdout, done.stderr, 0.0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """That of an open guest, whose name is too long for a socket's."""
    monkeypatch.setattr(courier, "_ARCHIVE", "archive.tar")
    place = tmp_path / ("long" * 25)
    with FakeSpec(place, Stage(answers={"": _shell})).guest() as guest, Courier(guest, "6.1+fix"):
        yield place


def test_a_file_in_and_out(folder: Path, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(b"\0\1")
    tool.chmod(0o755)
    put(folder, tool, "there")
    assert (folder / "files/there").read_bytes() == b"\0\1"
    assert (folder / "files/there").stat().st_mode & 0o777 == 0o755
    assert get(folder, "there", tmp_path / "here") == tmp_path / "here"
    assert (tmp_path / "here").read_bytes() == b"\0\1"
    # Into folders, under their own names.
    (folder / "files/bin").mkdir()
    put(folder, tool, "bin")
    assert (folder / "files/bin/tool").read_bytes() == b"\0\1"
    assert get(folder, "bin/tool", folder) == folder / "tool"


def test_a_folder_in_and_out(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "many/deep").mkdir(parents=True)
    (tmp_path / "many/deep/file").write_text("text")
    put(folder, tmp_path / "many", "new")
    assert (folder / "files/new/deep/file").read_text() == "text"
    put(folder, tmp_path / "many", "new")
    assert (folder / "files/new/many/deep/file").read_text() == "text"
    (tmp_path / "back").mkdir()
    get(folder, "new", tmp_path / "back")
    assert (tmp_path / "back/new/many/deep/file").read_text() == "text"
    # Nothing stays of what it went as.
    assert not (folder / "files/archive.tar").exists()


def test_what_is_not_there(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file") as told:
        get(folder, "nowhere", tmp_path)
    assert told.value.where == "guest:nowhere"
    with pytest.raises(UserError, match="cannot be read: No such file"):
        put(folder, tmp_path / "nowhere", "x")
    (tmp_path / "file").touch()
    put(folder, tmp_path / "file", "x")
    with pytest.raises(UserError, match="cannot be written"):
        get(folder, "x", tmp_path / "no/such/folder")


def test_what_is_too_large(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "MOST", 1 << 20)
    (tmp_path / "large").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(UserError, match="more than 1 MiB"):
        put(folder, tmp_path / "large", "x")
    assert not (folder / "files/x").exists()


def test_a_guest_packs_no_file_of_the_host(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../evil"), io.BytesIO())
    monkeypatch.setattr(FakeGuest, "fetch", lambda *_: stream.getvalue())
    (folder / "files/d").mkdir(parents=True)
    (tmp_path / "a/b").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot be written"):
        get(folder, "d", tmp_path / "a/b")
    assert not list(tmp_path.rglob("evil"))


def test_who_is_there_and_who_is_not(folder: Path, tmp_path: Path) -> None:
    assert who(folder) == "6.1+fix"
    assert (folder / SOCKET).stat().st_mode & 0o077 == 0
    assert who(tmp_path) is None


def test_nobody_is_there_any_more(tmp_path: Path) -> None:
    with FakeSpec(tmp_path / "g", Stage()).guest() as guest:
        with Courier(guest, "6.1"):
            pass
        assert who(tmp_path / "g") is None
        assert not (tmp_path / "g" / SOCKET).exists()


def test_a_guest_that_dies_meanwhile(tmp_path: Path) -> None:
    def fails(guest: FakeGuest, command: str, _: float) -> CommandResult:
        raise InfrastructureError("the guest died: oops")

    (tmp_path / "file").touch()
    with (
        FakeSpec(tmp_path / "g", Stage(answers={"": fails})).guest() as guest,
        Courier(guest, "6.1"),
    ):
        with pytest.raises(UserError, match="the guest died: oops"):
            put(tmp_path / "g", tmp_path / "file", "x")
        # The next is served all the same.
        assert who(tmp_path / "g") == "6.1"
