# SPDX-License-Identifier: GPL-2.0-only
"""``lab store``: what it says, and how it ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from lab.cli.main import commands
from lab.errors import ExitStatus, InfrastructureError, UserError
from lab.store.account import Account
from tests.store.conftest import blobs, manifests
from tests.store.test_builder import Host, host, shared

__all__ = ["shared"]

pytestmark = pytest.mark.slow

LAB = commands()


@pytest.fixture
def one(tmp_path: Path, fake_kernel: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A project whose lab puts nothing there by itself."""
    one = host(tmp_path / "one", fake_kernel, shared, "")
    (tmp_path / "one/kconfigs/pmem.config").write_text("")
    monkeypatch.chdir(tmp_path / "one")
    return one


def lab(*words: str) -> int:
    status: int = LAB(["store", *words], standalone_mode=False)
    return status


def put(one: Host) -> None:
    from lab.build.shared import push_build

    made = one.build()
    one.store.settings.__dict__["push"] = True
    assert push_build(made, one.store)


def test_nobody_names_a_store(tmp_path: Path, one: Host) -> None:
    one.project.toml.write_text(one.project.toml.read_text().partition("[store]")[0])
    for words in (["check"], ["gc"], ["push", "6.1"]):
        with pytest.raises(UserError, match="no store is named") as caught:
            lab(*words)
        assert "[store] url = " in str(caught.value)


def test_one_that_is_away(one: Host, shared: Path) -> None:
    shared.rmdir()
    for words in (["check"], ["gc"], ["gc", "--yes"]):
        with pytest.raises(InfrastructureError, match="there is no folder") as caught:
            lab(*words)
        assert "try: mkdir " in str(caught.value)


def test_a_push_looks_for_the_store_before_it_builds(
    one: Host, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It built three kernels first, and said then that there is no folder."""
    shared.rmdir()
    with pytest.raises(InfrastructureError, match="there is no folder") as caught:
        lab("push", "6.1")
    assert "try: mkdir " in str(caught.value)
    one.project.change(shared.as_uri(), "https://127.0.0.1:1/lab")
    with pytest.raises(UserError, match="only read"):
        lab("push", "6.1")
    said = capsys.readouterr()
    assert said.out + said.err == ""


def test_check(one: Host, shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(one)
    assert lab("check") == ExitStatus.EXPECTED
    assert "1 entries, " in capsys.readouterr().out
    path = blobs(shared)[0]
    path.write_bytes(b"x" * path.stat().st_size)
    assert lab("check", "--json") == ExitStatus.UNEXPECTED
    (row,) = json.loads(capsys.readouterr().out)["entries"]
    assert row["kind"] == "build"
    assert row["trouble"].endswith("is not what was put there")


def test_gc_says_why_it_does_not_come_down_to_a_budget(
    one: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    put(one)
    assert lab("gc", "--budget", "1K") == ExitStatus.EXPECTED
    said = capsys.readouterr().out
    assert "nothing would go; " in said
    assert "--yes" not in said
    assert "stay, beyond 1K: all of it is younger than a day" in said


def test_gc_says_what_is_damaged_and_stays(
    one: Host, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was told by `lab store check`, and gc removed nothing without a word."""
    put(one)
    manifests(shared)[0].write_text("{}")
    assert lab("gc", "--yes") == ExitStatus.EXPECTED
    said = capsys.readouterr().out
    assert "removed 0 entries" in said
    assert "1 damaged stay until a day old" in said


def test_gc_is_dry(one: Host, shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(one)
    manifests(shared)[0].write_text("{}")
    for path in shared.rglob("*"):
        os.utime(path, (1e9, 1e9))
    before = sorted(shared.rglob("*"))
    assert lab("gc") == ExitStatus.EXPECTED
    assert "would go" in capsys.readouterr().out
    assert sorted(shared.rglob("*")) == before
    assert lab("gc", "--yes") == ExitStatus.EXPECTED
    assert "removed 1 entries" in capsys.readouterr().out
    assert not manifests(shared)
    assert not blobs(shared)


def test_push(one: Host, shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Builds that were made before there was a store, and that are told what is wrong."""
    one.build()
    assert not manifests(shared)
    status = lab("push", "6.1")
    said = capsys.readouterr()
    assert [path.parent.name for path in manifests(shared)] == ["build"]
    # The project's only program is an empty file.
    assert status == ExitStatus.USER or "populate" in said.err
    assert "1 build pushed" in said.out


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: os.truncate(path, 1)])
def test_push_puts_anew_what_is_gone_there(
    one: Host, shared: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], object]
) -> None:
    """All was there by its manifest, and nobody could have it."""
    one.build()
    lab("push", "6.1")
    for path in blobs(shared):
        harm(path)
    assert lab("check") == ExitStatus.UNEXPECTED
    capsys.readouterr()
    lab("push", "6.1")
    # The process' store counts both.
    assert "2 builds pushed" in capsys.readouterr().out
    assert lab("check") == ExitStatus.EXPECTED


def test_what_was_pushed_is_counted_for_people() -> None:
    pushed = Account(written=2048)
    pushed.pushed.update({"build": 3, "tree": 1, "programs": 7})
    assert pushed.told() == "3 builds pushed, 7 programs pushed, 1 tree pushed, 2K written"
    had = Account(read=2241841, rebuilt=1)
    had.hits.update({"build": 1, "programs": 7})
    had.misses.update({"build": 2})
    assert had.told() == ("1 build had, 7 programs had, 2 builds not there, 2.1M read, 1 rebuilt")


def test_push_of_what_another_store_had(
    tmp_path: Path,
    fake_kernel: Path,
    shared: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All that was left there comes along; where it cannot, nobody hears that all was put."""
    host(tmp_path / "first", fake_kernel, shared).build()
    two = host(tmp_path / "two", fake_kernel, shared, "")
    (tmp_path / "two/kconfigs/pmem.config").write_text("")
    had = two.build()
    assert had.origin
    assert not (had.folder / "vmlinux").exists()
    there = tmp_path / "there"
    there.mkdir()
    two.project.change(shared.as_uri(), there.as_uri())
    gone = shared.rename(tmp_path / "gone")
    words = ("push", "6.1", "--file", str(two.project.toml))
    assert lab(*words) == ExitStatus.INFRASTRUCTURE
    said = capsys.readouterr()
    assert "the vmlinux of this build is in the store, and cannot be had" in said.err
    assert "build pushed" not in said.out
    gone.rename(shared)
    # A process asks no store again that was away.
    monkeypatch.setattr("lab.store.left_there._stores", {})
    lab(*words)
    assert "1 build pushed" in capsys.readouterr().out


def test_push_to_one_that_goes_away(
    one: Host, shared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one.build()
    monkeypatch.setattr("lab.cli.store._require_there", lambda _: shared.rmdir())
    # The project's only program is an empty file, of which it is told before the store is.
    with suppress(InfrastructureError):
        assert lab("push", "6.1") != ExitStatus.EXPECTED
    said = capsys.readouterr().out
    assert "nothing was put" in said
    assert "all is there" not in said


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://host/x", "begins with one of file://, sftp://"),
        ("sftp://me:secret@host/x", "holds a password"),
        ("https://host/x?token=secret", "holds a password or a query"),
        ("file://nfs/lab", "file:///FOLDER, from the root"),
    ],
)
def test_urls_that_are_none(one: Host, url: str, words: str) -> None:
    one.project.toml.write_text(
        one.project.toml.read_text().partition("[store]")[0] + f'[store]\nurl = "{url}"\n'
    )
    with pytest.raises(UserError) as caught:
        lab("check")
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "store.url" in str(caught.value)
