# SPDX-License-Identifier: GPL-2.0-only
"""Reproducers: what an exit status comes to, and a file that is a suite in one word."""

from __future__ import annotations

import pickle
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from lab.config import LoadedConfig, load
from lab.config.model import GivenSuite
from lab.errors import Location, UserError
from lab.execution.programs import Programs
from lab.model.status import Status
from lab.suites import suite_for
from lab.suites.given_reproducer import with_reproducer, with_reproducers
from lab.suites.judge import Ended, Judged
from lab.suites.reproducers import Reproducers

ROOT = Path(__file__).parents[2]
GOOD = 'int main(int argc, char **argv) { asm volatile(""); return argc > 1; }\n'


def judged(
    output: bytes, status: int | None, ended: Ended = Ended.EXITED, detail: str = ""
) -> tuple[Judged, ...]:
    suite = Reproducers(Path("/project"))
    return suite.judge("bug", output, status, ended=ended, detail=detail, selected=False).judged


@pytest.mark.parametrize(
    ("status", "outcome", "message"),
    [
        (0, Status.PASS, "b; c; d"),
        (4, Status.SKIP, "b; c; d"),
        (77, Status.SKIP, "b; c; d"),
        (1, Status.FAIL, "exited with status 1: b; c; d"),
        (78, Status.FAIL, "exited with status 78: b; c; d"),
        (255, Status.FAIL, "exited with status 255: b; c; d"),
        (128 + 7, Status.FAIL, "was killed by SIGBUS: b; c; d"),
        (126, Status.ERROR, "could not be started: the shell gave status 126: b; c; d"),
        (127, Status.ERROR, "could not be started: the shell gave status 127: b; c; d"),
    ],
)
def test_an_exit_status_is_the_result(status: int, outcome: Status, message: str) -> None:
    (one,) = judged(b"a\n\nb\n\x1b[31mc\nd\n", status)
    assert (one.test, one.status, one.message) == ("bug", outcome, message)
    assert one.diagnostics == ("a", "b", "c", "d")
    assert one.signal == ("SIGBUS" if "SIGBUS" in message else "")


@pytest.mark.parametrize(
    ("ended", "outcome", "said"),
    [
        (Ended.GUEST_DIED, Status.CRASH, "the guest died while it ran (panic)"),
        (Ended.TIMEOUT, Status.TIMEOUT, "was still running at its deadline (panic)"),
        (Ended.STALLED, Status.TIMEOUT, "panic"),
        (Ended.EXITED, Status.ERROR, "ended without an exit status (panic)"),
        (Ended.INTERRUPTED, Status.ERROR, "ended without an exit status (panic)"),
    ],
)
def test_no_end_of_its_own_is_no_pass(ended: Ended, outcome: Status, said: str) -> None:
    (one,) = judged(b"", None, ended, "panic")
    assert (one.status, one.message) == (outcome, said)
    assert one.cut == (ended is Ended.INTERRUPTED)


def test_ktap_tells_more_than_a_status() -> None:
    report = b"noise\nKTAP version 1\n1..2\nok 1 one\nnot ok 2 two\n"
    assert [(one.test, one.status) for one in judged(report, 0)] == [
        ("one", Status.PASS),
        ("two", Status.FAIL),
    ]
    # A plan without its results is no pass, whatever the status.
    assert [one.status for one in judged(b"TAP version 13\n1..2\n", 0)] == [Status.ERROR]


def test_a_report_is_read_as_it_calls_itself() -> None:
    """As madv_populate of 6.1's selftests prints it."""
    twice = b"TAP version 13\n1..2\nok 1 range is populated\nok 2 range is populated\n"
    assert [(one.test, one.status) for one in judged(twice, 0)] == [
        ("range is populated", Status.PASS),
        ("range is populated (2)", Status.PASS),
    ]
    assert judged(twice.replace(b"TAP version 13", b"KTAP version 1"), 0)[-1].test == "bug"


def test_it_runs_in_the_folder_with_its_arguments(tmp_path: Path) -> None:
    suite = Reproducers(tmp_path, ("-n", "it's"))
    words = suite.command("bug", str(tmp_path), "", "")
    assert words[-3:] == ["/lab/bug", "-n", "it's"]
    script = [*words[:4], "sh", "-c", "pwd; echo no >&2; echo $1; exit 3", *words[-3:-2], "x"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path}\nno\nx\n", "")
    nowhere = subprocess.run(
        [*words[:3], f"{tmp_path}/none", "true"], capture_output=True, check=False
    )
    assert nowhere.returncode == 126


