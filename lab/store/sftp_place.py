# SPDX-License-Identifier: GPL-2.0-only
"""``sftp://USER@HOST:PORT/FOLDER``: what ssh reaches, with its keys, agent and known hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lab.store.fsspec_place import FsspecPlace
from lab.store.place import PlaceError


class SftpPlace(FsspecPlace):
    """A folder of a host that ssh knows."""

    #: A MiB over a line of 30 KB/s takes longer than a store may be silent.
    _piece = 64 << 10

    def _filesystem(self) -> Any:
        import paramiko
        from fsspec.implementations.sftp import SFTPFileSystem

        class Known(SFTPFileSystem):  # type: ignore[misc]
            """Only to a host whose key is known: whoever answers brings kernels."""

            def _connect(self) -> None:
                self.client = paramiko.SSHClient()
                self.client.load_system_host_keys()
                self.client.set_missing_host_key_policy(paramiko.RejectPolicy())
                self.client.connect(self.host, **self.ssh_kwargs)
                self.ftp = self.client.open_sftp()
                channel = self.ftp.get_channel()
                assert channel is not None
                channel.settimeout(stall_s)
                # It takes whatever answer comes next for one of its own (paramiko 5.1.0,
                # SFTPClient.listdir_iter): one to a download that ended early was a file
                # without a name.
                listed = self.ftp.listdir_attr
                self.ftp.listdir_iter = listed  # type: ignore[method-assign, assignment]

        stall_s, address = self._stall_s, self._address()
        try:
            return Known(skip_instance_cache=True, **address)
        except (paramiko.SSHException, OSError, EOFError) as error:
            host = f"{address['host']}:{address['port']}"
            hint = f"sftp {self._url}, which has to get in without a question"
            # paramiko's own has an errno of None.
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise PlaceError(f"{host}: {said}", hint) from None

    def _address(self) -> dict[str, Any]:
        import paramiko

        parts = urlsplit(self._url.with_secrets)
        said: dict[str, Any] = {}
        config = Path("~/.ssh/config").expanduser()
        if config.is_file():
            said = dict(paramiko.SSHConfig.from_path(str(config)).lookup(parts.hostname or ""))
        timeouts = ("timeout", "banner_timeout", "auth_timeout", "channel_timeout")
        found = {
            "host": said.get("hostname", parts.hostname),
            "port": parts.port or int(said.get("port", 22)),
            "username": unquote(parts.username) if parts.username else said.get("user"),
            "key_filename": said.get("identityfile"),
            **dict.fromkeys(timeouts, self._stall_s),
        }
        return {key: value for key, value in found.items() if value is not None}

    @property
    def _root(self) -> str:
        return unquote(urlsplit(self._url.with_secrets).path).rstrip("/")

    def _reading(self, name: str) -> Any:
        stream = super()._reading(name)
        # Without it each 32 KiB wait for the way there and back.
        stream.prefetch(stream.stat().st_size, max_concurrent_requests=64)
        return stream

    def _writing(self, path: str) -> Any:
        stream = super()._writing(path)
        stream.set_pipelined(True)
        return stream

    def _replace(self, beside: str, path: str) -> None:
        self._fs.ftp.posix_rename(beside, path)

    def _give_name(self, beside: str, path: str) -> bool:
        # It fails where the name is taken (draft-ietf-secsh-filexfer-02, 6.5), with a failure
        # that says no more than that.
        try:
            self._fs.ftp.rename(beside, path)
        except OSError:
            if self._fs.exists(path):
                return False
            raise
        return True
