# SPDX-License-Identifier: GPL-2.0-only
"""The SSH key with which the lab logs in to its guests: one for each cache, made once.

RSA, since it is the guest that checks the signature: under TCG dropbear takes 60 ms less
for one of RSA with the exponent 65537 than for an Ed25519 one (100 against 160 ms from
connecting to logged in).  Kept, since making one takes a tenth of a second, and a saved
guest knows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import InfrastructureError
from lab.process.lock import locked
from lab.process.scratch import scratch_folder

if TYPE_CHECKING:
    import paramiko

_BITS = 2048
_PRIVATE, _PUBLIC = "id_rsa", "id_rsa.pub"


@dataclass(frozen=True)
class Identity:
    """A key pair: the file of the private key, and the public one as in authorized_keys."""

    private: Path = field(repr=False)
    public: str

    @classmethod
    def of(cls, folder: Path) -> Identity:
        """The one in a folder, whose parent is there; made when there is none.

        Raises:
            InfrastructureError: It cannot be written.
        """
        try:
            with locked(folder.with_name(f".{folder.name}.lock")):
                if not _whole(folder):
                    _make(folder)
            return cls(folder / _PRIVATE, (folder / _PUBLIC).read_text().strip())
        except OSError as error:
            raise InfrastructureError(
                f"the key for the guests cannot be made: {error}", where=folder
            ) from error

    @property
    def key(self) -> paramiko.RSAKey:
        """The key, for paramiko."""
        return _load(self.private)


@cache
def _load(private: Path) -> paramiko.RSAKey:
    from paramiko import RSAKey

    return RSAKey.from_private_key_file(str(private))


def _whole(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (_PRIVATE, _PUBLIC))


def _make(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    key = generate_private_key(65537, _BITS)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    with scratch_folder(folder) as scratch:
        private = scratch / _PRIVATE
        private.touch(0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption(),
            )
        )
        (scratch / _PUBLIC).write_text(f"{public.decode()} lab\n")
