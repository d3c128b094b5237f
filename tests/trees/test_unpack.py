# SPDX-License-Identifier: GPL-2.0-only
"""Archives are unpacked whole and inside their folder, or refused with nothing left."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.config.model import TarballKernel
from lab.errors import UserError
from lab.model.url import Url
from lab.process import run
from lab.trees import read_manifest
from lab.trees.manifest import compute_manifest
from tests.trees.conftest import Cache

pytestmark = pytest.mark.slow

COMPRESSORS = {"plain": None, "gz": "gzip", "bz2": "bzip2", "xz": "xz", "zst": "zstd"}


def kernel(archive: Path) -> TarballKernel:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return TarballKernel(kind="tarball", url=Url(str(archive)), sha256=digest)


def pack(source: Path, tool: str | None = None, top: str = "linux-6.1") -> Path:
    archive = source.parent / "archive.bin"
    program = [f"--use-compress-program={tool}"] if tool else []
    run(["tar", "-c", "-f", archive, *program, "-C", source.parent / top, "."])
    return archive


@pytest.fixture
def member(source: Path) -> Callable[..., Path]:
    """An archive of the source with members of the test's making added."""

    def member(*members: tarfile.TarInfo) -> Path:
        archive = source.parent / "archive.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(source, "linux-6.1")
            for info in members:
                tar.addfile(info, io.BytesIO(b"x" * info.size))
        return archive

    return member


def info(
    name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0
) -> tarfile.TarInfo:
    result = tarfile.TarInfo(name)
    result.type, result.linkname, result.size, result.mode = kind, target, size, 0o644
    return result


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_every_compression(source: Path, cache: Cache, kind: str) -> None:
    if (tool := COMPRESSORS[kind]) and run(["which", tool], check=False).status:
        pytest.skip(f"no {tool} here")
    tree = cache.fetch(kernel(pack(source, tool)))
    assert read_manifest(tree.manifest) == compute_manifest(source)
    assert tree.identity.startswith("tarball:")
    assert str(tree.version) == "6.1.7"


def test_one_leading_folder_is_stripped(member: Callable[..., Path], cache: Cache) -> None:
    tree = cache.fetch(kernel(member()))
    assert "Makefile" in read_manifest(tree.manifest)


def test_times_are_kept_but_not_those_to_come(source: Path, cache: Cache) -> None:
    os.utime(source / "mm/gup.c", (1e9, 1e9))
    os.utime(source / "Makefile", (time.time() + 1e6, time.time() + 1e6))
    tree = cache.fetch(kernel(pack(source)))
    assert (tree.path / "mm/gup.c").stat().st_mtime == 1e9
    assert (tree.path / "Makefile").stat().st_mtime <= time.time()


def test_hard_links_and_repeated_members(member: Callable[..., Path], cache: Cache) -> None:
    archive = member(
        info("linux-6.1/mm/hard.c", tarfile.LNKTYPE, "linux-6.1/mm/gup.c"),
        info("linux-6.1/twice.c", size=1),
        info("linux-6.1/twice.c", size=2),
        info("linux-6.1/mm/link.c", size=3),
    )
    tree = cache.fetch(kernel(archive))
    assert (tree.path / "mm/hard.c").read_text() == "int gup;\n"
    assert (tree.path / "twice.c").read_text() == "xx"
    # In the link's place, not through it.
    assert (tree.path / "mm/gup.c").read_text() == "int gup;\n"
    assert read_manifest(tree.manifest) == compute_manifest(tree.path)


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "pax", "pax -S", "gnu -S"])
def test_every_form_of_tar(source: Path, cache: Cache, form: str) -> None:
    """What is long, with holes, empty or large; names that are no text, modes that git has not."""
    # Old ones end a path after 100 bytes, and ustar has a second field for its beginning.
    folder = source / "drivers" / "and-then" / ("x" if form == "v7" else "x" * 90)
    folder.mkdir(parents=True)
    names = ["empty", "caf\udce9.c"] + (["n" * 90] if form not in {"v7", "ustar"} else [])
    for name in names:
        (folder / name).touch()
    (folder / "large").write_bytes(os.urandom(3_000_001))
    with (folder / "holes").open("wb") as stream:
        for place in (0, 2_500_000, 4_000_000):
            stream.seek(place)
            stream.write(b"data")
        stream.truncate(4_100_000)
    with (folder / "a hole").open("wb") as stream:
        stream.truncate(1_000_000)
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o700)
    archive, (kind, *more) = source.parent / "archive.bin", form.split()
    run(["tar", "-c", f"--format={kind}", *more, "-f", archive, "-C", source.parent, source.name])
    tree = cache.fetch(kernel(archive))
    assert read_manifest(tree.manifest) == compute_manifest(tree.path) == compute_manifest(source)


