# SPDX-License-Identifier: GPL-2.0-only
"""What a guest and the lab know each other by; guests of one saved state have the same.

The host key is made before boot, since a guest that makes its own waits for
randomness first (mkj/dropbear#117), and so that the lab knows whom it talks to.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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
        return f"KeyPair({self.public.hex()})"

    @property
    def dropbear_private(self) -> bytes:
        """Dropbear's key file: two SSH strings (RFC 4251), as its ed25519.c writes them."""
        return _string(_TYPE) + _string(self.private + self.public)

    @property
    def ssh_public(self) -> bytes:
        """The public key as SSH sends it (RFC 8709, 4)."""
        return _string(_TYPE) + _string(self.public)


@dataclass(frozen=True)
class GuestKeys:
    """The secret that logs in, and the key the guest shows.

    Attributes:
        login: The only user name the guest lets in, 32 hexadecimal digits, and it asks for
            nothing more: to verify a signature takes a restored guest a tenth of all
            it does until its first answer.  SSH sends it encrypted, after the host key.
    """

    login: str = field(repr=False)
    host: KeyPair

    @classmethod
    def make(cls) -> GuestKeys:
        """Those of a new guest."""
        return cls(secrets.token_hex(16), KeyPair.make())

    @property
    def host_key(self) -> paramiko.Ed25519Key:
        """The public key the guest must show, for paramiko's known hosts."""
        from paramiko import Ed25519Key

        return Ed25519Key(data=self.host.ssh_public)


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
