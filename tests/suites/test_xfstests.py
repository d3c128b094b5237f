# SPDX-License-Identifier: GPL-2.0-only
"""xfstests whole: which tests there are, and what of them counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.config.model import DirKernel
from lab.errors import UserError
from lab.suites.judge import Ended
from lab.suites.manner import Manner
from lab.suites.suite import BuiltPrograms, ProgramResult
from lab.suites.xfstests import Xfstests, groups_of
from tests.suites.output.judging import statuses
from tests.suites.output.test_xfstests import read

DAX = "dax_option=yes\nstatx_dax=yes\npfn_in_pmem=yes\n"
NONE = DAX.replace("yes", "no")
PLACES = ("mounted", "TEST_DIR", "SCRATCH_MNT")
#: Of what "passes" tells.
REPORT = b"""\
<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="xfstests" tests="3">
<testcase name="ext4/034"/><testcase name="generic/413"/>
<testcase name="generic/452"><skipped message="this test"/></testcase>
</testsuite>
"""
TESTS = {
    "generic/001": "rw dir udf auto quick",
    "generic/413": "auto quick dax prealloc",
    "generic/1000": "auto dax",
    "ext4/030": "auto quick dax",
    "xfs/550": "auto quick dax",
}


def said(check: bytes, **proofs: str) -> bytes:
    proved = {**dict.fromkeys(PLACES, DAX), **proofs}
    sections = "".join(f"lab: {place}\n{text}" for place, text in proved.items())
    report = b"" if b"<?xml" in check else REPORT
    return f"{sections}lab: check\n".encode() + check + report + b"\nlab: end\n"


def judged(
    output: bytes, status: int | None = 0, ended: Ended = Ended.EXITED, tmp: Path = Path()
) -> ProgramResult:
    suite = Xfstests(tmp)
    return suite.judge("check-dax", output, status, ended=ended, detail="", selected=True)


def test_what_ran_on_dax_counts() -> None:
    assert statuses(judged(said(read("passes"))).judged) == {
        "ext4/034": "pass",
        "generic/413": "pass",
        "generic/452": "skip",
    }
    # What is under test may be a control, without DAX: so must they be.
    without = said(read("passes"), **dict.fromkeys(PLACES, NONE))
    assert statuses(judged(without).judged)["generic/413"] == "pass"
    failed = statuses(judged(said(read("fails")), 1).judged)
    assert failed["generic/413"] == "fail"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("key", ["dax_option", "statx_dax", "pfn_in_pmem"])
def test_what_ran_elsewhere_does_not(place: str, key: str) -> None:
    other = said(read("passes"), **{place: DAX.replace(f"{key}=yes", f"{key}=no")})
    found = {one.test: one for one in judged(other).judged}
    assert str(found["generic/413"].status) == "error"
    assert "is not proved to be what is under test" in found["generic/413"].message
    assert str(found["generic/452"].status) == "skip"
    failed = said(read("fails"), **{place: DAX.replace(f"{key}=yes", f"{key}=no")})
    assert statuses(judged(failed, 1).judged)["generic/413"] == "error"


@pytest.mark.parametrize("place", PLACES)
def test_what_nobody_proved_does_not(place: str) -> None:
    missing = said(read("passes")).replace(f"lab: {place}\n{DAX}".encode(), b"")
    assert statuses(judged(missing).judged)["generic/413"] == "error"
    nothing = said(read("passes"), **dict.fromkeys(PLACES, ""))
    assert statuses(judged(nothing).judged)["generic/413"] == "error"


def test_a_pass_takes_the_report_that_was_asked_for() -> None:
    for name, status in (("passes", 0), ("fails", 1)):
        check, _, _ = read(name).partition(b"<?xml")
        output = said(check).replace(REPORT, b"")
        found = {one.test: one for one in judged(output, status).judged}
        assert str(found["generic/413"].status) == ("fail" if status else "error")
        assert status or "left no report" in found["generic/413"].message


def test_what_could_not_be_run() -> None:
    (one,) = judged(b"before: no second device\n", 126).judged
    assert (str(one.status), one.message) == ("error", "before: no second device")
    (one,) = judged(b"", 0).judged
    assert str(one.status) == "error"
    (one,) = judged(b"lab: mounted\n" + DAX.encode(), None, Ended.TIMEOUT).judged
    assert str(one.status) == "timeout"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, groups in TESTS.items():
        path = tmp_path / "source" / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#! /bin/bash\n. ./common/preamble\n_begin_fstest {groups}\n")
        path.with_name(f"{path.name}.out").write_text("_begin_fstest dax\n")
    (tmp_path / "source" / "tests" / "generic" / "Makefile").write_text("_begin_fstest dax\n")
    return tmp_path / "source"


def built(source: Path, *arguments: str, cache: Path) -> tuple[Xfstests, BuiltPrograms]:
    suite = Xfstests(
        source.parent,
        Manner(arguments=arguments, image="full"),
        DirKernel(kind="dir", path=source),
    )
    return suite, suite.build(["check-dax"], cache)


def names(source: Path, cache: Path, type: str, *arguments: str, k: str = "") -> Sequence[str]:
    suite, made = built(source, *arguments, cache=cache)
    assert not made.failed
    return suite.tests_on(type, "check-dax", made.files["check-dax"], k)


@pytest.fixture
def unbuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache, and what xfstests itself is made by put off: an image takes minutes."""
    monkeypatch.setattr(Xfstests, "_made", lambda *_: tmp_path / "made.tar")
    return tmp_path / "cache"


