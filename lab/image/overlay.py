# SPDX-License-Identifier: GPL-2.0-only
"""What one guest has of its own: its keys and the programs it is to run."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from lab.errors import InfrastructureError
from lab.image import cpio
from lab.image.keys import GuestKeys
from lab.process.seal import files_below


def guest_archive(keys: GuestKeys, programs: Mapping[str, Path]) -> bytes:
    """A second archive, laid over the base: keys, and each program as ``/lab/NAME``.

    What is named by a whole path lies there, and a folder with all that is in it.

    Raises:
        InfrastructureError: A program cannot be read.
    """
    try:
        files = [cpio.file(place, path.read_bytes(), 0o755) for place, path in placed(programs)]
    except OSError as error:
        raise InfrastructureError(f"a guest program cannot be read: {error}") from error
    archive = io.BytesIO()
    cpio.write(archive, [*_key_files(keys), *files])
    return archive.getvalue()


def placed(programs: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """(path in the guest, file here) pairs of all that programs come to.

    Raises:
        OSError: A folder cannot be read.
    """
    for name, path in programs.items():
        place = name if name.startswith("/") else f"/lab/{name}"
        if path.is_dir():
            yield from ((f"{place}/{below}", file) for below, file in files_below(path))
        else:
            yield place, path


def write_initrd(path: Path, base: Path, archive: bytes) -> None:
    """Write ``base`` and ``archive`` one after the other: the kernel unpacks both in turn.

    Raises:
        InfrastructureError: The file cannot be written.
    """
    try:
        with base.open("rb") as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.write(archive)
    except OSError as error:
        raise InfrastructureError(
            f"the initramfs cannot be written: {error}", where=path
        ) from error


def _key_files(keys: GuestKeys) -> list[cpio.Node]:
    return [
        cpio.directory("/etc/dropbear", 0o700),
        cpio.file("/etc/dropbear/host_key", keys.host.dropbear_private, 0o600),
        # guest-tests/init.c opens it for each SSH server.
        cpio.file("/etc/dropbear/login", keys.login.encode(), 0o600),
    ]
