# SPDX-License-Identifier: GPL-2.0-only
"""The lab in a process of its own, without the wait for its imports.

A process that has imported all of it forks for each command: 0.05 s instead of 0.4.  It has
run nothing of the lab before, so no command finds what another left behind.  What a start of
Python itself is to show takes ``python -m lab``, as ``tests/cli/test_cli.py`` does for each
command's help.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
#: Seconds for one command, where nothing else is said.
_MOST_S = 300
_LENGTH_BYTES = 4
#: What is no part of ``lab``, or does something when it is imported.
_NOT_BEFORE = ("lab.__main__", "lab.pytest_plugin", "lab.process.keeper", "lab.results.migrations.")


class Parent:
    """The process that forks, and the socket on which it is asked."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.started", str(theirs.fileno())],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )

    def ask(
        self,
        arguments: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        *outputs: IO[bytes],
        most_s: float,
    ) -> int:
        """The status of a command that has ended."""
        self.control.settimeout(most_s)
        said = json.dumps([list(arguments), str(cwd), dict(env)]).encode()
        files = [output.fileno() for output in outputs]
        socket.send_fds(self.control, [len(said).to_bytes(_LENGTH_BYTES, "big")], files)
        self.control.sendall(said)
        answer = _exactly(self.control, _LENGTH_BYTES)
        return int.from_bytes(answer, "big", signed=True)

    def end(self) -> None:
        self.control.close()
        self.process.kill()
        self.process.wait()


@functools.cache
def _parent() -> Parent:
    parent = Parent()
    atexit.register(parent.end)
    return parent


def lab(
    folder: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    most_s: float = _MOST_S,
) -> subprocess.CompletedProcess[str]:
    """What ``lab`` does with these arguments in a folder, and what it says.

    Bytes of its errors that are not UTF-8 are replaced.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **(env or {})}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        status = _parent().ask(arguments, folder, environment, out, err, most_s=most_s)
        printed, said = _read(out).decode(), _read(err).decode(errors="replace")
        return subprocess.CompletedProcess(["lab", *arguments], status, printed, said)


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _exactly(control: socket.socket, size: int) -> bytes:
    said = control.recv(size, socket.MSG_WAITALL)
    if len(said) < size:
        raise EOFError
    return said


def _import_all() -> None:
    for module in pkgutil.walk_packages([str(ROOT / "lab")], "lab."):
        if not module.name.startswith(_NOT_BEFORE):
            importlib.import_module(module.name)
    importlib.import_module("lab.cli.main").commands()
    # Else each child would look through all of it as it ends, and copy what it looks at.
    gc.collect()
    gc.freeze()


def _serve(control: socket.socket) -> None:
    """Fork for each request; returns in the child alone, which is to be the lab."""
    while True:
        head, files, _, _ = socket.recv_fds(control, _LENGTH_BYTES, 2)
        if not head:
            sys.exit()
        request = json.loads(_exactly(control, int.from_bytes(head, "big")))
        if not (pid := os.fork()):
            control.close()
            arguments, cwd, environment = request
            return _become(arguments, cwd, environment, files)
        for file in files:
            os.close(file)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        control.sendall(status.to_bytes(_LENGTH_BYTES, "big", signed=True))


def _become(arguments: list[str], cwd: str, environment: dict[str, str], files: list[int]) -> None:
    for number, file in enumerate(files, 1):
        os.dup2(file, number)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.path[0] = cwd
    sys.argv[1:] = arguments


if __name__ == "__main__":
    _import_all()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("lab", run_name="__main__", alter_sys=True)
