# SPDX-License-Identifier: GPL-2.0-only
"""Builds that one machine makes and another has from the store: as made, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.build import find_build
from lab.build.build import SEALED
from lab.build.shared import kernel_digests
from lab.errors import InfrastructureError
from lab.process.seal import SEAL, file_digest, seal
from lab.store.left_there import require_vmlinux, vmlinux_of
from lab.store.note import NOTE
from tests.store.conftest import Machine, blobs, manifests

pytestmark = pytest.mark.slow

FILES = {*SEALED, SEAL, "build.log"} - {"vmlinux"}


def test_one_makes_it_and_the_other_has_it(one: Machine, two: Machine) -> None:
    made, had = one.make(), two.pull()
    assert had is not None
    assert (had.key, had.release, had.cached, had.gone) == (made.key, made.release, True, made.gone)
    assert {path.name for path in had.folder.iterdir()} == FILES | {NOTE}
    assert {name: file_digest(had.folder / name) for name in FILES} == {
        name: file_digest(made.folder / name) for name in FILES
    }
    assert (one.told, two.told) == ([], [])
    assert two.store.account.hits == {"build": 1}
    assert two.store.account.read < sum((made.folder / name).stat().st_size for name in FILES) + 1
    assert find_build(two.job()) is not None


def test_what_it_has_not_is_no_trouble(two: Machine) -> None:
    assert (two.pull(), two.told) == (None, [])
    assert two.store.account.misses == {"build": 1}
    assert not (two.cache / "builds").exists() or not list((two.cache / "builds").glob("[!.]*"))


def test_vmlinux_comes_when_it_is_needed(one: Machine, two: Machine) -> None:
    made, had = one.make(), two.pull()
    assert had is not None
    packed = next(file for file in blobs_of(two) if file["name"] == "vmlinux")
    assert packed["packed"] == "zstd"
    assert file_digest(require_vmlinux(had.folder)) == file_digest(made.folder / "vmlinux")
    assert vmlinux_of(made.folder) == made.folder / "vmlinux"


def blobs_of(machine: Machine) -> list[dict[str, str]]:
    (path,) = manifests(Path(machine.url.removeprefix("file://")))
    found: list[dict[str, str]] = json.loads(path.read_text())["files"]
    return found


def test_vmlinux_that_cannot_be_had(one: Machine, two: Machine, folder: Path) -> None:
    one.make()
    had = two.pull()
    assert had is not None
    shutil.rmtree(folder)
    assert not vmlinux_of(had.folder).exists()
    with pytest.raises(InfrastructureError, match="cannot be had: there is no folder") as caught:
        require_vmlinux(had.folder)
    assert f"rm -r {had.folder}" in str(caught.value)


@pytest.mark.parametrize(
    ("harm", "words"),
    [(Path.unlink, "the content of its vmlinux is gone"),
     (lambda path: os.truncate(path, 1), "its vmlinux is not whole")],
)  # fmt: skip
def test_a_build_whose_vmlinux_is_lost_there_is_made_here(
    one: Machine, two: Machine, folder: Path, harm: Callable[[Path], object], words: str
) -> None:
    """Who needed it was told to remove the build, and had it without a vmlinux again."""
    one.make()
    (lost,) = (file["blob"] for file in blobs_of(two) if file["name"] == "vmlinux")
    harm(next(path for path in blobs(folder) if path.name == lost))
    assert two.pull() is None
    (line,) = two.told
    assert f"is damaged: {words}; made here instead" in line
    made = two.make()
    assert require_vmlinux(made.folder).is_file()
    assert Machine(one.bench, two.cache.with_name("three"), one.url).pull() is not None


def test_another_vmlinux_is_not_taken(one: Machine, two: Machine, folder: Path) -> None:
    """Whole by its manifest, which somebody wrote for it: the seal is of another."""
    one.make()
    had = two.pull()
    assert had is not None
    other = had.folder / "other"
    other.write_bytes(b"other")
    note = json.loads((had.folder / NOTE).read_text())
    note["left"][0] |= {"sha256": file_digest(other), "size": 5}
    (had.folder / NOTE).write_text(json.dumps(note))
    with pytest.raises(InfrastructureError, match="it is another one there"):
        require_vmlinux(had.folder)


def test_nobody_pushes_who_was_not_told_to(one: Machine, folder: Path) -> None:
    one.store.settings.__dict__["push"] = False
    one.make()
    assert not any(folder.iterdir())


def test_the_second_push_changes_nothing(one: Machine, two: Machine, folder: Path) -> None:
    one.make()
    before = {path: path.stat().st_mtime_ns for path in (*manifests(folder), *blobs(folder))}
    two.make()
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert two.store.account.written == 0


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


@pytest.mark.parametrize("harm", [flip, cut, longer, Path.unlink])
def test_a_damaged_file_is_not_taken(
    one: Machine, folder: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """Each of them: told once, made here, and mended there."""
    made = one.make()
    for name in sorted(FILES):
        (blob,) = (file["blob"] for file in blobs_of(one) if file["name"] == name)
        harm(folder / "lab-1/blobs" / blob[:2] / blob)
        other = Machine(one.bench, tmp_path / f"other-{name}", one.url)
        assert other.pull() is None
        assert other.pull() is None
        (line,) = other.told
        assert line.startswith(f"store {folder.as_uri()}: its build {made.key} is damaged: ")
        assert name in line
        assert [path.name for path in (other.cache / "builds").glob("*") if path.is_dir()] == []
        other.make()
        third = Machine(one.bench, tmp_path / f"third-{name}", one.url)
        assert (third.pull() is not None, third.told) == (True, [])


@pytest.mark.parametrize("harm", [flip, cut, lambda path: path.write_text("")])
def test_a_damaged_manifest_is_not_taken(
    one: Machine, two: Machine, folder: Path, harm: Callable[[Path], object]
) -> None:
    one.make()
    (path,) = manifests(folder)
    harm(path)
    assert two.pull() is None
    assert "is damaged" in two.told[0]
    two.make()
    third = Machine(two.bench, two.cache.parent / "three", two.url)
    assert third.pull() is not None


def test_a_manifest_of_which_a_word_changed_is_not_taken(
    one: Machine, two: Machine, folder: Path
) -> None:
    """Nothing else would show it: who made it, or whether a file can be run."""
    one.make()
    (path,) = manifests(folder)
    path.write_text(path.read_text().replace('"runs": false', '"runs": true', 1))
    assert two.pull() is None
    assert "it is not what was written" in two.told[0]


def test_anothers_build_under_this_name_is_not_taken(
    one: Machine, two: Machine, folder: Path
) -> None:
    """A manifest renamed, and one that says it is of this key, whole in itself."""
    other = one.make(one.job(options="CONFIG_SMP=n\n"))
    (path,) = manifests(folder)
    wanted = two.job()
    shutil.copy(path, path.with_name(f"{wanted.key}.json"))
    assert two.pull(wanted) is None
    assert f"it is that of build {other.key}" in two.told[0]
    path.unlink()
    path.with_name(f"{wanted.key}.json").unlink()
    files = {name: other.folder / name for name in (*SEALED, SEAL, "build.log")}
    assert one.store.push("build", wanted.key, files)
    assert two.pull(wanted) is None
    assert "its build.json is that of another key" in two.told[1]


def test_a_seal_of_other_files_is_not_taken(one: Machine, two: Machine) -> None:
    made = one.make(one.job(options="CONFIG_SMP=n\n"))
    (made.folder / "System.map").write_text("of another")
    files = {name: made.folder / name for name in (*SEALED, SEAL, "build.log")}
    one.store.refuse("build", made.key, "for this test")
    assert one.store.push("build", made.key, files)
    assert two.pull(two.job(options="CONFIG_SMP=n\n")) is None
    assert "its seal is not of its System.map" in two.told[0]


def test_what_was_damaged_here_goes_nowhere(one: Machine, folder: Path) -> None:
    made = one.make(one.job())
    shutil.rmtree(folder / "lab-1")
    flip(made.folder / "vmlinux")
    one.make(one.job())
    assert not manifests(folder)


def test_a_kill_between_blobs_and_manifest_leaves_no_entry(
    one: Machine, two: Machine, folder: Path
) -> None:
    one.make()
    (path,) = manifests(folder)
    path.unlink()
    assert (two.pull(), two.told) == (None, [])
    two.make()
    assert len(manifests(folder)) == 1


def test_the_same_seal_as_sha256sum_has(one: Machine, two: Machine) -> None:
    one.make()
    had = two.pull()
    assert had is not None
    require_vmlinux(had.folder)
    subprocess.run(["sha256sum", "-c", "--quiet", SEAL], cwd=had.folder, check=True)


def test_a_sealed_build_is_what_is_pushed(one: Machine, folder: Path) -> None:
    """Whoever sealed it anew after a change has made it another build."""
    made = one.make()
    (made.folder / "config").write_text("CONFIG_OTHER=y\n")
    seal(made.folder, SEALED)
    shutil.rmtree(folder / "lab-1")
    one.make(one.job())
    assert manifests(folder)


@pytest.mark.parametrize(
    ("more", "other"),
    [
        ("", []),
        ("CONFIG_DEBUG_INFO_BTF=y\n", ["config"]),
        ("# CONFIG_DEBUG_INFO_BTF is not set\n", []),
    ],
)
def test_a_tool_that_a_host_has_beside_is_no_other_kernel(
    tmp_path: Path, more: str, other: list[str]
) -> None:
    digests = []
    for number in (0, 130):
        folder = tmp_path / str(number)
        folder.mkdir()
        text = f"CONFIG_SMP=y\nCONFIG_PAHOLE_VERSION={number}\n{more}CONFIG_NR_CPUS=2\n"
        (folder / "config").write_text(text)
        seal(folder, ["config"])
        digests.append(kernel_digests(folder))
    one, two = digests
    assert [name for name in one if one[name] != two[name]] == other


def test_another_config_is_another_kernel(tmp_path: Path) -> None:
    digests = []
    for number in (2, 4):
        (tmp_path / "config").write_text(f"CONFIG_PAHOLE_VERSION=0\nCONFIG_NR_CPUS={number}\n")
        seal(tmp_path, ["config"])
        digests.append(kernel_digests(tmp_path))
    assert digests[0] != digests[1]
