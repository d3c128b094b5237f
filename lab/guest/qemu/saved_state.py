# SPDX-License-Identifier: GPL-2.0-only
"""A booted guest on disk: any number of guests start from it, each with a copy of its own.

RAM and NVDIMM are two sparse files that a guest maps privately, so that it reads
only the pages it touches and changes none of them; QEMU's migration stream holds
the rest, the devices (``x-ignore-shared`` leaves shared memory out of it).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lab.errors import InfrastructureError
from lab.guest.command import CommandResult
from lab.guest.qemu.command_line import SSH_PORTS, ram_name
from lab.host import need_tool
from lab.image import GuestKeys
from lab.process.cache_use import note_use
from lab.process.scratch import scratch_folder
from lab.process.seal import damage, file_digest, seal
from lab.process.sparse import copy_sparse, data_ranges
from lab.process.stamp import stamp
from lab.process.stored import read_stored

#: Raised when the lab comes to save otherwise.
_FORMAT = 7
#: States that stay; each is about 100 MB, and a build that is tested again makes its own anew.
_KEPT = 12
_GRAIN = 64 << 10
_ZEROS = bytes(_GRAIN)
#: The kernel's setup code is 32 KiB at most (arch/x86/boot/setup.ld), and QEMU wants more
#: than that: it reads what it is given each time, 8 MB in 3 ms.
_KERNEL_HEAD = 64 << 10
#: What a guest starts from and takes less than a millisecond to look through: not its memory,
#: of which there are 90 MB.
SEALED = ("state.json", "devices", "kernel", "console.log")
#: 32 random bytes for a guest's kernel, and 16 for its SSH server.
_SEEDS = 48
#: What a state cannot do without.
_PARTS = frozenset({"ram", "devices", "kernel", "console.log"})


@dataclass(frozen=True)
class SavedState:
    """A folder with a guest's memory, its devices, and what was known of it then.

    Attributes:
        host_key: The 32 bytes of the guest's public Ed25519 host key.
        login: The user name that its guests let in.
        used_ports: How many of its SSH ports no longer lead to a server.
        prepared: How the command ended that ran before it was saved.
        readied: The same of one that ran after it, if there was any.
        checksums: (name, number) pairs of what SEALED has not, see damage().
    """

    folder: Path
    host_key: bytes
    login: str
    used_ports: int
    prepared: CommandResult
    checksums: tuple[tuple[str, int], ...] = ()
    readied: CommandResult | None = None

    @property
    def key(self) -> str:
        """What names it: a hash of all that shaped the guest."""
        return self.folder.name

    def ram(self, node: int) -> Path:
        """The RAM of a node of the guest's."""
        return self.folder / ram_name(node)

    @property
    def nvdimm(self) -> Path:
        """The NVDIMM's content."""
        return self.folder / "nvdimm"

    @property
    def scratch(self) -> Path:
        """That of a second one, where the machine has it."""
        return self.folder / "scratch"

    @property
    def devices(self) -> Path:
        """QEMU's migration stream."""
        return self.folder / "devices"

    @property
    def kernel(self) -> Path:
        """As much of the kernel's file as QEMU reads to find out what it is."""
        return self.folder / "kernel"

    @property
    def console(self) -> Path:
        """What the guest had printed."""
        return self.folder / "console.log"

    def damage(self) -> str | None:
        """What of its memory is not as it was saved, in a few words; read once a process.

        A bit of a guest's memory that a disk flipped would be shown as the kernel's crash.
        """
        for name, known in self.checksums:
            try:
                if _checksum_of(self.folder / name) != known:
                    return f"its {name} is not what was saved"
            except OSError as error:
                return f"its {name} cannot be read: {error.strerror}"
        return None

    def touch(self) -> None:
        """Note that it was used."""
        note_use(self.folder)


@dataclass(frozen=True)
class _Document:
    """``state.json``."""

    sizes: tuple[tuple[str, int], ...]
    #: 32 bytes in hexadecimal digits.
    host_key: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    login: Annotated[str, Field(min_length=1)]
    used_ports: Annotated[int, Field(ge=0, le=SSH_PORTS)]
    prepared: CommandResult
    checksums: tuple[tuple[str, int], ...]
    readied: CommandResult | None = None


