# SPDX-License-Identifier: GPL-2.0-only
"""Downloads go on where they stopped, and nothing is unpacked before its digest is right."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from lab.config.model import TarballKernel
from lab.errors import InfrastructureError, UserError
from lab.model.url import Url
from lab.process import run
from lab.trees import read_manifest
from lab.trees.manifest import compute_manifest
from tests.trees.conftest import Cache
from tests.trees.server import Server

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.trees.download._PAUSES_S", (0.0, 0.0))


@pytest.fixture
def content(source: Path) -> bytes:
    """An archive too large for one read, and not compressible."""
    (source / "noise").write_bytes(os.urandom(700_000))
    archive = source.parent / "linux.tar.gz"
    run(["tar", "-czf", archive, "-C", source.parent, "linux-6.1"])
    return archive.read_bytes()


def kernel(server: Server, content: bytes) -> TarballKernel:
    server.files["/linux.tar.gz"] = content
    digest = hashlib.sha256(content).hexdigest()
    return TarballKernel(kind="tarball", url=Url(f"{server.url}/linux.tar.gz"), sha256=digest)


def test_once_and_never_again(server: Server, content: bytes, cache: Cache, source: Path) -> None:
    wanted = kernel(server, content)
    tree = cache.fetch(wanted)
    assert read_manifest(tree.manifest) == compute_manifest(source)
    assert cache.fetch(wanted) == tree
    assert cache.fetch(wanted, refresh=True) == tree
    assert server.asked == [None]
    assert list((cache.folder / "downloads").glob("*.*part*")) == []


def test_a_cut_download_goes_on(server: Server, content: bytes, cache: Cache) -> None:
    server.cuts = [300_000, 100_000]
    cache.fetch(kernel(server, content))
    assert server.asked == [None, "bytes=300000-", "bytes=400000-"]


def test_the_next_lab_goes_on(server: Server, content: bytes, cache: Cache) -> None:
    wanted = kernel(server, content)
    server.cuts = [1000, 1000, 1000]
    with pytest.raises(InfrastructureError, match=f"got 3000 of {len(content)} bytes"):
        cache.fetch(wanted)
    assert cache.left_behind() == [
        f"downloads/{wanted.sha256}.part",
        f"downloads/{wanted.sha256}.validator",
    ]
    cache.fetch(wanted)
    assert server.asked[-1] == "bytes=3000-"


@pytest.mark.parametrize("kept", [b"\xff\n", b'"one"\r\nX: y', b""])
def test_a_note_that_was_damaged(server: Server, content: bytes, cache: Cache, kept: bytes) -> None:
    wanted = kernel(server, content)
    downloads = cache.folder / "downloads"
    downloads.mkdir(parents=True)
    (downloads / f"{wanted.sha256}.part").write_bytes(content[:1000])
    (downloads / f"{wanted.sha256}.validator").write_bytes(kept)
    cache.fetch(wanted)
    assert server.asked == ["bytes=1000-"]


def test_a_server_without_ranges_starts_over(server: Server, content: bytes, cache: Cache) -> None:
    server.cuts, server.ranges = [300_000], False
    cache.fetch(kernel(server, content))
    assert server.asked == [None, "bytes=300000-"]


@pytest.mark.parametrize("tag", ['"two"', None])
def test_a_file_replaced_meanwhile(
    server: Server, content: bytes, cache: Cache, tag: str | None
) -> None:
    wanted = kernel(server, content)
    server.tag = tag and '"one"'
    server.files["/linux.tar.gz"] = os.urandom(len(content))
    server.cuts = [1000, 1000, 1000]
    with pytest.raises(InfrastructureError):
        cache.fetch(wanted)
    server.files["/linux.tar.gz"], server.tag = content, tag
    cache.fetch(wanted)
    # With a tag the server sends all of it at once; without, the digest tells.
    assert len(server.asked) == (4 if tag else 5)


def test_more_than_the_whole_is_here(server: Server, content: bytes, cache: Cache) -> None:
    wanted = kernel(server, content)
    downloads = cache.folder / "downloads"
    downloads.mkdir(parents=True)
    (downloads / f"{wanted.sha256}.part").write_bytes(content + b"x")
    cache.fetch(wanted)
    assert server.asked == [f"bytes={len(content) + 1}-", None]


def test_a_whole_download_is_not_asked_for(server: Server, content: bytes, cache: Cache) -> None:
    wanted = kernel(server, content)
    downloads = cache.folder / "downloads"
    downloads.mkdir(parents=True)
    (downloads / f"{wanted.sha256}.part").write_bytes(content)
    cache.fetch(wanted)
    assert server.asked == []


def test_another_file(server: Server, content: bytes, cache: Cache) -> None:
    wanted = kernel(server, content)
    server.files["/linux.tar.gz"] = b"<html>" + content
    got = hashlib.sha256(b"<html>" + content).hexdigest()
    with pytest.raises(UserError, match=f"{got}, not {wanted.sha256}"):
        cache.fetch(wanted)
    assert cache.left_behind() == []
    assert len(server.asked) == 1


def test_another_file_on_disk_is_left_alone(content: bytes, cache: Cache, tmp_path: Path) -> None:
    wanted = TarballKernel(kind="tarball", url=Url("linux.tar.gz"), sha256="0" * 64)
    with pytest.raises(UserError, match=f"not {'0' * 64}"):
        cache.fetch(wanted)
    assert (tmp_path / "linux.tar.gz").read_bytes() == content
    assert cache.left_behind() == []


def test_a_busy_server_is_asked_again(server: Server, content: bytes, cache: Cache) -> None:
    server.statuses = [503, 429]
    cache.fetch(kernel(server, content))
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_final(server: Server, content: bytes, cache: Cache, status: int) -> None:
    server.statuses = [status]
    with pytest.raises(UserError, match=f"answered {status}"):
        cache.fetch(kernel(server, content))
    assert len(server.asked) == 1


def test_nobody_answers(server: Server, content: bytes, cache: Cache) -> None:
    wanted = kernel(server, content).model_copy(
        update={"url": Url("http://127.0.0.1:1/linux.tar.gz")}
    )
    with pytest.raises(InfrastructureError, match="cannot download"):
        cache.fetch(wanted)


def test_the_deadline(server: Server, content: bytes, cache: Cache) -> None:
    with pytest.raises(InfrastructureError, match="fetch deadline of 1e-09 s"):
        cache.fetch(kernel(server, content), deadline_s=1e-9)


def test_no_such_file(cache: Cache) -> None:
    with pytest.raises(UserError, match="no file") as caught:
        cache.fetch(TarballKernel(kind="tarball", url=Url("~/none.tar"), sha256="0" * 64))
    assert 'kernels."6.1".url' in str(caught.value)
