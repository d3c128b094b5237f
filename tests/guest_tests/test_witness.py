# SPDX-License-Identifier: GPL-2.0-only
"""The verdicts of witness, on a kernel that says what it should, or does not."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from lab.process import run
from tests.guest_tests.test_programs import SOURCES, _make
from tests.guest_tests.test_verdicts import results

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
CALLS = ("open", "fopen", "pread", "mmap", "mlock", "setrlimit")


@pytest.fixture(scope="session")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program on the kernel of ours, with breakpoints of ours."""
    folder = tmp_path_factory.mktemp("witness")
    built = _make(folder / "guest-tests")
    flags: list[str | Path] = [
        "-std=c11",
        "-D_GNU_SOURCE",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-I",
        SOURCES,
    ]
    run(["gcc", *flags, "-c", "-o", folder / "kernel.o", HERE / "witness.c"])
    wraps = "-Wl," + ",".join(f"--wrap={call}" for call in CALLS)
    parts: list[str | Path] = [
        built / "obj/witness.o",
        folder / "kernel.o",
        built / "obj/library.a",
    ]
    run(["gcc", "-static", wraps, "-o", folder / "witness", *parts])
    return folder / "witness"


@pytest.mark.parametrize(
    ("lie", "failing"),
    [
        ("", ()),
        # Of memory that has a struct page it says the same as of what has none.
        ("nopage", ("struct-page.*",)),
        ("untold", ("struct-page.*", "mlocked.*")),
        ("mixed", ("struct-page.*",)),
        ("flagless", ("struct-page.*", "mlocked.*")),
        # Anonymous memory is locked, and one of the witnesses does not say so.
        ("unlocked", ("mlocked.*",)),
        ("unmarked", ("mlocked.*",)),
        ("meminfo", ("mlocked.*",)),
        ("nr_mlock", ("mlocked.*",)),
        ("events", ("mlocked.*",)),
        # mlock() fails, of both or of the file alone, or does nothing.
        ("refuses", ("mlocked.*",)),
        ("refuses-file", ("mlocked.*",)),
        ("absent", ("mlocked.*",)),
        ("never", ("calls.mmap-populate", "calls.mlock")),
        ("no-populate", ("calls.mmap-populate", "calls.mlock")),
        ("no-gets", ("calls.mmap-populate", "calls.mlock")),
        ("reversed", ("calls.mmap-populate", "calls.mlock")),
        ("always", ("calls.control",)),
    ],
)
def test_witness(witness: Path, tmp_path: Path, lie: str, failing: tuple[str, ...]) -> None:
    for name, word in results(witness, tmp_path, lie).items():
        wanted = any(fnmatchcase(name, glob) for glob in failing)
        assert (name, word) == (name, "not ok" if wanted else "ok")


def test_who_may_not_look_skips(witness: Path, tmp_path: Path) -> None:
    found = results(witness, tmp_path, "not-root")
    assert {name for name, word in found.items() if word == "skip"} == {
        name for name in found if not name.startswith("calls.")
    }
