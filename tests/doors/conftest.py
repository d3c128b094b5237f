# SPDX-License-Identifier: GPL-2.0-only
"""A project with a filesystem and a suite of kinds that the lab does not come with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lab.config.kinds import FILESYSTEMS, SUITES, FilesystemKind, SuiteKind
from tests.guest.conftest import ROOT

LOCAL = """
[filesystems.toy]
type = "ramfs"
options = ["noexec"]

[filesystems.scratch]
type = "ramfs"

[suites.scripts]
kind = "exit"
programs = ["good", "skips", "bad"]

[paths]
results = "{}"
"""
SCRIPTS = {
    "good": "#!/bin/sh\necho fine >$1/file && cat $1/file\n",
    "skips": "#!/bin/sh\necho no such thing here\nexit 4\n",
    "bad": "#!/bin/sh\necho it is 3\nexit 3\n",
}


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that each kind takes."""
    ramfs = FilesystemKind("tests.doors.ramfs:ramfs", mkfs=False)
    scripts = SuiteKind("tests.doors.exit_status:ExitStatus", source="guest-tests/{}.sh")
    monkeypatch.setitem(FILESYSTEMS, "ramfs", ramfs)
    monkeypatch.setitem(SUITES, "exit", scripts)


@pytest.fixture
def project(toys: None, tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "guest-tests", folder / "guest-tests")
    for name, text in SCRIPTS.items():
        (folder / "guest-tests" / f"{name}.sh").write_text(text)
    for name in ("lab.toml", "kconfigs", "patches"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "lab.local.toml").write_text(LOCAL.format(tmp_path / "results"))
    return folder
