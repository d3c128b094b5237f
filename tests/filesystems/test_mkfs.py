# SPDX-License-Identifier: GPL-2.0-only
"""What the mkfs of this machine is told, and what it then makes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.features import Layout, layouts
from lab.filesystems.mkfs import _known, known_to_mkfs, mkfs_options
from lab.host import need_tool
from lab.model.version import KernelVersion, VersionRange
from lab.process.seal import write_answer

pytestmark = pytest.mark.slow

XFS_WANTED = ("-d", "su=2m,sw=1,agcount=2", "-l", "su=4k")


def options(kind: str, wanted: tuple[str, ...], version: str, cache: Path) -> tuple[str, ...]:
    return mkfs_options(kind, wanted, KernelVersion.parse(version), cache, dax=True)


def made(kind: str, words: tuple[str, ...], folder: Path) -> str:
    """What the real mkfs says that it made."""
    device = folder / "device"
    with device.open("wb") as stream:
        stream.truncate(512 << 20)
    force = "-F" if kind == "ext4" else "-f"
    command = [str(need_tool(f"mkfs.{kind}")), force, *words, str(device)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return done.stdout


def features_of(device: Path) -> set[str]:
    """The features in an ext4 superblock."""
    command = [str(need_tool("mkfs.ext4").with_name("dumpe2fs")), "-h", str(device)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (line,) = (line for line in said.splitlines() if line.startswith("Filesystem features:"))
    return set(line.partition(":")[2].split())


def test_xfs_for_4_2_has_nothing_that_came_later(tmp_path: Path) -> None:
    words = options("xfs", XFS_WANTED, "4.2", tmp_path)
    said = made("xfs", words, tmp_path)
    known = known_to_mkfs("xfs", tmp_path)
    for name in known & {"rmapbt", "reflink", "bigtime", "inobtcount", "nrext64"}:
        assert f"{name}=0" in said
    # 4.2 has it, so it stays.
    assert "sparse=1" in said


def test_xfs_for_a_new_kernel_is_what_mkfs_makes_but_reflink(tmp_path: Path) -> None:
    assert options("xfs", XFS_WANTED, "99.0", tmp_path) == (*XFS_WANTED, "-m", "reflink=0")


def test_ext4_for_4_1_leaves_out_what_mke2fs_is_told_to_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mke2fs.conf may switch on any feature."""
    known = known_to_mkfs("ext4", tmp_path) & {"metadata_csum_seed", "project", "orphan_file"}
    conf = tmp_path / "mke2fs.conf"
    on = ",".join(("has_journal", "extent", "quota", "metadata_csum", *sorted(known)))
    conf.write_text(f"[fs_types]\n ext4 = {{\n  features = {on}\n  inode_size = 256\n }}\n")
    monkeypatch.setenv("MKE2FS_CONFIG", str(conf))
    made("ext4", ("-t", "ext4"), tmp_path)
    assert known <= features_of(tmp_path / "device")
    made("ext4", ("-t", "ext4", *options("ext4", (), "4.1", tmp_path)), tmp_path)
    left = features_of(tmp_path / "device")
    assert not known & left
    assert {"metadata_csum", "extent"} <= left


def test_each_flag_comes_once(tmp_path: Path) -> None:
    """mke2fs takes its last -O alone, and so would forget the user's."""
    words = options("ext4", ("-b", "4096", "-O", "^has_journal"), "4.1", tmp_path)
    assert words.count("-O") == 1
    value = words[words.index("-O") + 1].split(",")
    assert value[0] == "^has_journal"
    assert "^project" in value
    made("ext4", words, tmp_path)
    assert "has_journal" not in features_of(tmp_path / "device")
    glued = options("ext4", ("-O^has_journal",), "4.1", tmp_path)
    assert glued == ("-O", words[words.index("-O") + 1])


def test_what_the_user_names_is_the_users(tmp_path: Path) -> None:
    words = options("xfs", ("-m", "bigtime=1,crc=1"), "4.2", tmp_path)
    assert words[1].startswith("bigtime=1,crc=1,")
    assert "bigtime=0" not in words[1]
    assert "bigtime=1" in made("xfs", words, tmp_path)
    words = options("ext4", ("-O", "project"), "4.1", tmp_path)
    assert "^project" not in ",".join(words).split(",")


MADE_UP = {
    "xfs": Layout("warp", VersionRange(), "-m", "warp=0", "nobody"),
    "ext4": Layout("warp", VersionRange(), "-O", "^warp", "nobody"),
}


@pytest.mark.parametrize("kind", MADE_UP)
def test_name_that_mkfs_does_not_know_is_not_passed(kind: str) -> None:
    """grml/grml-debootstrap#204: an old mkfs refuses what it does not know."""
    real = layouts(kind)[0]
    assert _known(kind, (MADE_UP[kind], real)) == (real,)


def test_mkfs_is_asked_once(tmp_path: Path) -> None:
    names = known_to_mkfs("xfs", tmp_path)
    (answer,) = (tmp_path / "mkfs").iterdir()
    write_answer(answer, ["bigtime"])
    assert known_to_mkfs("xfs", tmp_path) == {"bigtime"}
    # Emptied by a power cut; what no lab wrote; a letter that became another.
    for damaged in ("", '["bigtime"]', answer.read_text().replace("bigtime", "bigtima")):
        answer.write_text(damaged)
        assert known_to_mkfs("xfs", tmp_path) == names
        write_answer(answer, ["bigtime"])
