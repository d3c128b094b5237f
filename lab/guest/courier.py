# SPDX-License-Identifier: GPL-2.0-only
"""Files into a guest that somebody has open, and out of it, for another process of his.

The guest's process listens on a socket in the guest's folder.  A request is a line of JSON and
what goes in; the answer is one and what comes out.  Folders go as tar archives.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self, TypeVar

from lab.errors import InfrastructureError, LabError, UserError
from lab.guest.guest import Guest
from lab.process.stored import parse_stored

SOCKET = "courier"
#: Of a file or a folder: more would be held in memory.
MOST = 256 << 20
_ARCHIVE = "/tmp/.lab-courier.tar"  # noqa: S108  # the guest's
_LONGEST_LINE = 1 << 16
_PIECE = 1 << 20
#: Of one who connects, and then neither says nor takes anything: the next ones wait.
_PATIENCE_S = 60.0
#: Of one who asks who is there: a guest that is busy with another copy is open all the same.
_WHO_S = 5.0
_Head = TypeVar("_Head", "Request", "Answer")


@dataclass(frozen=True)
class Request:
    """What is to be done: ``put``, ``get``, or ``who``, which asks for the variant alone.

    Attributes:
        path: In the guest.
        name: What a file or folder is called where it comes from.
        mode: Of a file that is put.
        folder: Whether what is put is one.
        size: Of what goes in, in bytes: less that comes was cut off.
    """

    verb: str
    path: str = ""
    name: str = ""
    mode: int = 0o644
    folder: bool = False
    size: int = 0


@dataclass(frozen=True)
class Answer:
    """How that went: ``error`` is "" where it went well; ``folder``: a folder of ``size`` comes."""

    error: str = ""
    folder: bool = False
    variant: str = ""
    size: int = 0


class Courier:
    """Carries files for whoever asks at the socket, in a ``with`` block."""

    def __init__(self, guest: Guest, variant: str) -> None:
        self._guest = guest
        self._variant = variant
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        with _short(self._guest.spec.folder) as name:
            self._listener.bind(name)
            # Before anybody can connect: it is for this user alone.
            Path(name).chmod(0o600)
        self._listener.listen()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A close alone wakes nobody who accepts.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        (self._guest.spec.folder / SOCKET).unlink(missing_ok=True)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                # One after the other; whoever goes away costs nobody else.
                with closing(connection), suppress(OSError, ValueError):
                    connection.settimeout(_PATIENCE_S)
                    self._serve_one(connection)

    def _serve_one(self, connection: socket.socket) -> None:
        request, content = _received(connection, Request)
        try:
            answer, out = self._done(request, content)
        except (LabError, OSError) as error:
            what = error.what if isinstance(error, LabError) else error.strerror or str(error)
            answer, out = Answer(error=what), b""
        if len(out) > MOST:
            answer, out = Answer(error=f"has more than {MOST >> 20} MiB"), b""
        _send(connection, answer, out)

    def _done(self, request: Request, content: bytes) -> tuple[Answer, bytes]:
        match request.verb:
            case "put":
                self._put(request, content)
            case "get":
                return self._got(request.path)
        return Answer(variant=self._variant), b""

    def _put(self, request: Request, content: bytes) -> None:
        into, guest = request.path or ".", self._guest
        if guest.run(f"[ -d {shlex.quote(into)} ]").status == 0:
            into = str(PurePosixPath(into) / request.name)
        if request.folder:
            guest.put(content, _ARCHIVE)
            to = shlex.quote(into)
            self._ask(f"mkdir -p {to} && tar -xf {_ARCHIVE} -C {to}; s=$?; rm {_ARCHIVE}; exit $s")
        else:
            guest.put(content, into)
            self._ask(f"chmod {request.mode:o} {shlex.quote(into)}")

    def _got(self, path: str) -> tuple[Answer, bytes]:
        if self._guest.run(f"[ -d {shlex.quote(path)} ]").status != 0:
            return Answer(), self._guest.fetch(path)
        self._ask(f"tar -cf {_ARCHIVE} -C {shlex.quote(path)} .")
        try:
            return Answer(folder=True), self._guest.fetch(_ARCHIVE)
        finally:
            self._guest.run(f"rm {_ARCHIVE}")

    def _ask(self, command: str) -> None:
        done = self._guest.run(command)
        if done.status != 0:
            raise InfrastructureError(done.stderr.strip() or f"`{command}` failed in the guest")


def put(folder: Path, source: Path, path: str) -> None:
    """Copy a file or a folder of the host's into the guest whose folder this is.

    Raises:
        UserError: It cannot be read, or has more than 256 MiB, or the guest does not take it,
            or its lab went away.
    """
    try:
        is_folder = source.is_dir()
        if is_folder and sum(sizes(source)) > MOST:
            raise _too_large(source)
        content = _packed(source) if is_folder else _bytes_of(source)
        mode = source.stat().st_mode & 0o777
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=source) from error
    if len(content) > MOST:
        raise _too_large(source)
    request = Request("put", path, source.resolve().name, mode, is_folder)
    _asked(folder, request, content)


def get(folder: Path, path: str, target: Path) -> Path:
    """Copy a file or a folder of the guest to the host; gives where it is now.

    Raises:
        UserError: The guest has none there, or it cannot be written here, or the guest's lab
            went away.
    """
    answer, content = _asked(folder, Request("get", path))
    name = PurePosixPath(path).name
    if target.is_dir() and name not in ("", ".."):
        target /= name
    try:
        if answer.folder:
            unpack(content, target)
        else:
            target.write_bytes(content)
    except (OSError, tarfile.TarError) as error:
        raise UserError(f"cannot be written: {error}", where=target) from error
    return target


def who(folder: Path) -> str | None:
    """The variant of the guest whose folder this is; None if nobody has it open.

    Returns:
        "" where somebody has, and is busy with another copy.
    """
    try:
        return _exchanged(folder, Request("who"), b"", _WHO_S)[0].variant
    except TimeoutError:
        return ""
    except (OSError, ValueError):
        return None


def _too_large(source: Path) -> UserError:
    return UserError(f"has more than {MOST >> 20} MiB", where=source, hint="lab boot --share")


def sizes(folder: Path) -> Iterator[int]:
    """Bytes of each file below a folder, of no link's target."""
    for root, _, files in os.walk(folder):
        yield from ((Path(root) / name).lstat().st_size for name in files)


