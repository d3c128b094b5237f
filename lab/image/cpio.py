# SPDX-License-Identifier: GPL-2.0-only
"""Writes cpio archives in the "newc" format, as the kernel unpacks them.

The format is in Documentation/driver-api/early-userspace/buffer-format.rst.
Everything belongs to root and has time 0, so that the same nodes always give
the same bytes, and device nodes need no privilege: they are only described.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"
#: Archives end on a multiple of this, as cpio(1) does it, and can be joined.
BLOCK = 512


@dataclass(frozen=True)
class Node:
    """One member: ``path`` is absolute in the guest, ``mode`` includes the file type.

    ``data`` is a file's content or a symbolic link's target; ``device`` is the
    major and minor number of a device node.
    """

    path: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(path: str, data: bytes, permissions: int = 0o644) -> Node:
    """A regular file."""
    return Node(path, stat.S_IFREG | permissions, data)


def directory(path: str, permissions: int = 0o755) -> Node:
    """A folder."""
    return Node(path, stat.S_IFDIR | permissions)


def symlink(path: str, target: str) -> Node:
    """A symbolic link."""
    return Node(path, stat.S_IFLNK | 0o777, target.encode())


def character_device(path: str, major: int, minor: int, permissions: int = 0o600) -> Node:
    """A character device; numbers are those of Documentation/admin-guide/devices.txt."""
    return Node(path, stat.S_IFCHR | permissions, device=(major, minor))


def write(stream: BinaryIO, nodes: Iterable[Node]) -> int:
    """Write one archive, members sorted by path; returns its size in bytes.

    Folders that nobody gave are added with mode 0755.

    Raises:
        ValueError: Two nodes have the same path, or one is not absolute.
    """
    size = 0
    for number, node in enumerate(_with_parents(nodes), start=1):
        size += _write_member(stream, number, node.path.lstrip("/"), node)
    size += _write_member(stream, 0, _TRAILER, Node(_TRAILER, 0))
    padding = -size % BLOCK
    stream.write(bytes(padding))
    return size + padding


def _with_parents(nodes: Iterable[Node]) -> list[Node]:
    known: dict[str, Node] = {}
    for node in nodes:
        if not node.path.startswith("/") or node.path in known:
            raise ValueError(f"{node.path!r} is not absolute, or given twice")
        known[node.path] = node
    for path in list(known):
        for parent in PurePosixPath(path).parents:
            known.setdefault(str(parent), directory(str(parent)))
    known.pop("/", None)
    return [known[path] for path in sorted(known)]


def _write_member(stream: BinaryIO, number: int, name: str, node: Node) -> int:
    encoded = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(node.mode) else 1
    # inode, mode, uid, gid, links, mtime, size, device, rdevice, name's size, checksum
    fields = (number, node.mode, 0, 0, links, 0, len(node.data), 0, 0, *node.device)
    header = _MAGIC + b"".join(b"%08X" % value for value in (*fields, len(encoded), 0))
    member = _aligned(header + encoded) + _aligned(node.data)
    stream.write(member)
    return len(member)


def _aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
