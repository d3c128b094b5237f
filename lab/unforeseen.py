# SPDX-License-Identifier: GPL-2.0-only
"""What nobody foresaw: an error of the lab's own, with a file that tells of it.

A traceback says nothing to whoever runs the lab, and Python's status for one, 1, would
say that a result is not as expected.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import lab
from lab.errors import InfrastructureError, LabError
from lab.process.xdg import state_home

#: Of files that tell of such errors; the oldest go first.
_KEPT = 20
_LONGEST = 300
#: What the machine refuses, whoever asks: errno(3).
_REFUSED = {
    errno.ENOSPC: "free some space: lab gc, or another paths.cache and paths.results",
    errno.EDQUOT: "free some space: lab gc, or another paths.cache and paths.results",
    errno.EMFILE: "a higher limit of open files: ulimit -n",
    errno.ENFILE: "fewer open files on this machine: sysctl fs.file-max",
    errno.ENOMEM: "more memory, or a higher limit of it: ulimit -v",
    errno.EAGAIN: "a higher limit of processes: ulimit -u",
    errno.EFBIG: "a higher limit of file sizes: ulimit -f",
    errno.EROFS: "another paths.cache or paths.results in lab.local.toml",
    errno.EACCES: "check who owns the file and its folder",
    errno.EPERM: "check who owns the file and its folder",
    errno.EIO: "look at the machine's own log: dmesg",
    errno.ENOLCK: "a local disk for paths.cache and paths.results",
    errno.ESTALE: "mount that filesystem again",
}
#: How the loader says that memory ran out while a module was imported (dlopen(3)).
_NO_MEMORY = ("cannot allocate memory", "failed to map segment", "can't start new thread")


def as_lab_error(error: Exception) -> LabError:
    """Any exception as the lab's own: what it is, where from, what to do next; never raises.

    One that nobody foresaw has its traceback kept in a file, which is named.
    """
    if isinstance(error, LabError):
        return error
    return _of_the_machine(error) or _unforeseen(error)


def state_folder() -> Path:
    """Where the lab keeps what belongs to no project: ``$XDG_STATE_HOME/lab``."""
    return state_home() / "lab"


def _of_the_machine(error: Exception) -> LabError | None:
    """What a machine refuses is no mistake of the lab's, and its traceback says nothing."""
    if isinstance(error, MemoryError) or any(said in _said(error).lower() for said in _NO_MEMORY):
        return InfrastructureError("memory ran out", hint=_REFUSED[errno.ENOMEM])
    if isinstance(error, OSError) and error.errno in _REFUSED:
        said = os.strerror(error.errno)
        name = error.filename
        where = os.fsdecode(name) if isinstance(name, str | bytes) else None
        return InfrastructureError(
            f"the machine says: {said}", where=where, hint=_REFUSED[error.errno]
        )
    return None


def _unforeseen(error: Exception) -> LabError:
    what = f"the lab itself failed: {_said(error)}"
    where = _place(error)
    try:
        path = _write(error)
    except Exception as trouble:
        detail = "".join(traceback.format_exception(error)[-3:])
        return InfrastructureError(
            f"{what} (not kept: {_said(trouble)})", where=where, detail=detail, hint=_send("this")
        )
    return InfrastructureError(what, where=where, hint=_send(str(path)))


def _send(what: str) -> str:
    return f"send {what} to whoever keeps the lab: it holds the traceback, versions and the command"


def _said(error: Exception) -> str:
    with suppress(Exception):
        return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST].rstrip(": ")
    return type(error).__name__


def _place(error: Exception) -> str | None:
    """The line of the lab's that it came from, or through."""
    own = str(Path(lab.__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if frame.filename.startswith(own + os.sep)]
    if not mine:
        return None
    return f"lab{mine[-1].filename.removeprefix(own)}:{mine[-1].lineno}"


def _write(error: Exception) -> Path:
    """Keep the traceback: with what is temporary where the state folder cannot be written."""
    lost: OSError | None = None
    for folder in (state_folder(), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _keep_newest(folder)
            name = f"failed-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.urandom(2).hex()}.txt"
            path = folder / name
            # What it says of paths and commands is its owner's alone.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:  # noqa: PTH123
                stream.writelines(_lines(error))
        except OSError as trouble:
            lost = trouble
        else:
            return path
    raise lost or OSError("no folder")


def _lines(error: Exception) -> Iterator[str]:
    yield f"lab {lab.__version__}, Python {platform.python_version()}, {platform.platform()}\n"
    yield f"command: {' '.join(sys.argv)}\n\n"
    yield from traceback.format_exception(error)


def _keep_newest(folder: Path) -> None:
    for old in sorted(folder.glob("failed-*-*-????.txt"))[: 1 - _KEPT]:
        with suppress(OSError):
            old.unlink()
