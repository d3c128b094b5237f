# SPDX-License-Identifier: GPL-2.0-only
"""The guest programs' verdicts, on a kernel of ours (kernel.c) that keeps its word or does not."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from lab.process import run
from tests.guest_tests.test_programs import SOURCES, _make

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PROGRAMS = ("populate", "mlock", "limits", "first-access")
CALLS = (
    "mmap",
    "pread",
    "madvise",
    "mlock",
    "munlock",
    "mlockall",
    "getrusage",
    "setrlimit",
    "syscall",
    "fsync",
    "fopen",
)
RESULT = re.compile(r"(?P<word>ok|not ok) \d+ (?P<name>[\w.-]+)(?: # SKIP (?P<why>.+))?")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Each program, on the kernel of ours."""
    folder = tmp_path_factory.mktemp("verdicts")
    built = _make(folder / "guest-tests")
    kernel = _object(folder, "kernel.c")
    wraps = "-Wl," + ",".join(f"--wrap={call}" for call in CALLS)
    for name in PROGRAMS:
        objects = [built / f"obj/{name}.o", built / "obj/library.a"]
        run(["gcc", "-static", wraps, "-o", folder / name, objects[0], kernel, objects[1]])
    return {name: folder / name for name in PROGRAMS}


def _object(folder: Path, source: str) -> Path:
    made = folder / Path(source).with_suffix(".o").name
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]
    run(["gcc", *flags, "-I", SOURCES, "-c", "-o", made, HERE / source])
    return made


def results(program: Path, folder: Path, lie: str = "") -> dict[str, str]:
    """``ok``, ``not ok`` or ``skip`` by the test's name."""
    env = {**os.environ, "LIE": lie}
    said = run([program, folder], env=env, check=False, timeout=600).stdout
    matches = [match for line in said.splitlines() if (match := RESULT.fullmatch(line))]
    assert len(matches) == int(said.splitlines()[1].removeprefix("1..")), said
    return {match["name"]: "skip" if match["why"] else match["word"] for match in matches}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_kernel_that_keeps_its_word(
    programs: Mapping[str, Path], tmp_path: Path, program: str
) -> None:
    found = results(programs[program], tmp_path)
    assert found
    assert {name for name, word in found.items() if word != "ok"} == set()


POPULATED = (
    "populate.*",
    "map-locked.*",
    "madvise-populate-read.*",
    "madvise-populate-write.*-rw.*",
)
LOCKED = ("mlock.*", "mlock-part.*", "munlock-mlock.*", "mlockall-*")
LIMITS = ("rlimit-memlock.*",)


@pytest.mark.parametrize(
    ("lie", "program", "failing"),
    [
        # Success, and nothing was brought in: neither witness alone would do, and a control
        # that neither sees proves nothing.
        ("absent", "populate", POPULATED),
        ("absent", "mlock", LOCKED),
        ("absent", "limits", ("past-eof.*", *LIMITS)),
        ("pagemap", "populate", POPULATED),
        ("pagemap", "mlock", LOCKED),
        ("faults", "populate", ("control.*", *POPULATED)),
        ("faults", "mlock", LOCKED),
        ("faults", "first-access", ("*",)),
        ("major", "populate", ()),
        ("major-absent", "populate", POPULATED),
        # All but one page.
        ("all-but-one", "populate", POPULATED),
        ("all-but-one", "mlock", ("*",)),
        ("all-but-one", "limits", LIMITS),
        # What was asked for is done, and refused.
        ("refuses", "populate", POPULATED),
        ("refuses", "mlock", ("*",)),
        ("refuses", "limits", ("past-eof.*", *LIMITS)),
        ("munlock", "mlock", ("munlock-mlock.*",)),
        ("dontneed", "mlock", ("munlock-mlock.*",)),
        # There before anybody asked: what is shown then shows nothing.
        ("eager", "first-access", ("*",)),
        (
            "eager",
            "mlock",
            (
                "*.4k",
                "mlock.*",
                "mlock-part.*",
                "munlock-mlock.*",
                "mlockall-current.*",
                "mlock2-onfault.*",
            ),
        ),
        ("eager", "limits", ("rlimit-memlock.mlock", "rlimit-memlock.mlockall")),
        # The file's data is not what is mapped.
        ("data", "populate", ("control.*", *POPULATED)),
        ("data", "mlock", ("*",)),
        ("data", "limits", ("*",)),
        ("data", "first-access", ("*",)),
        # A write still faults where populate is to have broken copy-on-write.
        (
            "copy-on-write",
            "populate",
            ("populate.private-rw.*", "map-locked.private-rw.*", "madvise-populate-write.*-rw.*"),
        ),
        (
            "copy-on-write",
            "mlock",
            (
                "mlock.private-rw.*",
                "mlock-part.private-rw.*",
                "munlock-mlock.private-rw.*",
                "mlockall-*.private-rw.*",
            ),
        ),
        ("copy-on-write", "limits", ("past-eof.*.private-rw",)),
        # MLOCK_ONFAULT
        ("one-on-fault", "mlock", ("mlock2-onfault.*",)),
        ("anonymous", "mlock", ("mlock2-onfault.*",)),
        ("on-fault", "mlock", ()),
        # Another error, none, or one after all was done.
        ("errno", "populate", ("madvise-populate-write.*-ro.*",)),
        ("errno", "limits", ("past-eof.mlock.*", *LIMITS)),
        ("advice", "populate", ("madvise-populate-write.*-ro.*",)),
        ("read-only", "populate", ("madvise-populate-write.*-ro.*",)),
        ("no-limit", "limits", LIMITS),
        ("refused-but-done", "limits", ("rlimit-memlock.mlock", "rlimit-memlock.mlockall")),
        ("end-of-file", "limits", ("past-eof.*",)),
        # As the page cache does it, on what statx says is DAX: a fault brings its neighbours.
        ("fault-around", "mlock", ("*.4k",)),
        ("fault-around", "first-access", ("*.4k",)),
    ],
)
def test_a_kernel_that_lies(
    programs: Mapping[str, Path], tmp_path: Path, lie: str, program: str, failing: tuple[str, ...]
) -> None:
    for name, word in results(programs[program], tmp_path, lie).items():
        wanted = any(fnmatchcase(name, glob) for glob in failing)
        assert (name, word) == (name, "not ok" if wanted else "ok")


