# SPDX-License-Identifier: GPL-2.0-only
"""Programs that one machine compiles and another has from the store."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.model.url import Url
from lab.process.seal import SEAL, sealed_digests
from lab.process.shelf import PROGRAMS
from lab.store.bundle import pull_folder, push_folder
from lab.store.registry import store_of, use_store
from lab.store.settings import StoreSettings
from lab.store.store import Store
from lab.suites import made as made_module
from lab.suites.c_compiler import compile_programs
from lab.suites.made import Making, made
from tests.store.conftest import manifests

pytestmark = pytest.mark.slow

SOURCE = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
MAKEFILE = "$(O)/%: %.c\n\t$(CC) -static -o $@ $<\n"


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


@pytest.fixture
def machine(tmp_path: Path, shared: Path) -> Iterator[Callable[[str], Path]]:
    """The cache of a machine by its name."""
    caches: list[Path] = []

    def make(name: str) -> Path:
        caches.append(tmp_path / name)
        use_store(caches[-1], StoreSettings(Url(shared.as_uri()), push=True), told.append)
        return caches[-1]

    told: list[str] = []
    yield make
    for cache in caches:
        use_store(cache, None, print)
    assert not told


def store(cache: Path) -> Store:
    found = store_of(cache)
    assert found is not None
    return found


@pytest.fixture
def guest_tests(tmp_path: Path) -> Path:
    folder = tmp_path / "guest-tests"
    folder.mkdir()
    (folder / "hello.c").write_text(SOURCE)
    (folder / "Makefile").write_text(MAKEFILE)
    return folder


def test_one_compiles_and_the_other_has_it(
    machine: Callable[[str], Path], guest_tests: Path
) -> None:
    one, two = machine("one"), machine("two")
    built = compile_programs(guest_tests, ["hello"], cache=one).files["hello"]
    assert store(one).account.pushed == {"programs": 1}
    had = compile_programs(guest_tests, ["hello"], cache=two).files["hello"]
    assert store(two).account.hits == {"programs": 1}
    assert had.read_bytes() == built.read_bytes()
    assert (had.stat().st_mode & 0o777, had.parent.name) == (0o755, built.parent.name)


def making(commands: str) -> Making:
    return Making("hello", "tarball:1", (commands,), ("*",), 60, "none")


def filled(folder: Path) -> None:
    (folder / "hello.c").write_text(SOURCE)
    (folder / "run.sh").write_text("#!/bin/sh\nexit 0\n")
    (folder / "run.sh").chmod(0o755)


def test_made_programs(machine: Callable[[str], Path]) -> None:
    one, two = machine("one"), machine("two")
    built = made(making("gcc -o hello hello.c"), filled, one)
    had = made(making("gcc -o hello hello.c"), lambda _: pytest.fail("it was made"), two)
    assert sealed_digests(had) == sealed_digests(built)
    assert sorted(path.name for path in had.iterdir()) == [SEAL, "hello", "make.log", "run.sh"]


def test_made_without_a_header_that_is_here(
    machine: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was left out there can be made here."""
    one, two = machine("one"), machine("two")
    said = "echo 'x.c:1:10: fatal error: numaif.h: No such file or directory' >&2"
    make = making(f"{said}; gcc -o hello hello.c")
    monkeypatch.setattr(made_module, "_HEADERS", ())
    made(make, filled, one)
    headers = tmp_path / "headers"
    headers.mkdir()
    (headers / "numaif.h").touch()
    monkeypatch.setattr(made_module, "_HEADERS", (headers,))
    told: list[str] = []
    store(two).telling(told.append)
    called: list[Path] = []

    def fill(folder: Path) -> None:
        called.append(folder)
        filled(folder)

    made(make, fill, two)
    assert called
    assert "it was made without numaif.h, which is here" in told[0]


SEALED = f"{hashlib.sha256(b'x').hexdigest()}  a\n".encode()


def bundle_of(tmp_path: Path, shared: Path, members: dict[str, bytes | str]) -> Path:
    path = tmp_path / "files.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                (tmp_path / "member").write_bytes(content)
                member.size = len(content)
                archive.addfile(member, (tmp_path / "member").open("rb"))
    return path


@pytest.mark.parametrize(
    "members",
    [
        {"../escaped": b"x"},
        {"/tmp/lab-escaped": b"x"},
        {"a": "/etc/passwd"},
        {"a": b"x"},
        {SEAL: b"0" * 64 + b"  a\n", "a": b"x"},
        # Whole, and one beside it that nothing vouches for.
        {SEAL: SEALED, "a": b"x", "b": b"y"},
        {},
    ],
)
def test_what_is_no_folder_of_programs(
    machine: Callable[[str], Path], tmp_path: Path, shared: Path, members: dict[str, bytes | str]
) -> None:
    one = machine("one")
    told: list[str] = []
    store(one).telling(told.append)
    assert store(one).push("programs", "abc", {"files.tar": bundle_of(tmp_path, shared, members)})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    final = PROGRAMS.place(one, "abc")
    assert not pull_folder("programs", final, scratch, ["a"])
    assert "cannot be used" in told[0]
    assert not any(scratch.iterdir())
    assert not list(tmp_path.rglob("escaped*"))


def test_a_damaged_program_goes_nowhere(
    machine: Callable[[str], Path], guest_tests: Path, shared: Path
) -> None:
    one = machine("one")
    use_store(one, None, print)
    path = compile_programs(guest_tests, ["hello"], cache=one).files["hello"]
    machine("one")
    path.write_bytes(path.read_bytes() + b"x")
    assert not push_folder("programs", path.parent)
    assert not manifests(shared)
