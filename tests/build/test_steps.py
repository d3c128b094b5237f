# SPDX-License-Identifier: GPL-2.0-only
"""How many steps a build takes, before it has taken them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.build.make import Make
from lab.build.steps import known_steps
from lab.model.version import KernelVersion
from tests.build.conftest import Bench, elsewhere, until

#: Three objects, and the link.
ALL = 4
GUP = "int gup(void)\n{\n\treturn 1;\n}\n"


def test_kbuild_says_how_many_steps_a_first_build_takes(bench: Bench) -> None:
    built = bench.build(bench.job())
    assert [step.number for step in bench.made] == [1, 2, 3, 4]
    assert {step.total for step in bench.made} == {ALL}
    assert json.loads((built.folder / "build.json").read_text())["steps"] == ALL


def test_the_next_kernel_is_as_long(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.build(bench.job())
    monkeypatch.setattr(Make, "count", None)
    # Another compiler: nothing that was built can be taken over.
    other = bench.job(compiler="gcc 13")
    bench.build(replace(other, tree=replace(other.tree, kernel="other")))
    assert {step.total for step in bench.made} == {ALL}


def test_what_a_killed_build_left_to_do(bench: Bench) -> None:
    job = replace(bench.job(), toolchain=replace(bench.job().toolchain, jobs=1))
    bench.build(job)
    patched = replace(job, overlay=bench.job({"mm/gup.c": GUP}).overlay)
    bench.hold.touch()
    with elsewhere(patched) as lab:
        until(bench.reached.exists)
        # As in a first build; each test would take another 3 s to have old objects.
        (bench.place / "obj/vmlinux").unlink()
        lab.kill()
        lab.join()
    until(lambda: not bench.processes())
    bench.hold.unlink()
    built = bench.build(patched)
    assert {step.total for step in bench.made} == {len(bench.made)}
    # It says nothing of a build from nothing.
    assert json.loads((built.folder / "build.json").read_text())["steps"] is None


def test_one_file_is_not_counted(bench: Bench) -> None:
    bench.build(bench.job())
    built = bench.build(bench.job({"mm/gup.c": GUP}))
    assert [step.total for step in bench.made] == [None, None]
    assert json.loads((built.folder / "build.json").read_text())["steps"] is None


def test_a_make_that_cannot_tell(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Make, "count", lambda *_: 0)
    bench.build(bench.job())
    assert {step.total for step in bench.made} == {None}


def test_the_nearest_kernel_is_asked(tmp_path: Path) -> None:
    rows = [
        ("ours", "6.1.5", 1800),
        ("ours", "4.1", 1200),
        ("theirs", "6.1.9", 9000),
        ("theirs", "5.4", 7000),
        ("ours", "6.6", None),
    ]
    for number, (config, version, steps) in enumerate(rows):
        (tmp_path / str(number)).mkdir()
        record = {"config": config, "version": version, "steps": steps}
        (tmp_path / str(number) / "build.json").write_text(json.dumps(record))
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn/build.json").write_text("{")

    def known(config: str, version: str) -> int | None:
        return known_steps(tmp_path, config, KernelVersion.parse(version))

    assert known("ours", "6.6") == 1800
    assert known("ours", "4.2") == 1200
    assert known("theirs", "6.1") == 9000
    assert known("another", "6.1") in (1800, 9000)
    assert known("another", "5.10") is None


@pytest.mark.parametrize("text", ["[]", "5", "null", '{"steps": 5}', '{"steps": [1]}', "{", "\xff"])
def test_record_of_another_shape_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").mkdir()
    (tmp_path / "key/build.json").write_bytes(text.encode("latin-1"))
    assert known_steps(tmp_path, "config", KernelVersion.parse("6.1")) is None
