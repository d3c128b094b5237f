# SPDX-License-Identifier: GPL-2.0-only
"""A tree is there whole or not at all, whatever happens while it is brought in."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from lab.config.model import TarballKernel
from lab.errors import InfrastructureError, Location, UserError
from lab.model.url import Url
from lab.process import run, spawn
from lab.trees import read_manifest
from lab.trees.manifest import compute_manifest
from tests.trees.conftest import Cache

pytestmark = pytest.mark.slow


@pytest.fixture
def kernel(source: Path) -> TarballKernel:
    archive = source.parent / "linux.tar"
    run(["tar", "-cf", archive, "-C", source.parent, "linux-6.1"])
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return TarballKernel(kind="tarball", url=Url("linux.tar"), sha256=digest)


def test_what_is_recorded(kernel: TarballKernel, cache: Cache) -> None:
    tree = cache.fetch(kernel)
    folder = tree.path.parent
    assert folder.parent == cache.folder / "trees"
    assert folder.name.endswith("-6.1")
    assert sorted(path.name for path in folder.iterdir()) == ["manifest", "source", "tree.json"]
    record = json.loads((folder / "tree.json").read_text())
    assert record["identity"] == tree.identity == f"tarball:{kernel.sha256}"
    assert record["version"] == "6.1.7"
    assert record["provenance"]["sha256"] == kernel.sha256
    assert pickle.loads(pickle.dumps(tree)) == tree


def test_a_known_tree_needs_no_source(kernel: TarballKernel, cache: Cache) -> None:
    tree = cache.fetch(kernel)
    (cache.root / "linux.tar").unlink()
    assert cache.fetch(kernel) == tree


@pytest.mark.parametrize("lost", [".", "source", "manifest", "tree.json"])
def test_a_lost_tree_comes_back(
    kernel: TarballKernel, cache: Cache, lost: str, source: Path
) -> None:
    tree = cache.fetch(kernel)
    victim = tree.path.parent / lost
    shutil.rmtree(victim) if victim.is_dir() else victim.unlink()
    again = cache.fetch(kernel)
    assert again == tree
    assert read_manifest(again.manifest) == compute_manifest(source)


def test_another_section_is_another_tree(kernel: TarballKernel, cache: Cache, source: Path) -> None:
    first = cache.fetch(kernel)
    (source / "new.c").touch()
    archive = source.parent / "new.tar"
    run(["tar", "-cf", archive, "-C", source.parent, "linux-6.1"])
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    second = cache.fetch(TarballKernel(kind="tarball", url=Url("new.tar"), sha256=digest))
    assert second.path != first.path
    assert (second.path / "new.c").exists()
    assert cache.fetch(kernel) == first


def test_a_second_lab_waits_for_the_first(kernel: TarballKernel, cache: Cache) -> None:
    trees = cache.folder / "trees"
    trees.mkdir(parents=True)
    with (trees / ".lock-6.1").open("w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=cache.fetch, args=(kernel,))
        thread.start()
        while not cache.said:
            time.sleep(0.01)
        assert list(trees.glob("*-6.1/source")) == []
    thread.join()
    assert cache.said[0] == "6.1: waiting for another lab (pid 4711) that is fetching it"
    assert list(trees.glob("*-6.1/source")) != []


def test_waiting_has_a_deadline(kernel: TarballKernel, cache: Cache) -> None:
    (cache.folder / "trees").mkdir(parents=True)
    with (cache.folder / "trees/.lock-6.1").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InfrastructureError, match=r"fetch deadline of 0\.2 s passed"):
            cache.fetch(kernel, deadline_s=0.2)


@pytest.mark.parametrize("name", ["6.1", "other"])
def test_what_a_killed_lab_left_is_removed(kernel: TarballKernel, cache: Cache, name: str) -> None:
    left = cache.folder / f"trees/.{name}~partial/source"
    left.mkdir(parents=True)
    (left / "half").touch()
    tree = cache.fetch(kernel)
    assert not (tree.path / "half").exists()
    assert list(cache.folder.glob("trees/.*~partial")) == []


def test_what_a_living_lab_writes_is_left_alone(kernel: TarballKernel, cache: Cache) -> None:
    left = cache.folder / "trees/.other~partial"
    left.mkdir(parents=True)
    with (cache.folder / "trees/.lock-other").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cache.fetch(kernel)
    assert left.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_lab_that_is_stopped(
    kernel: TarballKernel, cache: Cache, source: Path, number: signal.Signals
) -> None:
    # Stops in the middle of unpacking, and says so.
    script = """
        import signal, sys, time
        from pathlib import Path
        from lab.config.model import TarballKernel
        from lab.trees import fetch
        from lab.trees.unpack import _Unpacker

        def stop(*_):
            print("unpacking", flush=True)
            time.sleep(60)

        def end(*_):
            raise SystemExit

        signal.signal(signal.SIGTERM, end)
        _Unpacker._symlink = stop
        kernel = TarballKernel.model_validate_json(sys.argv[1])
        cache, root = Path(sys.argv[2]), Path(sys.argv[3])
        fetch("6.1", kernel, cache=cache, root=root, deadline_s=60, refresh=False)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    arguments = [kernel.model_dump_json(), str(cache.folder), str(cache.root)]
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    with spawn([*command, *arguments], env=path, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"unpacking\n"
        assert list(cache.folder.glob("trees/.6.1~partial/source.unpacked/linux-6.1/*"))
        pid = int(Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text())
        os.kill(pid, number)
        child.wait(10)
    if number != signal.SIGKILL:
        assert cache.left_behind() == []
    assert read_manifest(cache.fetch(kernel).manifest) == compute_manifest(source)
    assert list(cache.folder.glob("trees/.*~partial")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_no_space_left(source: Path, cache: Cache, kernel: TarballKernel) -> None:
    cache.folder.mkdir()
    if run(["mount", "-t", "tmpfs", "-o", "size=64k", "x", cache.folder], check=False).status:
        pytest.skip("cannot mount here")
    try:
        (source / "large").write_bytes(bytes(200_000))
        archive = source.parent / "large.tar"
        run(["tar", "-cf", archive, "-C", source.parent, "linux-6.1"])
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        wanted = TarballKernel(kind="tarball", url=Url("large.tar"), sha256=digest)
        with pytest.raises(InfrastructureError, match=r"no space left for 6\.1.*MB are free"):
            cache.fetch(wanted)
        assert cache.left_behind() == []
    finally:
        run(["umount", cache.folder])


def test_a_cache_that_cannot_be(kernel: TarballKernel, cache: Cache) -> None:
    cache.folder.write_text("a file")
    with pytest.raises(InfrastructureError, match=r"cannot bring 6\.1 in"):
        cache.fetch(kernel)


def test_the_error_says_where(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        cache.fetch(TarballKernel(kind="tarball", url=Url("none.tar"), sha256="0" * 64))
    assert caught.value.where == Location(tmp_path / "lab.toml", key='kernels."6.1".url')
