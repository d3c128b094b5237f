# SPDX-License-Identifier: GPL-2.0-only
"""Stores that are away, silent, full, read-only or half-written: told once, and all goes on."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.build import build
from lab.build.shared import pull_build, push_build
from lab.model.url import Url
from lab.process import run
from lab.store.place import place_at
from tests.store.conftest import Machine, blobs, manifests

pytestmark = pytest.mark.slow

FORK = multiprocessing.get_context("fork")


def at(machine: Machine, url: str, stall_s: float = 10.0) -> Machine:
    """The same with another store."""
    return Machine(machine.bench, machine.cache, url, stall_s=stall_s)


def told_once_and_built(machine: Machine, words: str) -> None:
    """It says so, once, makes the build itself, and no other word comes of that."""
    assert machine.pull() is None
    assert machine.make().folder.is_dir()
    assert machine.pull(machine.job(options="CONFIG_SMP=n\n")) is None
    (line,) = machine.told
    assert words in line
    assert line.startswith(f"store {Url(machine.url)}: it cannot be used: ")
    assert line.endswith("all goes on without it")


def test_a_folder_that_is_away(one: Machine, folder: Path) -> None:
    folder.rmdir()
    told_once_and_built(one, f"there is no folder {folder}")
    assert not folder.exists()


def test_nobody_answers(one: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    told_once_and_built(at(one, f"sftp://127.0.0.1:{port}/x"), f"127.0.0.1:{port}: ")


@pytest.mark.parametrize("scheme", ["sftp", "http", "s3"])
def test_one_that_is_silent(one: Machine, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection, and says nothing."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "lab")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        host = "bucket" if scheme == "s3" else f"127.0.0.1:{port}"
        begun = time.monotonic()
        told_once_and_built(at(one, f"{scheme}://{host}/x", stall_s=1.0), "")
        assert time.monotonic() - begun < 60


def test_a_disk_that_says_nothing(one: Machine, two: Machine, folder: Path) -> None:
    """As NFS does whose server is gone: open(2) does not come back."""
    one.make()
    (path,) = manifests(folder)
    path.unlink()
    os.mkfifo(path)
    told_once_and_built(at(two, two.url, stall_s=1.0), "it has said nothing for 1 s")
    os.close(os.open(path, os.O_RDWR))  # who waits there goes on


def test_a_server_that_goes_in_the_middle(
    one: Machine, two: Machine, sftp: str, folder: Path
) -> None:
    at(one, sftp).make()
    far = at(two, sftp)
    assert far.store.has("build", far.job().key)
    place = far.store._door._place
    place._fs.client.close()  # type: ignore[union-attr]
    told_once_and_built(far, "")


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    if run(["mount", "-t", "tmpfs", "-o", options, "lab", folder], check=False).status:
        pytest.skip("this host does not let the tests mount")
    try:
        yield
    finally:
        run(["umount", "-l", folder])


@pytest.mark.parametrize("url", ["file", "sftp"], indirect=True)
def test_a_store_that_is_full(one: Machine, two: Machine, url: str, folder: Path) -> None:
    """What is there can still be had, nothing half-written is, and nothing is left of it."""
    with mounted(folder, "size=256k"):
        small = at(one, url)
        first = small.make()
        assert small.told == []
        fill = folder / "fill"
        with fill.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        small.make(small.job(options="CONFIG_SMP=n\n"))
        small.make(small.job(options="CONFIG_SMP=y\nCONFIG_OTHER=n\n"))
        (line,) = small.told
        assert "it cannot be written: " in line
        assert line.endswith("; nothing more goes there")
        assert len(manifests(folder)) == 1
        assert not list(folder.rglob("*.part"))
        reader = at(two, url)
        had = reader.pull()
        assert (had is not None and had.key, reader.told) == (first.key, [])


@pytest.mark.parametrize("kind", ["file", "sftp"])
def test_a_store_that_is_read_only(
    one: Machine, two: Machine, folder: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    with mounted(folder, "size=1m"):
        one.make()
        run(["mount", "-o", "remount,ro", folder])
        reader = at(two, request.getfixturevalue(kind))
        assert reader.pull() is not None
        reader.make(reader.job(options="CONFIG_SMP=n\n"))
        reader.make(reader.job(options="CONFIG_SMP=y\nCONFIG_OTHER=n\n"))
        (line,) = reader.told
        assert "it cannot be written: " in line
        assert len(manifests(folder)) == 1


def test_two_pushers_at_once(one: Machine, two: Machine, url: str) -> None:
    """As processes, four times: one entry, whole, and no trouble told."""
    made = build(one.job())
    starting = FORK.Barrier(4)

    def push(number: int) -> None:
        pusher = at(one, url)
        starting.wait(30)
        done = push_build(made, pusher.store)
        print(pusher.told)
        os._exit(0 if done and not pusher.told else 1)

    pushers = [FORK.Process(target=push, args=(number,)) for number in range(4)]
    for pusher in pushers:
        pusher.start()
    for pusher in pushers:
        pusher.join(60)
    assert [pusher.exitcode for pusher in pushers] == [0] * 4
    place = place_at(Url(url), 10)
    place.open()
    found = [each.name for each in place.walk("lab-1")]
    assert len([name for name in found if name.endswith(".json")]) == 1
    assert not [name for name in found if name.endswith(".part")]
    reader = at(two, url)
    assert (pull_build(two.job(), reader.store) is not None, reader.told) == (True, [])


def test_a_pusher_that_is_killed(one: Machine, two: Machine, folder: Path) -> None:
    """At each of its writes: what is there afterwards is no entry, or a whole one."""
    made = one.make(one.job())
    whole = len(blobs(folder))
    for number in range(2 * whole + 4):
        run(["rm", "-r", folder / "lab-1"], check=False)
        pusher = FORK.Process(target=killed_at, args=(one, number, lambda: push_build_of(one)))
        pusher.start()
        pusher.join(60)
        reader = Machine(two.bench, two.cache.parent / f"reader-{number}", two.url)
        had = reader.pull()
        assert reader.told == []
        assert (had is not None) == bool(manifests(folder))
        if pusher.exitcode == 0:
            assert had is not None
            assert had.key == made.key
            break
        assert pusher.exitcode == -signal.SIGKILL
    else:
        pytest.fail("it never came to its end")
    assert number > whole


def push_build_of(machine: Machine) -> None:
    push_build(build(machine.job()), machine.store)


def killed_at(machine: Machine, number: int, do: Callable[[], None]) -> None:
    """Kill this process at the n-th file that the store's place writes or renames."""
    pusher = at(machine, machine.url)
    machine.store = pusher.store
    place = place_at(Url(machine.url), 10)
    count = [0]

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*arguments: object) -> object:
            if count[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            count[0] += 1
            return function(*arguments)

        return wrapper

    for name in ("_writing", "_replace", "_give_name"):
        setattr(place, name, counted(getattr(place, name)))
    machine.store._door._given = place
    do()
    os._exit(0)


def test_this_machine_is_full(one: Machine, two: Machine) -> None:
    """It is not the store's fault, and that goes on being asked."""
    one.make()
    two.cache.mkdir()
    (two.cache / "builds").mkdir()
    with mounted(two.cache / "builds", "size=16k"):
        assert two.pull() is None
        (line,) = two.told
        assert "what comes from it cannot be kept here: No space left on device" in line
        assert not list((two.cache / "builds").glob(".*.*"))
    assert two.pull() is not None


def test_threads_have_one_store(one: Machine, two: Machine) -> None:
    one.make()
    # It writes its config, which another would read half written.
    job = two.job()
    had: list[object] = []
    threads = [threading.Thread(target=lambda: had.append(two.pull(job))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len([each for each in had if each is not None]) == 4
    assert two.store.account.hits == {"build": 1}
