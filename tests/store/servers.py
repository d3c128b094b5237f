# SPDX-License-Identifier: GPL-2.0-only
"""Servers that a store lies on: OpenSSH's sftp-server behind paramiko, moto's S3, HTTPS."""

from __future__ import annotations

import datetime
import functools
import http.server
import ipaddress
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED

SFTP_SERVER = Path("/usr/lib/openssh/sftp-server")


class _Doors(paramiko.ServerInterface):
    """Lets one key in, to one subsystem."""

    def __init__(self, key: paramiko.PKey, options: list[str]) -> None:
        self._key = key
        self._options = options

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL if key == self._key else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        threading.Thread(target=_serve, args=(channel, self._options), daemon=True).start()
        return name == "sftp"


def _serve(channel: paramiko.Channel, options: list[str]) -> None:
    """OpenSSH's own server on a channel: what it renames, and what not, is as everywhere."""
    with subprocess.Popen(
        [SFTP_SERVER, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def inwards() -> None:
            with suppress(OSError):
                while data := channel.recv(1 << 16):
                    view = memoryview(data)
                    while view:
                        view = view[server.stdin.write(view) :]  # type: ignore[union-attr]
            with suppress(OSError):
                server.stdin.close()  # type: ignore[union-attr]

        threading.Thread(target=inwards, daemon=True).start()
        with suppress(OSError):
            while data := os.read(server.stdout.fileno(), 1 << 16):
                channel.sendall(data)
        channel.close()


def _key(path: Path) -> paramiko.PKey:
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
    )
    path.chmod(0o600)
    return paramiko.ECDSAKey.from_private_key_file(str(path))


@contextmanager
def sftp_server(home: Path, *options: str) -> Iterator[int]:
    """Its port; ``home`` becomes a home whose keys get in and which knows the host."""
    ssh = home / ".ssh"
    ssh.mkdir(parents=True)
    user, host = _key(ssh / "id_ecdsa"), _key(home / "host")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        known = f"[127.0.0.1]:{port} {host.get_name()} {host.get_base64()}\n"
        (ssh / "known_hosts").write_text(known)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    transport = paramiko.Transport(connection)
                    transport.add_server_key(host)
                    transports.append(transport)
                    with suppress(paramiko.SSHException, EOFError, OSError):
                        transport.start_server(server=_Doors(user, list(options)))

        transports: list[paramiko.Transport] = []
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield port
        finally:
            for transport in transports:
                transport.close()


@contextmanager
def https_server(folder: Path, certificate: Path) -> Iterator[int]:
    """Its port; it serves a folder, and shows a certificate that it writes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lab")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    both = certificate.with_suffix(".both")
    both.write_bytes(
        certificate.read_bytes()
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""
