# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from lab.host import Host, install_command, known_tools, locate


def host_of(root: Path, os_release: str) -> Host:
    (root / "etc").mkdir()
    (root / "etc/os-release").write_text(os_release)
    return Host((), root)


@pytest.mark.parametrize(
    ("os_release", "command"),
    [
        ("ID=debian\n", "sudo apt-get install git libelf-dev"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "sudo apt-get install git libelf-dev"),
        ("ID=fedora\n", "sudo dnf install elfutils-libelf-devel git-core"),
        (
            'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
            "sudo dnf install elfutils-libelf-devel git-core",
        ),
        ("", "sudo apt-get install git libelf-dev"),
    ],
)
def test_one_command_in_the_words_of_the_distribution(
    tmp_path: Path, os_release: str, command: str
) -> None:
    tools = [known_tools()[name] for name in ("git", "gelf.h")]
    assert install_command(tools, host_of(tmp_path, os_release)) == command


def test_sbin_is_searched_when_path_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert Host.here().find("mkfs.xfs") is not None


def test_folder_and_plain_file_are_no_programs(tmp_path: Path) -> None:
    (tmp_path / "gcc").mkdir()
    (tmp_path / "make").write_text("")
    host = Host((tmp_path,), tmp_path)
    assert host.find("gcc") is None
    assert host.find("make") is None


def test_any_one_of_the_places_will_do(tmp_path: Path) -> None:
    file = tmp_path / "usr/lib64/libc.a"
    file.parent.mkdir(parents=True)
    file.write_text("")
    assert locate(known_tools()["libc.a"], Host((), tmp_path)) == file
