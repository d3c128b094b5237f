# SPDX-License-Identifier: GPL-2.0-only
"""What a worker takes from its own store before it has the sender send it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.execution.cluster.from_store import bring_from_store
from lab.execution.cluster.parcel import Bundle, Parcel, Sent, Unpacked
from lab.execution.cluster.words import Told, unpacked
from lab.execution.cluster.work import Here, use_store_of_here
from lab.model.url import Url
from lab.process.seal import file_digest, seal
from lab.process.shelf import BUILDS, PROGRAMS, Shelf
from lab.store.bundle import push_folder
from lab.store.registry import use_store
from lab.store.settings import StoreSettings
from lab.store.store import Store
from tests.execution.conftest import MakeJob

LARGE = b"kernel" * 8192
KEY = "0123456789ab0123456789ab"


class Hosts:
    """A sender with a store and something in it, and a worker that has nothing."""

    def __init__(self, root: Path, shelf: Shelf, *names: str) -> None:
        self.sender, self.worker = root / "sender", root / "worker"
        self.shared = root / "store"
        self.told: list[str] = []
        self.shelf, self.names = shelf, names
        self.folder = shelf.place(self.sender, KEY)
        self.folder.mkdir(parents=True)
        for name in names:
            (self.folder / name).write_bytes(LARGE + name.encode())
        seal(self.folder, names)
        self.shared.mkdir()

    def store(self, cache: Path) -> Store:
        settings = StoreSettings(Url(self.shared.as_uri()), push=True)
        store = use_store(cache, settings, self.told.append)
        assert store is not None
        return store

    def bundle(self, *more: Sent) -> Bundle:
        rows = (Sent(one, file_digest(self.folder / one), False) for one in self.names)
        return Bundle(self.folder, (*rows, *more))


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    made = Hosts(tmp_path, BUILDS, "bzImage", "System.map")
    files = {name: made.folder / name for name in (*made.names, "seal.json")}
    (made.folder / "vmlinux").write_bytes(LARGE)
    (made.folder / "seal.json").touch()
    files["vmlinux"] = made.folder / "vmlinux"
    assert made.store(made.sender).push(BUILDS.kind, KEY, files)
    return made


def gone(hosts: Hosts) -> None:
    """The sender's disk is another host's."""
    hosts.folder.rename(hosts.folder.with_name("elsewhere"))


def test_a_build_is_had_from_there(hosts: Hosts, make_job: MakeJob) -> None:
    """What was named alone, with the small file that came along, and its bytes are counted."""
    note = Sent("store.json", "", False, b"{}")
    note = replace(note, digest="44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")
    bundle, store = hosts.bundle(note), hosts.store(hosts.worker)
    gone(hosts)
    size = bring_from_store(hosts.worker, bundle, hosts.sender)
    assert size == store.account.read == 2 * len(LARGE) + len("bzImageSystem.map")
    parcel = Parcel("r", 0, make_job({}), "", hosts.sender, (bundle,))
    unpacked = Unpacked(parcel, hosts.worker)
    assert unpacked.missing == []
    found = unpacked.place(hosts.folder / "bzImage")
    assert sorted(path.name for path in found.parent.iterdir()) == [
        "System.map", "bzImage", "store.json"
    ]  # fmt: skip
    assert bring_from_store(hosts.worker, bundle, hosts.sender) == 0


def test_programs_are_had_from_there(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path, PROGRAMS, "mlock")
    hosts.store(hosts.sender)
    assert push_folder(PROGRAMS.kind, hosts.folder)
    bundle = hosts.bundle()
    gone(hosts)
    hosts.store(hosts.worker)
    assert bring_from_store(hosts.worker, bundle, hosts.sender)
    assert hosts.told == []


def test_what_the_store_has_otherwise_is_not_taken(hosts: Hosts) -> None:
    """The sender's word counts: another kernel under the same key is never booted."""
    hosts.store(hosts.worker)
    (hosts.folder / "bzImage").write_bytes(b"another" + LARGE)
    bundle = hosts.bundle()
    assert bring_from_store(hosts.worker, bundle, hosts.sender) is None
    assert not list((hosts.worker / "sent").glob("[!.]*"))
    assert len(hosts.told) == 1
    assert "did not come as it was sent" in hosts.told[0]


def test_what_no_store_has_is_sent(hosts: Hosts, tmp_path: Path) -> None:
    bundle = hosts.bundle()
    assert bring_from_store(hosts.worker, bundle, hosts.sender) is None
    hosts.store(hosts.worker)
    assert bring_from_store(hosts.worker, bundle, tmp_path / "not the sender's") is None
    elsewhere = replace(bundle, folder=hosts.folder.with_name("f" * 24))
    assert bring_from_store(hosts.worker, elsewhere, hosts.sender) is None
    assert hosts.told == []


def test_a_store_that_is_away_is_told_once(hosts: Hosts) -> None:
    bundle = hosts.bundle()
    hosts.shared.rename(hosts.shared.with_name("away"))
    hosts.store(hosts.worker)
    assert bring_from_store(hosts.worker, bundle, hosts.sender) is None
    assert bring_from_store(hosts.worker, bundle, hosts.sender) is None
    assert len(hosts.told) == 1


def test_each_run_asks_it_again(hosts: Hosts) -> None:
    """It was away for a moment, and was asked no more until the worker ended; nor was that told."""
    told: list[tuple[str, str]] = []

    class _Worker:
        def log_event(self, run: str, word: bytes) -> None:
            said = unpacked(word)
            assert isinstance(said, Told)
            told.append((run, said.line))

    loaded = SimpleNamespace(store=StoreSettings(Url(hosts.shared.as_uri())))
    mine = Here(hosts.worker, {}, loaded)  # type: ignore[arg-type]
    away = hosts.shared.with_name("away")
    bundle = hosts.bundle()
    hosts.shared.rename(away)
    for run in ("first", "first", "second"):
        use_store_of_here(_Worker(), mine, run)
        assert bring_from_store(hosts.worker, bundle, hosts.sender) is None
    assert [run for run, _ in told] == ["first", "second"]
    away.rename(hosts.shared)
    use_store_of_here(_Worker(), mine, "third")
    assert bring_from_store(hosts.worker, bundle, hosts.sender)
    assert len(told) == 2