def name_state(command: Sequence[str], files: Iterable[Path], *more: str) -> str:
    """24 hexadecimal digits that name a state.

    Raises:
        InfrastructureError: A file cannot be read.

    Args:
        command: QEMU's command line, the same for each guest of the kind.
        files: All that it boots from, each by its content.
        more: Whatever else shapes it.
    """
    parts = [str(_FORMAT), *command, *more, str(stamp(need_tool(command[0]))), *map(_digest, files)]
    if "host" in command:
        # KVM gives the guest this host's CPU, as this host's kernel lets it be seen.
        parts += [platform.release(), _cpu()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def find_state(states: Path, key: str) -> SavedState | None:
    """The state of that name, if there is one, and nothing of it was lost or cut short."""
    folder = states / key
    document = read_stored(folder / "state.json", _Document)
    # QEMU would wait for the rest of its devices, and the lab for QEMU.
    if document is None or not _is_whole(folder, dict(document.sizes)):
        return None
    if damage(folder, SEALED):
        return None
    host_key = bytes.fromhex(document.host_key)
    found = SavedState(
        folder,
        host_key,
        document.login,
        document.used_ports,
        document.prepared,
        document.checksums,
        document.readied,
    )
    found.touch()
    return found


def _checksum_of(path: Path) -> int:
    """CRC-32 of what a sparse file holds, and where."""
    status = path.stat()
    stamp = (status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
    return _checksum(os.fspath(path), stamp)


@lru_cache(maxsize=64)
def _checksum(path: str, stamp: tuple[int, int, int, int]) -> int:
    total = 0
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
        for at, grain in _grains(stream.fileno()):
            # A hole is as good as zeros: a filesystem may have made either of the other.
            if grain != _ZEROS[: len(grain)]:
                # 75 MB in 0.1 s on any CPU; SHA-256 takes four times that where it is not built in.
                total = zlib.crc32(grain, zlib.crc32(at.to_bytes(8), total))
    return total


def _grains(source: int) -> Iterator[tuple[int, bytes]]:
    """What is not a hole, in pieces whose places are multiples of _GRAIN."""
    done = 0
    for start, end in data_ranges(source):
        for at in range(max(done, start - start % _GRAIN), end, _GRAIN):
            yield at, os.pread(source, _GRAIN, at)
            done = at + _GRAIN


def _is_whole(folder: Path, sizes: Mapping[str, int]) -> bool:
    try:
        return sizes.keys() >= _PARTS and all(
            (folder / name).stat().st_size == size for name, size in sizes.items()
        )
    except (OSError, ValueError):
        return False


def write_state(
    states: Path,
    key: str,
    *,
    parts: Mapping[str, int],
    kernel: Path,
    console: Path,
    keys: GuestKeys,
    used_ports: int,
    prepared: CommandResult,
    readied: CommandResult | None = None,
) -> SavedState:
    """Keep a stopped guest; the oldest states beyond a dozen go.

    Args:
        parts: File descriptors of its ``ram`` (of each node), ``nvdimm``, ``scratch`` if any, and
            ``devices``.

    Raises:
        OSError: No space, most likely; nothing of the state is left then.
    """
    # Private: with it comes its host key, and the name that logs in.
    states.chmod(0o700)
    with scratch_folder(states / key) as scratch:
        for name, descriptor in parts.items():
            with (scratch / name).open("wb") as stream:
                copy_sparse(descriptor, stream.fileno())
        shutil.copyfile(console, scratch / "console.log")
        with kernel.open("rb") as stream:
            (scratch / "kernel").write_bytes(stream.read(_KERNEL_HEAD))
        sizes = tuple((path.name, path.stat().st_size) for path in scratch.iterdir())
        host_key = keys.host.public.hex()
        large = (name for name, _ in sizes if name not in SEALED)
        checksums = tuple((name, _checksum_of(scratch / name)) for name in large)
        document = _Document(sizes, host_key, keys.login, used_ports, prepared, checksums, readied)
        (scratch / "state.json").write_text(json.dumps(asdict(document)))
        seal(scratch, SEALED)
    _keep_newest(states)
    return SavedState(
        states / key, keys.host.public, keys.login, used_ports, prepared, checksums, readied
    )


def _keep_newest(states: Path) -> None:
    """Remove the states beyond the newest; a guest that runs holds what it needs of its own."""
    folders = [folder for folder in states.iterdir() if not folder.name.startswith(".")]
    folders.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in folders[_KEPT:]:
        discard(folder)


def discard(folder: Path) -> None:
    """Remove a state; state.json first, so that a kill leaves none that looks whole."""
    (folder / "state.json").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def wake_order() -> bytes:
    """What a restored guest is told: the time, and random bytes."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return _order(b"wake", nanoseconds, seconds, os.urandom(_SEEDS))


def rest_order() -> bytes:
    """What a guest is told that is going to be saved."""
    return _order(b"rest", 0, 0, b"")


def _order(verb: bytes, nanoseconds: int, seconds: int, seed: bytes) -> bytes:
    # "struct order" of guest-tests/init.c.
    return struct.pack(f"<4sIQ{_SEEDS}s", verb, nanoseconds, seconds, seed)


def _digest(path: Path) -> str:
    # 20 MB in 15 ms; a name or a time would do only as long as nobody makes the file anew.
    try:
        return f"{path.name} {file_digest(path)}"
    except OSError as error:
        raise InfrastructureError(f"a file of the guest cannot be read: {error}") from error


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = ("vendor_id", "cpu family", "model", "stepping", "microcode", "flags")
    return "\n".join(line for line in lines[:40] if line.partition("\t")[0].strip() in names)
