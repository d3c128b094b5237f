# SPDX-License-Identifier: GPL-2.0-only
"""The name of a build: nothing that goes into it is left out, and it is the same tomorrow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.build import key
from lab.build.key import build_key, config_digest
from lab.build.toolchain import Toolchain
from lab.errors import Location
from lab.kconfig import Option, options_for
from lab.model.version import KernelVersion, VersionRange
from lab.patches import Overlay
from lab.patches.overlay import Replacement
from lab.trees import Tree

TREE = Tree("6.1", Path("/none"), "tarball:1", KernelVersion(6, 1), Path("/none/manifest"))
TOOLCHAIN = Toolchain("gcc", "gcc (GCC) 12.2.0", "GNU ld 2.40", 2, "GNU Make 4.3")
WHERE = Location(Path("dax.config"), line=1)
EVERY = VersionRange.parse("")
OPTIONS = [Option("FS_DAX", "y", WHERE, EVERY), Option("SMP", "y", WHERE, EVERY)]
PATCHED = Overlay({"fs/dax.c": Replacement(0o100644, b"int dax;\n")})
NAME = build_key(TREE, Overlay.empty(), OPTIONS, TOOLCHAIN)


def test_the_name_of_yesterday() -> None:
    """Whoever changes it on purpose has every kernel built again: FORMAT is for that."""
    assert NAME == "4bdb9fdd001b1b87e30ee19a"
    with_flags = build_key(TREE, PATCHED, OPTIONS, TOOLCHAIN, "ab" * 32)
    assert with_flags == "57991c56713d68006fbd74fa"


@pytest.mark.parametrize(
    "other",
    [
        build_key(replace(TREE, identity="tarball:2"), Overlay.empty(), OPTIONS, TOOLCHAIN),
        build_key(TREE, PATCHED, OPTIONS, TOOLCHAIN),
        build_key(TREE, Overlay.empty(), OPTIONS[:1], TOOLCHAIN),
        build_key(TREE, Overlay.empty(), OPTIONS, replace(TOOLCHAIN, compiler="gcc 13.1.0")),
        build_key(TREE, Overlay.empty(), OPTIONS, replace(TOOLCHAIN, linker="GNU ld 2.41")),
        build_key(TREE, Overlay.empty(), OPTIONS, TOOLCHAIN, "ab" * 32),
    ],
    ids=["tree", "overlay", "option", "compiler", "linker", "flags"],
)
def test_what_goes_into_a_build_is_in_its_name(other: str) -> None:
    assert other != NAME
    assert len(other) == len(NAME) == 24


def test_what_makes_its_btf_is_in_the_name_of_a_kernel_that_has_it(
    tmp_path: Path,
) -> None:
    def named(version: str, *more: Option) -> str:
        pahole = tmp_path / "pahole"
        pahole.write_text(f"#!/bin/sh\necho {version}\n")
        pahole.chmod(0o755)
        toolchain = replace(TOOLCHAIN, env=(("PATH", f"{tmp_path}:/usr/bin:/bin"),))
        return build_key(TREE, Overlay.empty(), [*OPTIONS, *more], toolchain)

    btf, none = (Option("DEBUG_INFO_BTF", value, WHERE, EVERY) for value in "yn")
    assert named("v1.24", btf) != named("v1.30", btf)
    assert named("v1.24") == named("v1.30")
    assert named("v1.24", btf, none) == named("v1.30", btf, none)


@pytest.mark.parametrize("name", sorted(key.KBUILD_ENVIRONMENT))
def test_so_is_what_kbuild_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(key.KBUILD_ENVIRONMENT, name, "another")
    assert build_key(TREE, Overlay.empty(), OPTIONS, TOOLCHAIN) != NAME


def test_so_is_the_way_the_lab_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key, "FORMAT", key.FORMAT + 1)
    assert build_key(TREE, Overlay.empty(), OPTIONS, TOOLCHAIN) != NAME


def test_where_an_option_was_asked_for_does_not_matter() -> None:
    elsewhere = [
        replace(option, where=Location(Path("other.config"), line=9)) for option in OPTIONS
    ]
    assert config_digest(elsewhere) == config_digest(OPTIONS)
    assert config_digest(OPTIONS[::-1]) == config_digest(OPTIONS)


def test_of_an_option_that_is_asked_for_twice_the_last_counts() -> None:
    without = replace(OPTIONS[0], value="n")
    assert config_digest([without, *OPTIONS]) == config_digest(OPTIONS)
    assert config_digest([*OPTIONS, without]) == config_digest([without, OPTIONS[1]])
    assert config_digest([*OPTIONS, without]) != config_digest(OPTIONS)


def test_an_option_for_other_kernels_is_in_no_name_of_this_one() -> None:
    moved = [replace(OPTIONS[0], versions=VersionRange.parse(">=4.7")), OPTIONS[1]]
    old = Option("OLD", "y", WHERE, VersionRange.parse("<4.7"))
    names = {
        build_key(TREE, Overlay.empty(), options_for(options, TREE.version), TOOLCHAIN)
        for options in (OPTIONS, moved, [*moved, old], [old, *reversed(moved)])
    }
    assert names == {NAME}
