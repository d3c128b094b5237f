# SPDX-License-Identifier: GPL-2.0-only
"""Archives that would fill the disk, the memory or the stack, and those with flipped bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import re
import tarfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from lab.config.model import TarballKernel
from lab.errors import LabError, UserError
from lab.model.url import Url
from lab.process import run
from lab.process.deadline import Deadline
from lab.trees.request import Request
from lab.trees.unpack import unpack
from tests.trees.conftest import FILES, Cache

pytestmark = pytest.mark.slow


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", tmp_path)


Add = Callable[[tarfile.TarFile], None]


def archive(folder: Path, *more: Add, form: int = tarfile.PAX_FORMAT) -> Path:
    """A kernel's tiny source, and what else is added to it."""
    path = folder / "linux.tar"
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in FILES.items():
            file(tar, f"linux/{name}", content.encode())
        for add in more:
            add(tar)
    return path


def file(tar: tarfile.TarFile, name: str, content: bytes = b"", **pax: str) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.pax_headers = len(content), pax
    tar.addfile(info, io.BytesIO(content))


def header(kind: bytes, size: int, name: str = "././@LongLink") -> bytes:
    """A header alone, whatever comes behind it."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def kernel_of(path: Path) -> TarballKernel:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return TarballKernel(kind="tarball", url=Url(str(path)), sha256=digest)


def fetched(cache: Cache, path: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        cache.fetch(kernel_of(path))
    assert cache.left_behind() == []
    return caught.value


def test_a_hole_counts(cache: Cache, tmp_path: Path) -> None:
    """3.5 KB that would be 6 GB."""
    folder = tmp_path / "linux"
    folder.mkdir()
    (folder / "Makefile").write_text(FILES["Makefile"])
    with (folder / "hole").open("wb") as stream:
        stream.truncate(6 << 30)
    for form in ("gnu", "pax"):
        path = tmp_path / f"{form}.tar"
        run(["tar", "-c", "-S", f"--format={form}", "-f", path, "-C", tmp_path, "linux"])
        assert path.stat().st_size < 1 << 16
        assert "holds more than 68 MB" in str(fetched(cache, path))


@pytest.mark.parametrize("tool", ["gzip", "xz", "zstd", "bzip2"])
def test_a_bomb(cache: Cache, tmp_path: Path, tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.trees.unpack._SMALL", 1 << 20)
    tar = archive(tmp_path, lambda tar: file(tar, "linux/zeros", bytes(10 << 20)))
    run([tool, "-f", "-9", tar])
    (packed,) = tmp_path.glob("linux.tar.*")
    assert "holds more than" in str(fetched(cache, packed))


def test_a_bomb_of_what_follows_the_last_member(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.trees.unpack._SMALL", 1 << 20)
    path = archive(tmp_path)
    packed = tmp_path / "linux.tar.gz"
    with gzip.open(packed, "wb", compresslevel=9) as stream:
        stream.write(path.read_bytes() + bytes(10 << 20))
    assert "holds more than" in str(fetched(cache, packed))


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
@pytest.mark.parametrize("size", [4 << 30, 1 << 20, -512, -(1 << 40)])
def test_a_header_is_short(cache: Cache, tmp_path: Path, kind: bytes, size: int) -> None:
    path = archive(tmp_path)
    path.write_bytes(header(kind, size) + b"a" * (2 << 20) + path.read_bytes())
    # Since 3.12.4 and 3.13 Python looks at some of them itself.
    assert re.search("a header has|is damaged: invalid (header|offset)", str(fetched(cache, path)))


@pytest.mark.parametrize("before", [lambda _: b"", lambda path: path.read_bytes()[:1024]])
def test_a_map_of_holes_that_is_cut(
    cache: Cache, tmp_path: Path, before: Callable[[Path], bytes]
) -> None:
    path, block = archive(tmp_path), bytearray(header(tarfile.GNUTYPE_SPARSE, 0, "linux/h"))
    block[482] = 1  # its map goes on in another block, which is not there
    _sum(block, 0)
    path.write_bytes(before(path) + block)
    assert "a header cannot be read" in str(fetched(cache, path))


def test_headers_about_headers(cache: Cache, tmp_path: Path) -> None:
    path = archive(tmp_path)
    one = header(tarfile.GNUTYPE_LONGNAME, 5) + b"name\0".ljust(512, b"\0")
    path.write_bytes(one * 3000 + path.read_bytes())
    assert "one thing leads to the next" in str(fetched(cache, path))


def test_links_to_links(cache: Cache, tmp_path: Path) -> None:
    def chain(tar: tarfile.TarFile) -> None:
        for number in range(1500):
            info = tarfile.TarInfo(f"linux/{number}")
            info.type, info.linkname = tarfile.SYMTYPE, str(number + 1)
            tar.addfile(info)

    # None of these gets anywhere that counts: the kernel goes through 40 of them.
    tree = cache.fetch(kernel_of(archive(tmp_path, chain)))
    assert (tree.path / "1499").is_symlink()


def test_links_to_links_to_outside(cache: Cache, tmp_path: Path) -> None:
    def chain(tar: tarfile.TarFile) -> None:
        for number in range(100):
            info = tarfile.TarInfo(f"linux/{number}")
            info.type, info.linkname = tarfile.SYMTYPE, str(number + 1)
            tar.addfile(info)
        info = tarfile.TarInfo("linux/100")
        info.type, info.linkname = tarfile.SYMTYPE, "../../.."
        tar.addfile(info)

    # The first of those that the kernel follows to the end.
    assert "is a link to outside of it" in str(fetched(cache, archive(tmp_path, chain)))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("linux/" + "d/" * 1500 + "f", "is 1502 folders deep"),
        ("linux/" + "n" * 300, "cannot be: File name too long"),
        ("linux/" + "d" * 200 + "/" + ("e" * 200 + "/") * 25 + "f", "cannot be: File name"),
        ("linux/Makefile/x", "goes through"),
    ],
)
def test_names_that_cannot_be(cache: Cache, tmp_path: Path, name: str, said: str) -> None:
    error = str(fetched(cache, archive(tmp_path, lambda tar: file(tar, name, b"x"))))
    assert said in error
    assert len(error) < 1000


@pytest.mark.parametrize("mtime", ["nan", "inf", "-inf", "-1e300", "1e300", "-1", "9" * 5000, "x"])
def test_times_that_no_clock_has_said(cache: Cache, tmp_path: Path, mtime: str) -> None:
    path = archive(tmp_path, lambda tar: file(tar, "linux/late.c", b"x", mtime=mtime))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    tree = cache.fetch(TarballKernel(kind="tarball", url=Url(str(path)), sha256=digest))
    assert 0 <= (tree.path / "late.c").stat().st_mtime < 4e9


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_end_as_errors_of_the_lab(tmp_path: Path, seed: int) -> None:
    """Headers of each form with a few bytes that are others: unpacked inside, or refused."""
    chance = random.Random(seed)
    request = Request("6.1", tmp_path, tmp_path, Deadline("fetch", 1e9))
    form = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)[seed % 3]
    good = bytearray(archive(tmp_path, _odd, form=form).read_bytes())
    for number in range(100):
        path, source = tmp_path / f"{number}.tar", tmp_path / "out" / str(number) / "source"
        source.parent.mkdir(parents=True)
        path.write_bytes(_flipped(good, chance))
        with suppress(LabError):
            unpack(path, source, request, tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir() if each.suffix != ".tar") == ["out"]


def _odd(tar: tarfile.TarFile) -> None:
    file(tar, "linux/" + "l" * 90, b"long", comment="x")
    link = tarfile.TarInfo("linux/link")
    link.type, link.linkname = tarfile.SYMTYPE, "mm/gup.c"
    tar.addfile(link)
    hard = tarfile.TarInfo("linux/hard")
    hard.type, hard.linkname = tarfile.LNKTYPE, "linux/mm/gup.c"
    tar.addfile(hard)


def _flipped(good: bytearray, chance: random.Random) -> bytes:
    found = bytearray(good)
    blocks = [at for at in range(0, len(found) - 512, 512) if found[at]]
    for _ in range(chance.randint(1, 3)):
        at = chance.choice(blocks)
        found[at + chance.randrange(500)] = chance.choice(b"\0/.579-\xffxgLKS12\n\x80 ")
        if chance.random() < 0.8:
            _sum(found, at)
    return bytes(found)


def _sum(content: bytearray, at: int) -> None:
    """A right checksum, so that what was changed is read."""
    content[at + 148 : at + 156] = b" " * 8
    content[at + 148 : at + 156] = b"%06o\0 " % sum(content[at : at + 512])


def test_the_memory_of_xz(cache: Cache, tmp_path: Path) -> None:
    """A dictionary of 4 GiB is no kernel's (xz-file-format, 3.1 and 5.3.1)."""
    path = archive(tmp_path)
    run(["xz", "-f", "-0", path])
    packed = bytearray((tmp_path / "linux.tar.xz").read_bytes())
    end = 12 + 4 * (packed[12] + 1) - 4  # of the first block's header, without its checksum
    packed[packed.index(b"\x21\x01", 12) + 2] = 40
    packed[end : end + 4] = zlib.crc32(packed[12:end]).to_bytes(4, "little")
    (tmp_path / "linux.tar.xz").write_bytes(packed)
    assert "Memory usage limit reached" in str(fetched(cache, tmp_path / "linux.tar.xz"))
