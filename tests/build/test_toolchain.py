# SPDX-License-Identifier: GPL-2.0-only
"""Compilers by name, path and environment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.build import Toolchain
from lab.errors import UserError
from tests.build.conftest import Bench


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a compiler that no PATH leads to."""
    folder = tmp_path / "own"
    folder.mkdir()
    cc = folder / "gcc-of-mine"
    cc.write_text('#!/bin/sh\necho "gcc-of-mine (mine) 10.5.0"\n')
    cc.chmod(0o755)
    return folder


def test_a_compiler_by_its_path(own: Path) -> None:
    found = Toolchain.probe(str(own / "gcc-of-mine"))
    assert str(found.versions["gcc"]) == "10.5.0"
    assert found.make_arguments[:2] == (f"CC={own}/gcc-of-mine", f"HOSTCC={own}/gcc-of-mine")


def test_a_compiler_by_its_environment(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN", str(own))
    found = Toolchain.probe("gcc-of-mine", env={"PATH": "$OWN:$PATH"})
    assert found.compiler == "gcc-of-mine (mine) 10.5.0"
    assert found.environment["PATH"].startswith(f"{own}:/")
    # As it is written: another PATH of the user's is no other compiler.
    assert "PATH=$OWN:$PATH" in found.identity


def test_what_the_environment_says_names_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """``KCFLAGS = "$MINE"``: make gets its value, so that another value is another build."""
    names = set()
    for flags in ("-O1", "-O2"):
        monkeypatch.setenv("MINE", flags)
        found = Toolchain("gcc", "gcc 12", "ld 2", 1, env=(("KCFLAGS", "$MINE"),))
        assert found.environment == {"KCFLAGS": flags}
        names.add(found.identity)
    assert len(names) == 2


@pytest.mark.parametrize(
    ("cc", "env", "hint"),
    [
        ("gcc-99", {}, "apt-get install gcc-99"),
        ("/opt/none/bin/gcc", {}, "ls -l /opt/none/bin/gcc"),
        ("gcc", {"PATH": "/opt/none"}, "/opt/none"),
    ],
)
def test_a_compiler_that_is_not_there(cc: str, env: dict[str, str], hint: str) -> None:
    with pytest.raises(UserError, match="not on this machine") as caught:
        Toolchain.probe(cc, env=env)
    assert hint in str(caught.value.hint)


def test_something_that_is_no_compiler() -> None:
    with pytest.raises(UserError, match="--version says nothing"):
        Toolchain.probe("false")


def test_the_environment_reaches_make_and_names_the_build(bench: Bench) -> None:
    makefile = bench.kernel / "Makefile"
    makefile.write_text(
        makefile.read_text() + "\nbzImage: told\ntold:\n\t@echo '  SAY     $(SAID)'\n"
    )
    job = bench.job()
    said = replace(job, toolchain=replace(job.toolchain, env=(("SAID", "so"),)))
    assert said.key != job.key
    bench.build(said)
    assert "SAY so" in bench.steps
