# SPDX-License-Identifier: GPL-2.0-only
"""The same at each kind of place, with its real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import paramiko
import pytest

from lab.build.shared import pull_build, push_build
from lab.model.url import Url
from lab.process.seal import file_digest
from lab.store.left_there import require_vmlinux
from lab.store.place import Place, PlaceError, place_at
from tests.store.conftest import Machine
from tests.store.servers import sftp_server

pytestmark = pytest.mark.slow


@pytest.fixture
def place(url: str) -> Place:
    place = place_at(Url(url), 10)
    place.open()
    return place


def test_files(place: Place, tmp_path: Path) -> None:
    """All that a store asks of a place."""
    content = bytes(range(256)) * 10_000
    (tmp_path / "source").write_bytes(content)
    moved: list[int] = []
    assert place.look("lab-1/a/b") is None
    assert list(place.walk("lab-1")) == []
    with pytest.raises(FileNotFoundError):
        place.read("lab-1/a/b", 10)
    place.upload(tmp_path / "source", "lab-1/a/b", moved.append)
    found = place.look("lab-1/a/b")
    assert found is not None
    assert (found.name, found.size, found.changed > 1e9) == ("lab-1/a/b", len(content), True)
    assert sum(moved) == len(content)
    got: list[bytes] = []
    place.download("lab-1/a/b", got.append, len(content) + 1)
    assert b"".join(got) == content
    got.clear()
    place.download("lab-1/a/b", got.append, 1000)
    assert b"".join(got) == content[:1000]
    assert place.read("lab-1/a/b", 7) == content[:7]
    with pytest.raises(FileNotFoundError):
        place.download("lab-1/a/none", got.append, 1000)
    assert [each.name for each in place.walk("lab-1")] == ["lab-1/a/b"]


def test_a_slow_line_is_not_silent(sftp: str, tmp_path: Path) -> None:
    """Of a MiB nothing was told before all of it was there: 30 s, and that store was given up."""
    place = place_at(Url(sftp), 10)
    place.open()
    (tmp_path / "source").write_bytes(bytes(1 << 20))
    there: list[int] = []
    place.upload(tmp_path / "source", "lab-1/a/b", there.append)
    here: list[bytes] = []
    place.download("lab-1/a/b", here.append, 2 << 20)
    assert max(there) == max(map(len, here)) == 64 << 10


def test_what_is_still_to_be_answered_is_no_file(
    sftp: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download that ended early goes on to ask for more for a moment, beside who lists."""
    place = place_at(Url(sftp), 10)
    place.open()
    (tmp_path / "source").write_bytes(b"all of it")
    place.upload(tmp_path / "source", "lab-1/a/b", lambda _: None)
    client = cast(Any, place)._fs.ftp
    request = client._request

    def and_more(kind: int, *arguments: object) -> object:
        answer = request(kind, *arguments)
        if kind == paramiko.sftp.CMD_OPENDIR:
            client._async_request(type(None), paramiko.sftp.CMD_REALPATH, "/")
        return answer

    monkeypatch.setattr(client, "_request", and_more)
    assert [each.name for each in place.walk("lab-1")] == ["lab-1/a/b"]


def test_a_name_is_given_once(place: Place, tmp_path: Path) -> None:
    assert place.create("lab-1/entries/x.json", b"first")
    assert not place.create("lab-1/entries/x.json", b"second")
    assert place.read("lab-1/entries/x.json", 100) == b"first"
    (tmp_path / "source").write_bytes(b"third")
    place.upload(tmp_path / "source", "lab-1/entries/x.json", lambda _: None)
    assert place.read("lab-1/entries/x.json", 100) == b"third"
    assert [each.name for each in place.walk("lab-1")] == ["lab-1/entries/x.json"]
    place.remove("lab-1/entries/x.json")
    place.remove("lab-1/entries/x.json")
    assert list(place.walk("lab-1")) == []
    assert place.create("lab-1/entries/x.json", b"fourth")


def shared(one: Machine, two: Machine) -> None:
    """A build goes from one to the other, and its vmlinux when it is wanted."""
    made = one.make()
    assert one.told == []
    assert one.store.account.pushed == {"build": 1}
    had = pull_build(two.job(), two.store)
    assert two.told == []
    assert had is not None
    assert file_digest(had.image) == file_digest(made.image)
    assert file_digest(require_vmlinux(had.folder)) == file_digest(made.folder / "vmlinux")
    assert push_build(made, two.store)
    assert two.store.account.written == 0


def test_a_build(url: str, one: Machine, two: Machine) -> None:
    shared(Machine(one.bench, one.cache, url), Machine(two.bench, two.cache, url))


def test_https_is_read(https: str, one: Machine, two: Machine) -> None:
    made = one.make()
    reader = Machine(two.bench, two.cache, https)
    had = reader.pull()
    assert reader.told == []
    assert had is not None
    assert file_digest(require_vmlinux(had.folder)) == file_digest(made.folder / "vmlinux")
    other = reader.make(reader.job(options="CONFIG_SMP=n\n"))
    assert not push_build(other, reader.store)
    assert reader.told == [
        f"store {https}: it cannot be written: a store at https:// is only read; "
        "nothing more goes there"
    ]
    assert reader.pull() is not None


def test_https_that_cannot_show_who_it_is(
    https: str, one: Machine, two: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.make()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    reader = Machine(two.bench, two.cache, https)
    assert reader.pull() is None
    (line,) = reader.told
    assert "certificate verify failed" in line


def test_a_host_whose_key_is_not_known(sftp: str, tmp_path: Path) -> None:
    """fsspec's own would take any: whoever answers brings kernels."""
    (tmp_path / "home/.ssh/known_hosts").unlink()
    with pytest.raises(PlaceError, match="not found in known_hosts"):
        place_at(Url(sftp), 10).open()


def test_a_host_with_another_key(sftp: str, tmp_path: Path) -> None:
    known = tmp_path / "home/.ssh/known_hosts"
    name, kind, _ = known.read_text().split()
    (tmp_path / "elsewhere").mkdir()
    with sftp_server(tmp_path / "elsewhere/home"):
        *_, other = (tmp_path / "elsewhere/home/.ssh/known_hosts").read_text().split()
    known.write_text(f"{name} {kind} {other}\n")
    with pytest.raises(PlaceError, match="does not match"):
        place_at(Url(sftp), 10).open()


def test_a_key_that_is_not_let_in(sftp: str, tmp_path: Path) -> None:
    (tmp_path / "home/.ssh/id_ecdsa").unlink()
    with pytest.raises(PlaceError, match="uthentication") as caught:
        place_at(Url(sftp), 10).open()
    assert caught.value.hint.startswith("sftp sftp://somebody@127.0.0.1")


@pytest.mark.parametrize("url", ["file", "sftp"], indirect=True)
def test_a_folder_that_is_not_there_is_not_made(url: str, folder: Path) -> None:
    """A disk that is not mounted: what went there would be lost, and seem to be there."""
    folder.rmdir()
    with pytest.raises(PlaceError, match="there is no folder") as caught:
        place_at(Url(url), 10).open()
    assert "mount" in caught.value.hint
    assert not folder.exists()


def test_a_bucket_that_is_not_there(s3: str) -> None:
    with pytest.raises(PlaceError, match="there is no bucket other"):
        place_at(Url("s3://other/lab"), 10).open()


def test_a_web_server_cannot_be_listed(https: str) -> None:
    with pytest.raises(PlaceError, match="cannot be listed"):
        list(place_at(Url(https), 10).walk("lab-1"))