S, H, D = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([info("../evil", size=1)], "../evil would be outside"),
        ([info("linux-6.1/../../evil", size=1)], "would be outside"),
        ([info("/{tmp}/evil", size=1)], "would be outside"),
        ([info("linux-6.1/up", S, "../..")], "up is a link to outside"),
        ([info("linux-6.1/up", S, "/etc/passwd")], "up is a link to outside"),
        ([info("linux-6.1/s", S, "mm"), info("linux-6.1/s/evil", size=1)], "goes through"),
        ([info("linux-6.1/s", S, "mm"), info("linux-6.1/s", D)], "goes through"),
        # Each is inside by its text; the second leaves through the first.
        (
            [info("linux-6.1/mm/b", S, ".."), info("linux-6.1/p", S, "mm/b/../mm/b/../x")],
            "p is a link to outside",
        ),
        ([info("linux-6.1/h", H, "../evil")], "would be outside"),
        ([info("linux-6.1/h", H, "/etc/passwd")], "would be outside"),
        ([info("linux-6.1/h", H, "linux-6.1/none")], "is no file before it"),
        ([info("linux-6.1/h", H, "linux-6.1/mm/link.c")], "is no file before it"),
        ([info("linux-6.1/mm", size=1)], "takes the place of a folder"),
        ([info("linux-6.1/null", tarfile.CHRTYPE)], "null is a device or a pipe"),
        ([info("linux-6.1/pipe", tarfile.FIFOTYPE)], "pipe is a device or a pipe"),
        ([info("linux-6.1/a\nb", size=1)], "line break"),
    ],
)
def test_members_with_no_place_in_a_tree(
    member: Callable[..., Path], cache: Cache, members: list[tarfile.TarInfo], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        cache.fetch(kernel(member(*members)))
    assert said in str(caught.value)
    assert cache.left_behind() == []
    assert not list(cache.root.rglob("evil"))


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("tool", [None, "gzip", "xz"])
def test_a_damaged_archive(source: Path, cache: Cache, tool: str | None, keep: float) -> None:
    (source / "noise").write_bytes(os.urandom(200_000))
    archive = pack(source, tool)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * (keep if tool else keep / 2))])
    with pytest.raises(UserError, match=r"is damaged|no kernel source"):
        cache.fetch(kernel(archive))
    assert cache.left_behind() == []


def test_a_damaged_header_is_not_the_end(member: Callable[..., Path], cache: Cache) -> None:
    archive = member(info("linux-6.1/last.c", size=700))
    content = archive.read_bytes()
    place = content.index(b"linux-6.1/last.c")
    archive.write_bytes(content[:place] + b"X" + content[place + 1 :])
    with pytest.raises(UserError, match="damaged"):
        cache.fetch(kernel(archive))


def test_an_archive_of_something_else(cache: Cache, tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.write_text("<html>not here</html>\n" * 100)
    with pytest.raises(UserError, match="damaged"):
        cache.fetch(kernel(page))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/README").touch()
    with pytest.raises(UserError, match="no kernel source"):
        cache.fetch(kernel(pack(tmp_path / "other", top="other")))
    assert cache.left_behind() == []
