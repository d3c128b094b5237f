# SPDX-License-Identifier: GPL-2.0-only
"""Files into a guest and out of it, by another process: the guest is a folder and a shell."""

from __future__ import annotations

import io
import socket
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.cli.cp import _guest
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
    with pytest.raises(UserError, match="the guest has no file nowhere") as told:
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


@pytest.fixture
def silent(folder: Path) -> Iterator[socket.socket]:
    """One who has connected, and says nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        with courier._short(folder) as name:
            connection.connect(name)
        yield connection


def test_one_who_says_nothing_holds_nobody_up_for_ever(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(courier, "_PATIENCE_S", 0.2)
    request.getfixturevalue("silent")
    assert who(request.getfixturevalue("folder")) == "6.1+fix"


def test_a_guest_that_is_busy_is_open(
    folder: Path, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "_WHO_S", 0.1)
    assert who(folder) == ""
    assert _guest(folder.parent, "guest") == folder
    with pytest.raises(UserError, match=r"no guest '6\.2' answers") as told:
        _guest(folder.parent, "6.2")
    assert told.value.hint == f"busy ({folder.name})"
    silent.close()
    monkeypatch.undo()
    assert who(folder) == "6.1+fix"


@pytest.mark.parametrize("said", [b"", b'{"err', b"{}", b'{"size": 10}\nabc'])
def test_a_lab_that_goes_away_meanwhile(tmp_path: Path, said: bytes) -> None:
    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(said)

    (tmp_path / "large").write_bytes(bytes(8 << 20))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / SOCKET))
        listener.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            for copy in (
                lambda: get(tmp_path, "x", tmp_path / "here"),
                lambda: put(tmp_path, tmp_path / "large", "x"),
            ):
                with pytest.raises(UserError, match="went away, or does not answer"):
                    copy()
        finally:
            thread.join(20.0)
    assert not (tmp_path / "here").exists()
    with pytest.raises(UserError, match="went away"):
        get(tmp_path, "x", tmp_path / "here")


def test_a_folder_is_measured_before_it_is_packed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "MOST", 1 << 20)
    monkeypatch.setattr(courier, "_packed", lambda _: pytest.fail("it was packed"))
    (tmp_path / "many/deep").mkdir(parents=True)
    for name in ("many/one", "many/deep/two"):
        (tmp_path / name).write_bytes(bytes(600 << 10))
    with pytest.raises(UserError, match="more than 1 MiB"):
        put(folder, tmp_path / "many", "x")


def test_a_file_of_the_guest_that_is_too_large(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "files").mkdir(exist_ok=True)
    (folder / "files/large").write_bytes(bytes((1 << 20) + 1))
    monkeypatch.setattr(courier, "MOST", 1 << 20)
    with pytest.raises(UserError, match="more than 1 MiB"):
        get(folder, "large", tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_what_a_guest_compressed_is_not_unpacked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("bomb"), io.BytesIO())
    monkeypatch.setattr(FakeGuest, "fetch", lambda *_: stream.getvalue())
    (folder / "files/d").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot be written"):
        get(folder, "d", tmp_path)
    assert not list(tmp_path.rglob("bomb"))
