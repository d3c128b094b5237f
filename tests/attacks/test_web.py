# SPDX-License-Identifier: GPL-2.0-only
"""Web servers that never end, never stop, or say what no web server should."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from lab.config.model import GitKernel, TarballKernel, Webhook
from lab.errors import InfrastructureError, LabError, UserError
from lab.model.url import HookUrl, Url
from lab.network.http import WebError, answer
from lab.nightly.webhook import post
from lab.process.deadline import Deadline
from lab.trees.download import get_small
from lab.trees.request import Request
from tests.attacks.servers import Behaviour, listening, pouring, saying, trickling
from tests.trees.conftest import Cache

pytestmark = pytest.mark.slow

HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH = HEAD + b"Content-Length: 1000000\r\n\r\n"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", tmp_path)


def fetched(cache: Cache, behave: Behaviour, deadline_s: float) -> LabError:
    """The error of a tarball from a server that behaves so."""
    with listening(behave) as port:
        url = Url(f"http://127.0.0.1:{port}/linux.tar.gz")
        kernel = TarballKernel(kind="tarball", url=url, sha256="0" * 64)
        with pytest.raises(LabError) as caught:
            cache.fetch(kernel, deadline_s=deadline_s)
    return caught.value


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 ", HEAD + b"A: ", HEAD + b"\r\n", LENGTH])
def test_a_byte_now_and_then_is_not_for_ever(cache: Cache, begin: bytes) -> None:
    error = fetched(cache, trickling(begin), 0.4)
    assert isinstance(error, InfrastructureError)
    assert "fetch deadline of 0.4 s passed" in str(error)


def test_nor_under_tls(cache: Cache) -> None:
    with listening(trickling(b"\x16\x03\x03\x40\x00", 0.05)) as port:
        url = Url(f"https://127.0.0.1:{port}/linux.tar.gz")
        with pytest.raises(InfrastructureError, match=r"fetch deadline of 0\.4 s"):
            cache.fetch(TarballKernel(kind="tarball", url=url, sha256="0" * 64), deadline_s=0.4)


REFS = HEAD + b"Content-Type: application/x-git-upload-pack-advertisement\r\n\r\n001e# serv"


@pytest.mark.parametrize("begin", [HEAD, REFS])
@pytest.mark.parametrize("scheme", ["http", "git"])
def test_nor_is_git(cache: Cache, scheme: str, begin: bytes) -> None:
    with listening(trickling(begin)) as port:
        url = Url(f"{scheme}://127.0.0.1:{port}/linux.git")
        kernel = GitKernel(kind="git", url=url, ref="main")
        with pytest.raises(InfrastructureError, match=r"fetch deadline of 1 s|cannot fetch main"):
            cache.fetch(kernel, deadline_s=1)


@pytest.mark.parametrize("begin", [b"HTTP/1.1 2", HEAD + b"A: ", HEAD + b"\r\n"])
def test_nor_is_a_webhook(begin: bytes) -> None:
    with listening(trickling(begin)) as port:
        hook = Webhook(url=HookUrl(f"http://127.0.0.1:{port}/hunter2"))
        if begin.endswith(b"\r\n\r\n"):
            # Its status is there; nobody waits for what comes after that.
            post(hook, {"a": 1}, deadline_s=0.3, pauses=())
            return
        with pytest.raises(InfrastructureError, match=r"not all there after 0\.3 s") as caught:
            post(hook, {"a": 1}, deadline_s=0.3, pauses=())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("begin", [HEAD + b"\r\n", HEAD + b"Content-Length: 9999999999999\r\n\r\n"])
def test_a_body_has_a_size(cache: Cache, monkeypatch: pytest.MonkeyPatch, begin: bytes) -> None:
    monkeypatch.setattr("lab.trees.download._MOST", 4 << 20)
    error = fetched(cache, pouring(begin), 30)
    assert isinstance(error, UserError)
    assert "has more than 0.0 GB" in str(error)
    assert not any("part" in name for name in cache.left_behind())


def test_a_small_body_has_one_too(tmp_path: Path) -> None:
    with listening(pouring(HEAD + b"\r\n")) as port:
        url = Url(f"http://127.0.0.1:{port}/linux.tar.sign")
        request = Request("6.1", tmp_path, tmp_path, Deadline("fetch", 1e9))
        with pytest.raises(UserError, match="more than 100 bytes"):
            get_small(url, 100, request, "signature")


@pytest.mark.parametrize("length", ["²", "9" * 5000, "-1", "1,2", "0x10", "9" * 19, ""])
def test_lengths_that_are_none(cache: Cache, length: str) -> None:
    answer = HEAD + f"Content-Length: {length}\r\n\r\nxyz".encode("latin-1")
    error = fetched(cache, saying(answer), 0.5)
    assert "deadline" in str(error) or "is not the file wanted" in str(error)


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("/linux.tar.gz", "more than 10 redirects"),
        ("file:///etc/passwd", "No connection adapters"),
        ("http://[::1/x", ""),
        ("http://127.0.0.1:99999/x", ""),
        ("http:///x", ""),
        ("//\xff\xfe/\xff", ""),
    ],
)
def test_redirects_that_lead_nowhere(cache: Cache, location: str, said: str) -> None:
    # A connection that the server ends and the client would use again may be reset.
    head = "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\n"
    answer = f"{head}Location: {location}\r\n\r\n"
    error = fetched(cache, saying(answer.encode("latin-1")), 30)
    assert said in str(error)


def test_flipped_answers_end_as_errors_of_the_lab(cache: Cache) -> None:
    """A seed, 150 answers with a few bytes each that are others."""
    chance = random.Random(12)
    good = HEAD + (
        b"Date: Sat, 28 Nov 2026 21:00:00 GMT\r\nContent-Type: application/x-tar\r\n"
        b'ETag: "1"\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 0-9/10\r\n\r\n'
        b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"
    )
    answers = iter([_flipped(good, chance) for _ in range(150)])

    def behave(connection: object, over: object) -> None:
        saying(next(answers, good))(connection, over)  # type: ignore[arg-type]

    with listening(behave) as port:
        url = Url(f"http://127.0.0.1:{port}/linux.tar.gz")
        request = Request("6.1", cache.folder, cache.root, Deadline("fetch", 1e9))
        for _ in range(100):
            with suppress(LabError):
                _tried(url, request)


def _tried(url: Url, request: Request) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.trees.download._PAUSES_S", ())
        get_small(url, 100, request, "url")


def _flipped(content: bytes, chance: random.Random) -> bytes:
    found = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        found[chance.randrange(len(found))] = chance.choice(b"\0\r\n :;,9\xff\xb2")
    return bytes(found)


def test_why_no_server_answers_is_told_in_its_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        pytest.raises(WebError) as caught,
        answer("GET", Url(f"http://127.0.0.1:{port}/x"), within_s=10, stall_s=10),
    ):
        pass
    assert str(caught.value).startswith("Failed to establish a new connection: [Errno 111]")