def test_a_pattern_picks_it_by_its_name() -> None:
    suite = Reproducers(Path("/project"))
    assert suite.command("bug", "/mnt", "b*", "")
    assert suite.command("bug", "/mnt", "mlock", "") == []
    assert suite.tests("bug", None, "mlock") == []


@pytest.fixture
def loaded() -> LoadedConfig:
    return load(ROOT / "lab.toml")


@pytest.mark.slow
@pytest.mark.usefixtures("programs_at_hand")
def test_a_file_is_a_suite_in_one_word(loaded: LoadedConfig, tmp_path: Path) -> None:
    file = tmp_path / "my.bug v2.c"
    file.write_text(GOOD)
    cache = tmp_path / "cache"
    more, (name, again, with_words) = with_reproducers(
        loaded, [str(file), str(file), f"'{file}' -n 'a b'"], cache
    )
    assert (name, again, with_words) == ("my-bug-v2", "repro-my-bug-v2", "repro-my-bug-v2-2")
    section = more.config.suites[with_words]
    assert section.arguments == ("-n", "a b")
    assert more.config.named_suites == loaded.config.named_suites
    suite = suite_for(more.config.suites[name], more.root)
    assert pickle.loads(pickle.dumps(suite)) == suite
    # What was compiled is what a run keeps, whatever becomes of the file.
    file.write_text("gone\n")
    programs = Programs.of(more, [name])
    kept = dict(programs.sources())
    assert kept[f"{name}.c"].read_text() == GOOD
    built = programs.build(cache)
    assert not built.failed
    assert subprocess.run([built.files[name]], check=False).returncode == 0
    # A guest has no C library for it.
    with built.files[name].open("rb") as stream:
        kinds = [segment["p_type"] for segment in ELFFile(stream).iter_segments()]
    assert "PT_INTERP" not in kinds


@pytest.mark.slow
@pytest.mark.usefixtures("programs_at_hand")
@pytest.mark.parametrize("taken", ["mlock", "populate", "ktap", "init", "dax-proof"])
def test_names_that_are_taken(loaded: LoadedConfig, tmp_path: Path, taken: str) -> None:
    file = tmp_path / f"{taken}.c"
    file.write_text(GOOD)
    more, name = with_reproducer(loaded, str(file), tmp_path / "cache")
    assert name == f"repro-{taken}"
    before = loaded.config.suites.get(taken)
    assert more.config.suites.get(taken) == before
    assert name in Programs.of(more, [name, "mlock"]).build(tmp_path / "cache").files


@pytest.mark.slow
def test_what_does_not_compile_is_told_in_the_compilers_words(
    loaded: LoadedConfig, tmp_path: Path
) -> None:
    file = tmp_path / "mlock.c"
    file.write_text("int main(void)\n{\n\treturn x;\n}\n")
    with pytest.raises(UserError, match=r"'x' undeclared") as caught:
        with_reproducer(loaded, str(file), tmp_path / "cache")
    assert caught.value.where == Location(file, 3)
    assert caught.value.detail is not None
    assert "mlock.c:3:16: error: 'x' undeclared" in caught.value.detail
    assert "repro-mlock.c" not in caught.value.detail


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("none.c", "there is no such file"),
        ("none.c 'a", "is no command line"),
        ("  ", "no file is named"),
        ("/tmp", "this is no file"),
    ],
)
def test_no_file(loaded: LoadedConfig, tmp_path: Path, given: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        with_reproducer(loaded, given, tmp_path)


def test_a_flood_is_no_reproducer(loaded: LoadedConfig, tmp_path: Path) -> None:
    file = tmp_path / "big.c"
    with file.open("wb") as stream:
        stream.truncate((1 << 20) + 1)
    with pytest.raises(UserError, match="more than 1 MiB"):
        with_reproducer(loaded, str(file), tmp_path)


def test_a_table_may_hold_one(tmp_path: Path, loaded: LoadedConfig) -> None:
    suites = {**loaded.config.suites}
    section = GivenSuite(programs=("x",), kind="reproducer", arguments=("a",), project=tmp_path)
    config = loaded.config.model_copy(update={"suites": {**suites, "x": section}})
    assert suite_for(replace(loaded, config=config).config.suites["x"], ROOT) == Reproducers(
        tmp_path, ("a",)
    )
