# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import io
import stat

import pytest

from lab.image import cpio
from lab.process import run

NODES = (
    cpio.file("/etc/motd", b"hello", 0o640),
    cpio.directory("/root", 0o700),
    cpio.symlink("/bin/sh", "busybox"),
    cpio.character_device("/dev/console", 5, 1),
)


def archive(*nodes: cpio.Node) -> bytes:
    stream = io.BytesIO()
    assert cpio.write(stream, nodes) == len(stream.getvalue())
    return stream.getvalue()


def listing(data: bytes) -> dict[str, list[str]]:
    """What cpio(1) says of an archive: ``ls -l`` fields by name."""
    text = run(["cpio", "-tvn", "--quiet"], input=data).stdout
    rows = [line.split() for line in text.splitlines()]
    names = [row[-3] if "->" in row else row[-1] for row in rows]
    return dict(zip(names, rows, strict=True))


def test_cpio_1_reads_every_kind_of_node() -> None:
    rows = listing(archive(*NODES))
    assert rows["etc/motd"][:5] == ["-rw-r-----", "1", "0", "0", "5"]
    assert rows["root"][0] == "drwx------"
    assert rows["bin/sh"][-3:] == ["bin/sh", "->", "busybox"]
    assert rows["dev/console"][:6] == ["crw-------", "1", "0", "0", "5,", "1"]


def test_folders_are_added_and_precede_what_is_in_them() -> None:
    names = list(listing(archive(cpio.file("/a/b/c", b""), cpio.file("/a.txt", b""))))
    assert names == ["a", "a.txt", "a/b", "a/b/c"]


def test_same_nodes_same_bytes_in_any_order() -> None:
    assert archive(*NODES) == archive(*reversed(NODES))


def test_header_has_no_owner_and_no_time() -> None:
    data = archive(cpio.file("/x", b"12345"))
    fields = [int(data[6 + 8 * n : 14 + 8 * n], 16) for n in range(13)]
    assert data[:6] == b"070701"
    assert fields == [1, stat.S_IFREG | 0o644, 0, 0, 1, 0, 5, 0, 0, 0, 0, 2, 0]


def test_content_starts_and_ends_on_four_bytes() -> None:
    data = archive(cpio.file("/x", b"12345"), cpio.file("/y", b"z"))
    # 110 bytes of header and "x\0" make 112; five bytes of content take eight.
    assert data[112:120] == b"12345\0\0\0"
    assert data[120:126] == b"070701"


def test_archives_can_be_joined() -> None:
    first = archive(cpio.file("/x", b"1"))
    assert len(first) % 512 == 0
    assert first.rstrip(b"\0").endswith(b"TRAILER!!!")


def test_a_path_given_twice_or_relative_is_refused() -> None:
    with pytest.raises(ValueError, match="'/x'"):
        archive(cpio.file("/x", b""), cpio.symlink("/x", "y"))
    with pytest.raises(ValueError, match="'x'"):
        archive(cpio.file("x", b""))
