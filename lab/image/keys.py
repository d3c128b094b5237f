# SPDX-License-Identifier: GPL-2.0-only
"""SSH keys that one guest has and no other: the client's and the guest's own.

The host key is made before boot, since a guest that makes its own waits for
randomness first (mkj/dropbear#117), and so that the lab knows whom it talks to.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

if TYPE_CHECKING:
    import paramiko

_TYPE = b"ssh-ed25519"


@dataclass(frozen=True)
class KeyPair:
    """An Ed25519 key: 32 private and 32 public bytes (RFC 8032)."""

    private: bytes
    public: bytes

    @classmethod
    def make(cls) -> KeyPair:
        """A new one."""
        key = Ed25519PrivateKey.generate()
        return cls(key.private_bytes_raw(), key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"KeyPair({self.openssh_public!r})"

    @property
    def openssh_public(self) -> str:
        """``ssh-ed25519 BASE64``, as in authorized_keys and known_hosts."""
        public = self._key.public_key()
        return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    @property
    def openssh_private(self) -> str:
        """The text of an unencrypted OpenSSH private key file."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()

    @property
    def dropbear_private(self) -> bytes:
        """Dropbear's key file: two SSH strings (RFC 4251), as its ed25519.c writes them."""
        return _string(_TYPE) + _string(self.private + self.public)

    @property
    def ssh_public(self) -> bytes:
        """The public key as SSH sends it (RFC 8709, 4)."""
        return _string(_TYPE) + _string(self.public)

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.private)


@dataclass(frozen=True)
class GuestKeys:
    """The key that logs in, and the key the guest shows."""

    client: KeyPair
    host: KeyPair

    @classmethod
    def make(cls) -> GuestKeys:
        """Two new keys."""
        return cls(KeyPair.make(), KeyPair.make())

    @property
    def client_key(self) -> paramiko.Ed25519Key:
        """The key to log in with, for paramiko."""
        from paramiko import Ed25519Key

        return Ed25519Key(file_obj=io.StringIO(self.client.openssh_private))

    @property
    def host_key(self) -> paramiko.Ed25519Key:
        """The public key the guest must show, for paramiko's known hosts."""
        from paramiko import Ed25519Key

        return Ed25519Key(data=self.host.ssh_public)

    @property
    def authorized_keys(self) -> str:
        """The guest's authorized_keys file: one line."""
        return f"{self.client.openssh_public} lab\n"


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
