# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.arch import ARCH
from lab.errors import InfrastructureError
from lab.host import Host, known_tools
from lab.image import GuestKeys, base_image, guest_archive, write_initrd
from lab.image.base import PROGRAMS
from lab.image.sources import Reader, store, up_to_date
from lab.process import run
from lab.process.stamp import stamp

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    base_image(folder)
    return folder


def unpack(archive: bytes, folder: Path) -> None:
    # Device nodes need root; nothing else in an image does.
    run(["cpio", "-idmu", "--quiet", "-f", "dev/*"], input=archive, cwd=folder)


@pytest.fixture(scope="module")
def root(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base image, unpacked."""
    folder = tmp_path_factory.mktemp("root")
    unpack(base_image(cache).read_bytes(), folder)
    return folder


@pytest.mark.parametrize("name", ["mkfs.ext4", "mkfs.xfs", "ndctl", "dropbear"])
def test_program_finds_its_libraries_in_the_image(root: Path, name: str) -> None:
    loader = next((root / "lib64").iterdir())
    folder = next(root.glob("lib/**/libc.so.6")).parent
    listing = run([loader, "--inhibit-cache", "--list", root / "bin" / name], env=only(folder))
    lines = [line for line in listing.stdout.splitlines() if "=>" in line]
    assert lines
    assert all(f"=> {root}/lib" in line for line in lines), listing.stdout


def only(folder: Path) -> dict[str, str]:
    return {"LD_LIBRARY_PATH": str(folder)}


def test_any_path_leads_to_the_programs(root: Path) -> None:
    names = ("sbin", "usr/bin", "usr/sbin", "bin/sh", "bin/mke2fs")
    links = [str((root / name).readlink()) for name in names]
    assert links == ["/bin", "/bin", "/bin", "busybox", "mkfs.ext4"]


def test_init_opens_the_second_port_whatever_an_architecture_calls_it(cache: Path) -> None:
    device, major, minor = ARCH.marks
    archive = base_image(cache).read_bytes()
    listing = run(["cpio", "-itv", "--quiet"], input=archive).stdout.splitlines()
    nodes = {line.split()[-1]: " ".join(line.split()[4:6]) for line in listing if line[0] == "c"}
    assert nodes["dev/lab-marks"] == nodes[f"dev/{device}"] == f"{major}, {minor}"
    source = (Path(__file__).parents[2] / "guest-tests" / "init.c").read_text()
    assert 'open("/dev/lab-marks"' in source
    assert device not in source


def test_second_time_nothing_is_made(cache: Path) -> None:
    before = base_image(cache).stat()
    after = base_image(cache).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_truncated_image_is_made_again_the_same(cache: Path) -> None:
    image = base_image(cache)
    whole = image.read_bytes()
    image.write_bytes(whole[:1000])
    assert base_image(cache) == image
    assert image.read_bytes() == whole


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(b"one")
    return path


def stored(source: Path, folder: Path) -> Path:
    reader = Reader()
    return store(folder, "recipe", reader, reader.read(source))


def test_stored_image_is_found_again(source: Path, tmp_path: Path) -> None:
    assert stored(source, tmp_path) == up_to_date(tmp_path, "recipe")


def test_changed_source_makes_it_stale(source: Path, tmp_path: Path) -> None:
    stored(source, tmp_path)
    source.write_bytes(b"two")
    assert up_to_date(tmp_path, "recipe") is None


def test_bit_that_the_disk_flipped_makes_it_stale(source: Path, tmp_path: Path) -> None:
    image = stored(source, tmp_path)
    image.write_bytes(b"ond")
    record = json.loads((tmp_path / "sources.json").read_text())
    (tmp_path / "sources.json").write_text(json.dumps({**record, "stamp": stamp(image)}))
    assert up_to_date(tmp_path, "recipe") is None


def test_changed_recipe_makes_it_stale(source: Path, tmp_path: Path) -> None:
    stored(source, tmp_path)
    assert up_to_date(tmp_path, "another") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"recipe": "recipe"}'])
def test_broken_record_is_no_record(source: Path, tmp_path: Path, text: str) -> None:
    stored(source, tmp_path)
    (tmp_path / "sources.json").write_text(text)
    assert up_to_date(tmp_path, "recipe") is None


def test_record_with_strange_sources_is_no_record(source: Path, tmp_path: Path) -> None:
    stored(source, tmp_path)
    record = json.loads((tmp_path / "sources.json").read_text())
    (tmp_path / "sources.json").write_text(json.dumps({**record, "sources": 5}))
    assert up_to_date(tmp_path, "recipe") is None


def test_missing_tool_says_which_package(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError) as caught:
        base_image(tmp_path, Host((), tmp_path))
    assert caught.value.what == "busybox is not installed"
    assert caught.value.hint == "sudo apt-get install busybox-static"


def test_guest_archive_is_laid_over_the_base(tmp_path: Path) -> None:
    program = tmp_path / "populate"
    program.write_bytes(b"program")
    keys = GuestKeys.make()
    below = tmp_path / "modules" / "sub"
    below.mkdir(parents=True)
    (below / "one.pm").write_bytes(b"module")
    more = {"/bin/tool": program, "/usr/lib/mine": below.parent}
    archive = guest_archive(keys, {"populate": program, **more})
    base = tmp_path / "base.cpio"
    base.write_bytes(guest_archive(keys, {}))
    write_initrd(tmp_path / "initrd", base, archive)
    assert (tmp_path / "initrd").read_bytes() == base.read_bytes() + archive
    unpack(archive, tmp_path)
    assert (tmp_path / "lab/populate").read_bytes() == b"program"
    assert (tmp_path / "bin/tool").read_bytes() == b"program"
    assert (tmp_path / "usr/lib/mine/sub/one.pm").read_bytes() == b"module"
    assert (tmp_path / "etc/dropbear/login").read_text() == keys.login
    assert (tmp_path / "etc/dropbear/host_key").read_bytes() == keys.host.dropbear_private
    secrets = (tmp_path / "etc/dropbear").iterdir()
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
    assert (tmp_path / "lab/populate").stat().st_mode & 0o777 == 0o755


def test_missing_program_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="/populate"):
        guest_archive(GuestKeys.make(), {"populate": tmp_path / "populate"})


def test_initrd_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="initramfs"):
        write_initrd(tmp_path / "initrd", tmp_path / "missing", b"")
    assert list(tmp_path.iterdir()) == []


def test_each_program_of_a_guest_has_packages_that_bring_it() -> None:
    assert PROGRAMS.keys() <= known_tools().keys()
