# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from lab.doctor import STAGES, Finding, check, examine, missing_packages, render, require
from lab.errors import ExitStatus, InfrastructureError
from lab.host import Host, known_tools

#: The lab does without them, and is better off with them.
WANTED = {"bwrap"}
#: What few use, and are told of then.
FOR_IMAGES = {"genext2fs", "mmdebstrap", "newuidmap", "tune2fs"}
FOR_STORE = {"zstd"}


@pytest.fixture
def bare(tmp_path: Path) -> Host:
    """A machine that has nothing."""
    return Host((), tmp_path)


def test_bare_machine_misses_every_tool_and_each_has_a_mend(bare: Host) -> None:
    findings = check(host=bare)
    assert {finding.name for finding in findings} == set(
        known_tools()
    ) - WANTED - FOR_IMAGES - FOR_STORE
    for finding in findings:
        assert finding.fatal
        assert (finding.mend or "").startswith("sudo apt-get install ")


def test_every_tool_is_of_a_known_stage() -> None:
    for tool in known_tools().values():
        assert bool(tool.needed_for) == (tool.name not in WANTED | FOR_IMAGES | FOR_STORE)
        assert (tool.only_for == "images") == (tool.name in FOR_IMAGES)
        assert (tool.only_for == "store") == (tool.name in FOR_STORE)
        assert set(tool.needed_for) <= set(STAGES)


def test_require_names_every_miss_and_one_command(bare: Host) -> None:
    with pytest.raises(InfrastructureError) as caught:
        require("fetch", bare)
    assert caught.value.what == "lab fetch needs what is not installed: git, tar, xz"
    assert caught.value.hint == "sudo apt-get install git tar xz-utils"
    assert caught.value.status == ExitStatus.INFRASTRUCTURE


def test_missing_packages_are_each_named_once(tmp_path: Path) -> None:
    for name in known_tools():
        (tmp_path / name.replace("/", "-")).write_text("")
        (tmp_path / name.replace("/", "-")).chmod(0o755)
    for name in FOR_IMAGES:
        (tmp_path / name).unlink()
    # Programs are all there now; headers, libc.a and sftp-server are files elsewhere.
    expected = ("libc6-dev", "libelf-dev", "libssl-dev", "openssh-sftp-server")
    assert missing_packages(Host((tmp_path,), tmp_path)) == expected


def test_require_asks_for_nothing_that_another_stage_needs(tmp_path: Path) -> None:
    for name in ("git", "tar", "xz"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    host = Host((tmp_path,), tmp_path)
    require("fetch", host)
    with pytest.raises(InfrastructureError):
        require("build", host)


@pytest.mark.slow
def test_this_machine_is_examined_whole(tmp_path: Path) -> None:
    found = {finding.name: finding for finding in examine(tmp_path, 20)}
    assert {"TCG", "KVM", "QEMU's NVDIMM", "compiler gcc", "disk", "memory", "CPUs"} <= set(found)
    assert found["TCG"].ok, found["TCG"].detail
    assert found["QEMU's NVDIMM"].ok
    assert not found["KVM"].fatal


def test_bare_machine_is_examined_without_an_error(bare: Host, tmp_path: Path) -> None:
    found = {finding.name: finding for finding in examine(tmp_path / "none/yet", 1, "gcc-99", bare)}
    assert found["compiler gcc-99"].fatal
    assert not found["memory"].ok
    assert "TCG" not in found


@pytest.mark.parametrize(
    ("said", "ok"),
    [
        ("gcc (Debian 12.2.0-14) 12.2.0", True),
        ("gcc (GCC) 15.1.1 20250425", True),
        ("gcc-4.9 (Debian 4.9.4-2) 4.9.4", False),
        ("Debian clang version 14.0.6", False),
        ("", False),
    ],
)
def test_compilers_known_to_build(tmp_path: Path, said: str, ok: bool) -> None:
    compiler = tmp_path / "gcc"
    compiler.write_text(f"#!/bin/sh\necho '{said}'\n")
    compiler.chmod(0o755)
    found = {
        finding.name: finding
        for finding in examine(tmp_path, 1, "gcc", Host((tmp_path,), tmp_path))
    }
    assert found["compiler gcc"].ok is ok
    assert not found["compiler gcc"].fatal


def test_render_fits_80_columns_and_says_how_to_mend() -> None:
    findings = [
        Finding("git", True, "/usr/bin/git", "never shown"),
        Finding("flex", False, "not installed", "sudo apt-get install flex", ("build",)),
        Finding("KVM", False, "/dev/kvm opens, but " + "a guest did not end " * 6),
    ]
    lines = render(findings)
    assert lines[0].split() == ["ok", "git", "/usr/bin/git"]
    assert lines[1].split() == ["MISS", "flex", "not", "installed"]
    assert lines[2].strip() == "try: sudo apt-get install flex"
    assert lines[3].startswith("note  KVM ")
    assert max(map(len, lines)) <= 80
    assert "never shown" not in "\n".join(lines)
