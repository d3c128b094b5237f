# SPDX-License-Identifier: GPL-2.0-only
"""A build in the cache that is not as it was made: made again and told, never booted."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.build import Build, BuildJob, build, find_build
from lab.build.sandbox import Sandbox, probe_sandbox
from lab.errors import InfrastructureError, UserError
from lab.process.seal import SEAL
from tests.build.conftest import Bench


@pytest.fixture
def job(bench: Bench) -> BuildJob:
    job = bench.job()
    bench.build(job)
    return job


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1])


def remove(path: Path) -> None:
    path.unlink()


def looked_for(job: BuildJob) -> tuple[Build | None, list[str]]:
    told: list[str] = []
    return find_build(job, told.append), told


@pytest.mark.parametrize("name", ["bzImage", "System.map", "config", "build.json"])
@pytest.mark.parametrize("harm", [flip, truncate, remove])
def test_is_made_again(job: BuildJob, name: str, harm: Callable[[Path], None]) -> None:
    whole = (job.folder / "bzImage").read_bytes()
    harm(job.folder / name)
    found, told = looked_for(job)
    assert found is None
    (line,) = told
    assert line.startswith(
        f"{job.variant}: the build {job.key} in the cache is damaged: its {name}"
    )
    assert not build(job).cached
    found, told = looked_for(job)
    assert (found is not None and found.image.read_bytes() == whole, told) == (True, [])


def test_vmlinux_that_went_is_missed(job: BuildJob) -> None:
    (job.folder / "vmlinux").unlink()
    found, told = looked_for(job)
    assert (found, told[0].endswith("its vmlinux is gone")) == (None, True)


def test_a_source_that_lost_files_is_no_word_on_the_kernel(bench: Bench) -> None:
    """Whoever cleans up in a cache leaves a kernel that does not build, and that has no fault."""
    job = replace(bench.job(), sandbox="bwrap")
    if not isinstance(probe_sandbox(), Sandbox):
        pytest.skip("no sandbox works here, and without one each file is looked at")
    bench.build(job)
    source = bench.place / "src"
    other = replace(bench.job({"fs/dax.c": "int dax(void) { return 2; }\n"}), sandbox="bwrap")
    (source / "mm/gup.c").unlink()
    shutil.rmtree(bench.place / "obj/mm")
    with pytest.raises(InfrastructureError, match=r"its source has lost mm/gup\.c"):
        build(other)
    assert build(other).image.read_bytes() == bench.from_nothing(other)
    # What does not build with all of it there is the kernel's.
    broken = replace(bench.job({"fs/dax.c": "int dax(void) {\n"}), sandbox="bwrap")
    with pytest.raises(UserError, match="the kernel does not build"):
        build(broken)


def test_nothing_there_is_no_damage(bench: Bench) -> None:
    assert looked_for(bench.job()) == (None, [])


def of_an_older_lab(job: BuildJob, *, whole: bool, release: object = "6.1.7") -> None:
    """Take the build's seal away, and give its kernel the CRC that kbuild's have."""
    (job.folder / SEAL).unlink()
    content = b"kernel" * 100
    crc = ~zlib.crc32(content) & 0xFFFFFFFF
    (job.folder / "bzImage").write_bytes(content + (crc ^ (not whole)).to_bytes(4, "little"))
    record = json.loads((job.folder / "build.json").read_text())
    (job.folder / "build.json").write_text(json.dumps({**record, "release": release}))


def test_build_of_an_older_lab_is_taken_when_its_kernel_shows_that_it_is_whole(
    job: BuildJob,
) -> None:
    of_an_older_lab(job, whole=True)
    found, told = looked_for(job)
    assert (found is not None, told) == (True, [])
    flip(job.folder / "bzImage")
    assert looked_for(job)[0] is None


def test_build_of_an_older_lab_that_does_not_is_made_again(job: BuildJob) -> None:
    of_an_older_lab(job, whole=False)
    found, told = looked_for(job)
    assert (found, told[0].endswith("nothing says what was written")) == (None, True)
    assert not build(job).cached


@pytest.mark.parametrize("release", [None, 6.1, "", "foo", "6.1.7\ntouch x", [], "6.1.7 "])
def test_record_with_a_release_that_is_none(job: BuildJob, release: object) -> None:
    of_an_older_lab(job, whole=True, release=release)
    found, told = looked_for(job)
    assert (found, len(told)) == (None, 1)


@pytest.mark.parametrize("text", ["[]", "5", "null", '{"gone": 5}', '{"gone": [{"x": 1}]}', "{"])
def test_record_of_another_shape(job: BuildJob, text: str) -> None:
    of_an_older_lab(job, whole=True)
    (job.folder / "build.json").write_text(text)
    found, told = looked_for(job)
    assert (found, len(told)) == (None, 1)
    # Those that only count steps read it too.
    assert not build(job).cached


@pytest.mark.parametrize(
    "release", ["foo", "", r"6.1.7\ntouch /tmp/x", r"6.1.7\377", "6.1.7 x", "6", "6.1.7'x'"]
)
def test_kernel_that_calls_itself_something_else(bench: Bench, release: str) -> None:
    makefile = bench.kernel / "Makefile"
    said = '"$(VERSION).$(PATCHLEVEL).$(SUBLEVEL)"'
    text = makefile.read_text().replace(f"echo {said}", f"printf '%b\\n' \"{release}\"")
    assert release in text
    makefile.write_text(text)
    with pytest.raises(UserError, match=r"the kernel calls itself .*, which is no release"):
        bench.build(bench.job())
    assert bench.left_in_builds() == []