def _packed(folder: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(folder, ".")
    return stream.getvalue()


def _bytes_of(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(MOST + 1)


def unpack(content: bytes, target: Path, *, links: bool = True) -> None:
    """Write the files of a tar that a guest made below a folder, which is made.

    Args:
        links: Symbolic ones too, which must not lead out of it; else they are left out, and so is
            what is no file.

    Raises:
        OSError, tarfile.TarError: They cannot be, or one would be elsewhere.
    """
    target.mkdir(exist_ok=True)
    # Of a compressed one nobody knows how large it is.
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        # What a guest packed may name any file of the host's.
        archive.extractall(target, filter="data" if links else _files)  # noqa: S202


def _files(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
    """A pipe or a device among them is no reason to lose the others."""
    return None if member.issym() or member.isdev() else tarfile.data_filter(member, path)


def _asked(folder: Path, request: Request, content: bytes = b"") -> tuple[Answer, bytes]:
    try:
        answer, out = _exchanged(folder, request, content, None)
    except (OSError, ValueError) as error:
        what = "the lab that has this guest open went away, or does not answer"
        raise UserError(
            what, where=folder, hint="lab boot, once more", detail=str(error)
        ) from error
    if answer.error:
        raise UserError(answer.error, where=f"guest:{request.path}")
    return answer, out


def _exchanged(
    folder: Path, request: Request, content: bytes, wait_s: float | None
) -> tuple[Answer, bytes]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
        connection.settimeout(wait_s)
        with _short(folder) as name:
            connection.connect(name)
        _send(connection, request, content)
        return _received(connection, Answer)


def _send(connection: socket.socket, head: Request | Answer, content: bytes) -> None:
    connection.sendall(json.dumps(asdict(replace(head, size=len(content)))).encode() + b"\n")
    connection.sendall(content)
    connection.shutdown(socket.SHUT_WR)


def _received(connection: socket.socket, kind: type[_Head]) -> tuple[_Head, bytes]:
    with connection.makefile("rb") as stream:
        line = stream.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise ValueError("its first line has no end")
        head = parse_stored(line, kind)
        pieces = bytearray()
        while len(pieces) <= MOST and (piece := stream.read(_PIECE)):
            pieces += piece
    if len(pieces) != head.size:
        raise ValueError(f"{len(pieces)} bytes came of {head.size}")
    return head, bytes(pieces)


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A name of the socket that unix(7) takes: its own may have more than 107 bytes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)
