# SPDX-License-Identifier: GPL-2.0-only
"""The guest programs on this machine: they build, and speak KTAP whatever the filesystem."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from lab.process import Result, run, spawn
from lab.suites.exact_pattern import only
from lab.suites.ktap import parse

pytestmark = pytest.mark.slow

SOURCES = Path(__file__).parents[2] / "guest-tests"
KTAP_PROGRAMS = ("populate", "mlock", "limits", "first-access")
PROGRAMS = (*KTAP_PROGRAMS, "devdax", "dax-proof")
MAPPINGS = ("shared-rw", "shared-ro", "private-ro", "private-rw")
SIZES = ("4k", "2m")
CALLS = {
    "populate": [
        "control",
        "populate",
        "map-locked",
        "madvise-populate-read",
        "madvise-populate-write",
    ],
    "mlock": [
        "mlock",
        "mlock-part",
        "munlock-mlock",
        "mlockall-current",
        "mlockall-future",
        "mlock2-onfault",
    ],
    "first-access": ["first-access"],
}
RESULT = re.compile(
    r"(?P<word>ok|not ok) (?P<number>\d+) (?P<name>[\w.-]+)(?: # SKIP (?P<why>.+))?"
)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make(tmp_path_factory.mktemp("guest-tests"))


@dataclass(frozen=True)
class Finished:
    program: str
    result: Result
    left_behind: list[Path]


@pytest.fixture(scope="session", params=KTAP_PROGRAMS)
def finished(
    built: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Finished:
    """A whole run of a program."""
    folder = tmp_path_factory.mktemp("run")
    return Finished(request.param, _ktap(built / request.param, folder), list(folder.iterdir()))


@pytest.fixture(scope="session")
def verdicts(built: Path) -> Path:
    """A program whose tests end in every way there is."""
    source = Path(__file__).with_name("verdicts.c")
    objects = [built / "obj" / "library.a"]
    program = built / "verdicts"
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-static"]
    run(["gcc", *flags, "-I", SOURCES, "-o", program, source, *objects])
    return program


@pytest.fixture(scope="session")
def names(built: Path) -> Path:
    """A program whose tests have names of every kind."""
    source = Path(__file__).with_name("names.c")
    program = built / "names"
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-static"]
    run(["gcc", *flags, "-I", SOURCES, "-o", program, source, built / "obj" / "library.a"])
    return program


def _make(output: Path, sources: Path = SOURCES) -> Path:
    run(["make", "-C", sources, "-j2", f"O={output}"])
    return output


def _ktap(program: Path, *arguments: str | Path) -> Result:
    return run([program, *arguments], check=False, timeout=60)


def _plan(result: Result) -> int:
    lines = result.stdout.splitlines()
    assert lines[0] == "KTAP version 1"
    plan = re.fullmatch(r"1\.\.(\d+)", lines[1])
    assert plan, lines[1]
    return int(plan[1])


def _results(result: Result) -> Iterator[re.Match[str]]:
    """The result lines; every other line after the plan has to be a diagnostic."""
    for line in result.stdout.splitlines()[2:]:
        match = RESULT.fullmatch(line)
        if match:
            yield match
        else:
            assert line.startswith(("# ", "Bail out! ")), line


def _skip_without_pagemap(result: Result) -> None:
    """Shut off where the tests run, it ends a program; nothing else may."""
    if "Bail out! " in result.stdout:
        try:
            Path("/proc/self/pagemap").open("rb").close()
        except OSError:
            pytest.skip(result.stdout.splitlines()[-1])
        pytest.fail(result.stdout.splitlines()[-1])


def _names(result: Result) -> list[str]:
    return [match["name"] for match in _results(result)]


def _before(result: Result, name: str) -> tuple[str, list[str]]:
    """The result line of a test and the diagnostics that belong to it."""
    notes: list[str] = []
    for line in result.stdout.splitlines()[2:]:
        match = RESULT.fullmatch(line)
        if match and match["name"] == name:
            return line, notes
        notes = [] if match else [*notes, line]
    raise AssertionError(f"{name} is not in:\n{result.stdout}")


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_static(built: Path, program: str) -> None:
    with (built / program).open("rb") as stream:
        segments = {segment.header.p_type for segment in ELFFile(stream).iter_segments()}
    assert not segments & {"PT_INTERP", "PT_DYNAMIC"}


def test_two_builds_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    sources = tmp_path / "with-a-longer-name" / "guest-tests"
    shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns("build"))
    again = _make(tmp_path / "elsewhere", sources)
    for program in PROGRAMS:
        assert (again / program).read_bytes() == (built / program).read_bytes()


def test_as_many_results_as_planned(finished: Finished) -> None:
    _skip_without_pagemap(finished.result)
    numbers = [int(match["number"]) for match in _results(finished.result)]
    assert numbers == list(range(1, _plan(finished.result) + 1))
    assert finished.result.status == 0


def test_no_file_stays(finished: Finished) -> None:
    assert finished.left_behind == []


def test_every_call_mapping_and_size(finished: Finished) -> None:
    _skip_without_pagemap(finished.result)
    if finished.program == "limits":
        expected = {f"past-eof.{c}.{m}" for c in ("populate", "mlock") for m in MAPPINGS}
        expected |= {f"rlimit-memlock.{c}" for c in ("mlock", "map-locked", "mlockall")}
        expected |= {"pages.proc-mem"}
    else:
        calls = CALLS[finished.program]
        expected = {f"{c}.{m}.{s}" for c in calls for m in MAPPINGS for s in SIZES}
    assert set(_names(finished.result)) == expected


def test_limits_hold_on_an_ordinary_filesystem(built: Path, tmp_path: Path) -> None:
    # These need no DAX: the same kernel code decides.
    result = _ktap(built / "limits", tmp_path)
    _skip_without_pagemap(result)
    words = [match["word"] for match in _results(result)]
    assert words == ["ok"] * 12


def test_without_a_2_mib_mapping_the_reason_is_given(built: Path, tmp_path: Path) -> None:
    result = _ktap(built / "populate", tmp_path, "-k", "control.shared-rw.2m")
    (match,) = _results(result)
    if match["why"] is None:
        pytest.skip("this filesystem maps 2 MiB at once")
    assert match["word"] == "ok"
    assert "no 2 MiB mapping" in match["why"]


@pytest.mark.parametrize(
    ("pattern", "selected"),
    [
        ("rlimit", [f"rlimit-memlock.{c}" for c in ("mlock", "map-locked", "mlockall")]),
        ("*.mlock", ["rlimit-memlock.mlock"]),
        ("past-eof.*.shared-r[ow]", [f"past-eof.{c}.{m}" for c in ("populate", "mlock")
                                     for m in ("shared-rw", "shared-ro")]),
    ],
)  # fmt: skip
def test_k_selects(built: Path, tmp_path: Path, pattern: str, selected: list[str]) -> None:
    result = _ktap(built / "limits", tmp_path, "-k", pattern)
    assert _plan(result) == len(selected)
    assert _names(result) == selected[: len(_names(result))]


def test_a_device_is_wanted_by_who_maps_one(built: Path, tmp_path: Path) -> None:
    names = _ktap(built / "devdax", tmp_path, "-l").stdout.splitlines()
    assert len(names) == 13
    assert [name for name in names if not name.endswith(".2m")] == []
    missing = _ktap(built / "devdax", tmp_path, "-k", "populate.shared-ro")
    assert missing.status == 1
    assert missing.stdout.endswith("Bail out! populate.shared-ro.2m: device: ENOENT\n")
    (tmp_path / "device").write_bytes(bytes(1 << 20))
    no_device = _ktap(built / "devdax", tmp_path, "-k", "populate.shared-ro")
    assert no_device.stdout.endswith(": device is no character device\n")


def test_k_that_matches_nothing(built: Path, tmp_path: Path) -> None:
    # With a glob character in it, a pattern is no substring.
    result = _ktap(built / "mlock", tmp_path, "-k", "mloc?")
    assert result.stdout == "KTAP version 1\n1..0 # SKIP no test matches\n"
    assert result.status == 0


@pytest.mark.parametrize("arguments", [[], ["/nonexistent"], ["."] * 2, [".", "-x"], [".", "-k"]])
def test_bad_arguments_bail_out(built: Path, arguments: list[str]) -> None:
    result = _ktap(built / "populate", *arguments)
    assert result.status == 1
    assert result.stdout.splitlines()[1].startswith("Bail out! ")


@pytest.mark.parametrize(
    ("name", "line", "notes"),
    [
        ("passes", "ok 1 passes", []),
        ("fails", "not ok 2 fails", ["# seen before the result"]),
        ("skips", "ok 3 skips # SKIP since 2015", []),
        (
            "dies.segv",
            "not ok 4 dies.segv",
            ["# seen before the signal", "# the test died of SIGSEGV (signal 11)"],
        ),
        (
            "dies.bus",
            "not ok 5 dies.bus",
            ["# seen before the signal", "# the test died of SIGBUS (signal 7)"],
        ),
        ("exits", "not ok 6 exits", ["# the test exited with status 77"]),
    ],
)
def test_each_end_of_a_test(
    verdicts: Path, tmp_path: Path, name: str, line: str, notes: list[str]
) -> None:
    assert _before(_ktap(verdicts, tmp_path), name) == (line, notes)


def test_a_bail_out_ends_the_program(verdicts: Path, tmp_path: Path) -> None:
    result = _ktap(verdicts, tmp_path)
    assert result.status == 1
    assert result.stdout.splitlines()[-1] == "Bail out! bails: no room"
    assert _plan(result) == 11


@pytest.mark.parametrize(
    ("name", "word", "present", "faults", "wrong"),
    [
        ("resident", "ok", "600 of 600", 0, 0),
        ("one-missing", "not ok", "599 of 600", 1, 1),
        ("wrong-data", "not ok", "599 of 599", 0, 599),
    ],
)
def test_residency_witnesses(
    verdicts: Path, tmp_path: Path, name: str, word: str, present: str, faults: int, wrong: int
) -> None:
    result = _ktap(verdicts, tmp_path, "-k", name)
    _skip_without_pagemap(result)
    line, notes = _before(result, name)
    assert line == f"{word} 1 {name}"
    assert notes == [
        f"# before the touch: {present} pages present",
        f"# touch by reading: {faults} minor and 0 major faults, wrong data in {wrong} pages",
    ]


ODD_NAMES = (
    "mmap[4k]",
    "memory is locked",
    "fails # skip",
    r"back\slash \#",
    "-k",
    "größe: 日本",
    "mmap4",
)


def test_names_are_read_as_they_were_written(names: Path, tmp_path: Path) -> None:
    listed = _ktap(names, tmp_path, "-l").stdout.splitlines()
    report = parse(_ktap(names, tmp_path).stdout.encode())
    assert report.problems == ()
    assert [test.name for test in report.tests] == listed == [*ODD_NAMES]
    assert [test.name for test in report.tests if test.broken] == ["fails # skip"]
    assert all(test.directive is None for test in report.tests)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_test_can_be_run_alone(names: Path, tmp_path: Path, name: str) -> None:
    report = parse(_ktap(names, tmp_path, "-k", only(name)).stdout.encode())
    assert [test.name for test in report.tests] == [name]


def test_k_takes_a_name_that_is_a_glob_too(names: Path, tmp_path: Path) -> None:
    report = parse(_ktap(names, tmp_path, "-k", "mmap[4k]").stdout.encode())
    assert [test.name for test in report.tests] == ["mmap[4k]", "mmap4"]


def test_a_killed_program_leaves_what_it_had(built: Path, tmp_path: Path) -> None:
    with spawn([built / "mlock", tmp_path], stdout=subprocess.PIPE) as child:
        first = [child.stdout.readline() for _ in range(3)]
    assert first[:2] == [b"KTAP version 1\n", b"1..48\n"]
    assert first[2].startswith((b"# ", b"ok 1 ", b"not ok 1 ", b"Bail out! "))


def test_dax_proof_says_no_here(built: Path, tmp_path: Path) -> None:
    result = run([built / "dax-proof", tmp_path])
    proof = dict(line.split("=", 1) for line in result.stdout.splitlines())
    assert set(proof) == {"release", "mount", "dax_option", "statx_known", "statx_dax"} | {
        "phys",
        "pfn_in_pmem",
    }
    assert proof["release"] == run(["uname", "-r"]).stdout.strip()
    assert proof["mount"].split()[0] == _filesystem_type(tmp_path)
    assert proof["dax_option"] == "no"
    assert proof["statx_dax"] in {"no", "unknown"}
    assert proof["pfn_in_pmem"] in {"no", "unknown"}
    assert list(tmp_path.iterdir()) == []


def _filesystem_type(path: Path) -> str:
    return run(["findmnt", "-n", "-o", "FSTYPE", "-T", path]).stdout.strip()


def test_dax_proof_without_a_directory(built: Path, tmp_path: Path) -> None:
    result = run([built / "dax-proof", tmp_path / "missing"], check=False)
    assert result.status == 1
    assert "missing" in result.stderr
    assert result.stdout == ""


def test_init_is_for_a_guest_alone(built: Path) -> None:
    # In folders of its own, where it could mount what it likes.
    command = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork"]
    done = subprocess.run(
        ["timeout", "5", *command, "sh", "-c", f"{built}/init; echo status $?"],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in done.stderr:
        pytest.skip(done.stderr)
    assert done.stdout == "status 1\n"
    assert "as PID 1" in done.stderr
