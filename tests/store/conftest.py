# SPDX-License-Identifier: GPL-2.0-only
"""A store in a folder, and hosts that share it, each with a cache of its own."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lab.build import Build, BuildJob, build
from lab.build.shared import pull_build, push_build
from lab.model.url import Url
from lab.store.settings import StoreSettings
from lab.store.store import Store
from tests.build.conftest import Bench, bench
from tests.store.servers import SFTP_SERVER, https_server, sftp_server

__all__ = ["bench"]


#: What was built by its key: a build takes two seconds.
_built: dict[str, Path] = {}


@dataclass
class Machine:
    """One that shares a store: its cache, and what was told on it."""

    bench: Bench
    cache: Path
    url: str
    told: list[str] = field(default_factory=list)
    push: bool = True
    stall_s: float = 10.0

    def __post_init__(self) -> None:
        settings = StoreSettings(Url(self.url), self.push, stall_s=self.stall_s)
        self.store = Store(settings, self.told.append)

    def job(self, **changes: object) -> BuildJob:
        return replace(self.bench.job(**changes), cache=self.cache)  # type: ignore[arg-type]

    def make(self, job: BuildJob | None = None) -> Build:
        """Build it, and put it into the store."""
        job = job or self.job()
        known = _built.get(job.key)
        if known is not None and not job.folder.exists():
            shutil.copytree(known, job.folder)
        made = build(job)
        push_build(made, self.store)
        if known is None:
            place = Path(tempfile.mkdtemp(dir=self.bench.top.parent)) / job.key
            _built[job.key] = Path(shutil.copytree(job.folder, place))
        return made

    def pull(self, job: BuildJob | None = None) -> Build | None:
        return pull_build(job or self.job(), self.store)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a store, where there is one on a disk."""
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


@pytest.fixture
def one(bench: Bench, tmp_path: Path, folder: Path) -> Machine:
    return Machine(bench, tmp_path / "one", folder.as_uri())


@pytest.fixture
def two(bench: Bench, tmp_path: Path, folder: Path) -> Machine:
    return Machine(bench, tmp_path / "two", folder.as_uri())


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a store in a bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "lab")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # Those of a process share what they hold.
    bucket = f"kernels-{secrets.token_hex(4)}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    yield f"s3://{bucket}/lab"
    server.stop()


@pytest.fixture
def sftp(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """That of one in the folder, by ssh."""
    if not SFTP_SERVER.exists():
        pytest.skip("openssh-sftp-server is not installed")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with sftp_server(tmp_path / "home") as port:
        yield f"sftp://somebody@127.0.0.1:{port}{folder}"


@pytest.fixture
def file(folder: Path) -> str:
    """That of the folder itself."""
    return folder.as_uri()


@pytest.fixture
def https(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """That of the folder, to read."""
    certificate = tmp_path / "certificate.pem"
    with https_server(folder, certificate) as port:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        yield f"https://127.0.0.1:{port}"


@pytest.fixture(params=["file", "sftp", "s3"])
def url(request: pytest.FixtureRequest) -> str:
    """That of each that can be written."""
    found: str = request.getfixturevalue(request.param)
    return found


def manifests(folder: Path) -> list[Path]:
    return sorted(folder.glob("lab-1/entries/*/*/*.json"))


def blobs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("lab-1/blobs/*/*") if path.is_file())
