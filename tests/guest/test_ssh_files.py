# SPDX-License-Identifier: GPL-2.0-only
"""Files over SFTP, where the other end does not do what it should."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from lab.errors import InfrastructureError
from lab.guest.command import CommandTimeout, GuestLost
from lab.guest.qemu.port import Port
from lab.guest.ssh import Ssh
from lab.image import GuestKeys


class _Server(paramiko.ServerInterface):
    """Lets everybody in."""

    def check_auth_none(self, username: str) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED


class _Files(paramiko.SFTPServerInterface):
    """A folder of this machine's, once something has happened at each open()."""

    def __init__(self, server: _Server, folder: Path, happens: Callable[[], object]) -> None:
        super().__init__(server)
        self._folder = folder
        self._happens = happens

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat((self._folder / path.lstrip("/")).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    lstat = stat

    def open(self, path: str, flags: int, attr: object) -> paramiko.SFTPHandle | int:
        self._happens()
        handle: Any = paramiko.SFTPHandle(flags)
        try:
            stream = (self._folder / path.lstrip("/")).open("wb" if flags & os.O_WRONLY else "rb")
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        handle.readfile = handle.writefile = stream
        return handle  # type: ignore[no-any-return]


@contextmanager
def served(folder: Path, happens: Callable[[paramiko.Transport], object]) -> Iterator[Ssh]:
    """A connection to such an end."""
    keys = GuestKeys.make()
    private = Ed25519PrivateKey.from_private_bytes(keys.host.private)
    (folder / "key").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
    )
    with ExitStack() as stack:
        ours, theirs, news, unsaid = (*socket.socketpair(), *socket.socketpair())
        for end in (theirs, unsaid):
            stack.enter_context(end)
        transport = paramiko.Transport(theirs)
        stack.callback(transport.close)
        transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(folder / "key")))
        transport.set_subsystem_handler(
            "sftp", paramiko.SFTPServer, _Files, folder, lambda: happens(transport)
        )
        transport.start_server(threading.Event(), _Server())
        ssh = Ssh(lambda: Port(ours, news, lambda: False), keys, 20.0)
        stack.callback(ssh.close)
        yield ssh.open(lambda: True)


def _put(ssh: Ssh, deadline_s: float) -> None:
    ssh.put(b"", "/file", deadline_s)


def _fetch(ssh: Ssh, deadline_s: float) -> None:
    ssh.fetch("/file", deadline_s)


MOVES = (_put, _fetch)


def test_a_file_that_is_written(tmp_path: Path) -> None:
    with served(tmp_path, lambda _: None) as ssh:
        ssh.put(b"\0data", "/file", 20.0)
        assert ssh.fetch("/file", 20.0) == b"\0data"
    assert (tmp_path / "file").read_bytes() == b"\0data"


def test_a_file_that_it_does_not_take(tmp_path: Path) -> None:
    with served(tmp_path, lambda _: None) as ssh:
        with pytest.raises(InfrastructureError, match=r"/no/file cannot be written: No such file"):
            ssh.put(b"", "/no/file", 20.0)
        # It is of use still.
        ssh.put(b"", "/file", 20.0)


def test_an_end_that_is_lost_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for move in MOVES:
        with (
            served(tmp_path, lambda transport: transport.close()) as ssh,
            pytest.raises(GuestLost, match="the connection ended while /file was"),
        ):
            move(ssh, 20.0)


def test_goodbye_to_an_end_that_is_gone(tmp_path: Path) -> None:
    with served(tmp_path, lambda _: None) as ssh:
        ssh.put(b"", "/file", 20.0)
        # What we say fails, before the end of what we hear was noticed.
        ssh._connection.transport.sock.shutdown(socket.SHUT_WR)
        ssh.close()
        assert not ssh._connection.is_connected


def test_an_end_that_hangs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    goes_on = threading.Event()
    for move in MOVES:
        with (
            served(tmp_path, lambda _: goes_on.wait(60)) as ssh,
            pytest.raises(CommandTimeout, match=r"/file was not \w+ in 0.2 s"),
        ):
            move(ssh, 0.2)
    goes_on.set()
