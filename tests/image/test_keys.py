# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from lab.errors import InfrastructureError
from lab.image import GuestKeys, Identity, KeyPair
from lab.process import run


@pytest.fixture
def keys(tmp_path: Path) -> GuestKeys:
    return GuestKeys(Identity.of(tmp_path / "identity"), KeyPair.make())


def test_dropbear_reads_the_host_key(keys: GuestKeys, tmp_path: Path) -> None:
    file = tmp_path / "host_key"
    file.write_bytes(keys.host.dropbear_private)
    said = run(["dropbearkey", "-y", "-f", file]).stdout
    assert f"ssh-ed25519 {keys.host_key.get_base64()} " in said


def test_paramiko_signs_with_the_key_that_is_authorized(keys: GuestKeys) -> None:
    kind, public = keys.authorized_keys.split()[:2]
    assert (kind, public) == ("ssh-rsa", keys.client.key.get_base64())
    blob = keys.client.key.sign_ssh_data(b"challenge", "rsa-sha2-256")
    blob.rewind()
    assert blob.get_text() == "rsa-sha2-256"
    authorized = load_ssh_public_key(f"{kind} {public}".encode())
    authorized.verify(blob.get_string(), b"challenge", PKCS1v15(), SHA256())  # type: ignore[call-arg, arg-type]


def test_identity_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    one = Identity.of(tmp_path / "identity")
    assert Identity.of(tmp_path / "identity") == one
    assert one.private.stat().st_mode & 0o077 == 0
    assert Identity.of(tmp_path / "other").public != one.public


def test_half_an_identity_is_made_anew(tmp_path: Path) -> None:
    one = Identity.of(tmp_path / "identity")
    one.private.unlink()
    other = Identity.of(tmp_path / "identity")
    assert other.public != one.public
    assert other.private.is_file()


def test_identity_that_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError, match="key for the guests"):
        Identity.of(tmp_path / "file" / "identity")


def test_each_guest_has_a_host_key_of_its_own() -> None:
    assert KeyPair.make().public != KeyPair.make().public


def test_private_keys_are_not_shown(keys: GuestKeys) -> None:
    assert repr(keys.host.private) not in repr(keys)
    assert "PRIVATE" not in repr(keys)