@pytest.mark.parametrize(
    ("lie", "program", "skipped"),
    [
        ("old", "populate", ("madvise-*",)),
        ("old", "mlock", ("mlock2-*",)),
        ("no-raise", "populate", ("map-locked.*",)),
        ("small-pages", "populate", ("*.2m",)),
    ],
)
def test_what_is_not_there_is_skipped(
    programs: Mapping[str, Path], tmp_path: Path, lie: str, program: str, skipped: tuple[str, ...]
) -> None:
    for name, word in results(programs[program], tmp_path, lie).items():
        wanted = any(fnmatchcase(name, glob) for glob in skipped)
        assert (name, word) == (name, "skip" if wanted else "ok")


NO_DAX = (
    ("page-cache", "populate", ()),
    ("page-cache", "mlock", ()),
    ("page-cache", "first-access", ()),
    # Locked when they are faulted in, and there at once: what DAX alone may do.
    ("locked-page-cache", "mlock", ("mlock2-onfault.*.4k",)),
    # The mount has the option still, and the file is none.
    ("lost-dax", "populate", ("*.4k",)),
    ("lost-dax", "mlock", ("*.4k",)),
)


@pytest.mark.parametrize(("lie", "program", "failing"), NO_DAX)
def test_the_page_cache_is_tested_4_kib_at_a_time(
    programs: Mapping[str, Path], tmp_path: Path, lie: str, program: str, failing: tuple[str, ...]
) -> None:
    """A mount without the option, and a file that statx says is none of DAX's."""
    for name, word in results(programs[program], tmp_path, lie).items():
        wanted = "not ok" if any(fnmatchcase(name, glob) for glob in failing) else "ok"
        assert (name, word) == (name, "skip" if name.endswith(".2m") else wanted)


def test_eager_pages_are_no_control(programs: Mapping[str, Path], tmp_path: Path) -> None:
    """Where nothing is absent before the call, only what asks nothing of before can pass."""
    found = results(programs["populate"], tmp_path, "eager")
    passed = {name for name, word in found.items() if word == "ok"}
    assert all(fnmatchcase(name, "populate.*.2m") or name.startswith("map-l") for name in passed)
    assert found["control.shared-rw.2m"] == "not ok"
    assert found["madvise-populate-read.shared-rw.2m"] == "not ok"


METRIC = re.compile(r"# metric (?P<name>\w+) populate=(?P<populate>no|yes) value=(?P<value>\S+)")


def test_what_populate_saves_is_measured(programs: Mapping[str, Path], tmp_path: Path) -> None:
    """Before each result both ways, and as many faults as pages or 2 MiB parts there are."""
    said = run([programs["first-access"], tmp_path]).stdout.splitlines()
    metrics: dict[tuple[str, str], float] = {}
    for line in said[2:]:
        if match := METRIC.fullmatch(line):
            metrics[match["name"], match["populate"]] = float(match["value"])
        elif match := RESULT.fullmatch(line):
            faults = 2 if match["name"].endswith(".2m") else 1024
            assert metrics.pop(("faults", "no")) == faults
            assert metrics.pop(("faults", "yes")) == 0
            for name in ("first_access_ns_per_page", "mmap_ns_per_page"):
                for populate in ("no", "yes"):
                    # No page takes a minute.
                    assert 0 < metrics.pop((name, populate)) < 60e9
            assert not metrics


@pytest.mark.parametrize(
    ("lie", "why", "programs_of"),
    [
        ("no-disk", "fsync: EIO", PROGRAMS),
        ("short-read", "/proc/self/pagemap: short read", PROGRAMS),
        # In limits it is mmap() itself that is tested.
        ("no-memory", "mmap: ENOMEM", ("populate", "mlock", "first-access")),
    ],
)
def test_where_nothing_can_be_tested_nothing_passes(
    programs: Mapping[str, Path], tmp_path: Path, lie: str, why: str, programs_of: tuple[str, ...]
) -> None:
    for program in programs_of:
        env = {**os.environ, "LIE": lie}
        said = run([programs[program], tmp_path], env=env, check=False).stdout.splitlines()
        assert said[-1].startswith("Bail out! ")
        assert said[-1].endswith(f": {why}")
        assert not [line for line in said if RESULT.fullmatch(line)]
