# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lab.image import GuestKeys
from lab.process import run


def test_dropbear_reads_the_host_key(tmp_path: Path) -> None:
    keys = GuestKeys.make()
    file = tmp_path / "host_key"
    file.write_bytes(keys.host.dropbear_private)
    said = run(["dropbearkey", "-y", "-f", file]).stdout
    assert f"ssh-ed25519 {keys.host_key.get_base64()} " in said
    assert keys.host.openssh_public in said


def test_paramiko_signs_with_the_key_that_is_authorized() -> None:
    keys = GuestKeys.make()
    kind, public = keys.authorized_keys.split()[:2]
    assert (kind, public) == ("ssh-ed25519", keys.client_key.get_base64())
    signature = keys.client_key.sign_ssh_data(b"challenge").asbytes()[-64:]
    Ed25519PublicKey.from_public_bytes(keys.client.public).verify(signature, b"challenge")


def test_each_guest_has_keys_of_its_own() -> None:
    one, other = GuestKeys.make(), GuestKeys.make()
    assert len({pair.public for pair in (one.client, one.host, other.client, other.host)}) == 4


def test_private_keys_are_not_shown() -> None:
    keys = GuestKeys.make()
    assert repr(keys.client.private) not in repr(keys)
    assert keys.client.openssh_public in repr(keys)