def test_its_tests_are_known_beforehand(source: Path, unbuilt: Path) -> None:
    assert names(source, unbuilt, "ext4", "-g", "dax") == [
        "ext4/030",
        "generic/1000",
        "generic/413",
    ]
    assert names(source, unbuilt, "xfs", "-g", "dax", "-x", "quick") == ["generic/1000"]
    assert names(source, unbuilt, "xfs", "-g", "quick", k="xfs/*") == ["xfs/550"]
    assert names(source, unbuilt, "ext4", "generic/001", "xfs/550") == ["generic/001"]
    assert names(source, unbuilt, "ext4", "-g", "rw,prealloc") == ["generic/001", "generic/413"]
    suite, made = built(source, "-g", "dax", cache=unbuilt)
    assert suite.tests("check-dax", made.files["check-dax"], "*/5*") == ["xfs/550"]
    assert suite.tests("check-dax", None) is None


@pytest.mark.parametrize("arguments", [("-g", "dux"), ("-g",), ("-n",), ("generic/999",), ()])
def test_arguments_that_name_no_test(
    source: Path, unbuilt: Path, arguments: tuple[str, ...]
) -> None:
    _, made = built(source, *arguments, cache=unbuilt)
    assert isinstance(made.failed["check-dax"], UserError)
    assert not made.files


@pytest.mark.parametrize("arguments", [("-g", "dax,quik"), ("-g", "dax", "-x", "quik")])
def test_one_group_of_several_that_is_misspelt(
    source: Path, unbuilt: Path, arguments: tuple[str, ...]
) -> None:
    _, made = built(source, *arguments, cache=unbuilt)
    error = made.failed["check-dax"]
    assert (error.what, error.hint) == ("no test of this source is of a group 'quik'", "quick")


def test_a_source_without_tests(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="which groups it is of"):
        groups_of(tmp_path)


def test_a_test_is_run_by_its_name(tmp_path: Path) -> None:
    suite = Xfstests(tmp_path, Manner(environment=(("SOAK_DURATION", "1"),)))
    assert suite.command("check-dax", "/mnt/ext4-dax", "", "generic/413") == [
        *("env", "SOAK_DURATION=1", "/lab/check-dax", "/mnt/ext4-dax", "generic/413")
    ]
    assert "/tmp/xfstests/generic/413.out.bad" in suite.left_by("generic/413")
