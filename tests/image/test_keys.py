# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from lab.image import GuestKeys
from lab.process import run


@pytest.fixture
def keys() -> GuestKeys:
    return GuestKeys.make()


def test_dropbear_reads_the_host_key(keys: GuestKeys, tmp_path: Path) -> None:
    file = tmp_path / "host_key"
    file.write_bytes(keys.host.dropbear_private)
    said = run(["dropbearkey", "-y", "-f", file]).stdout
    assert f"ssh-ed25519 {keys.host_key.get_base64()} " in said


def test_each_guest_has_a_name_and_a_key_of_its_own(keys: GuestKeys) -> None:
    other = GuestKeys.make()
    assert other.login != keys.login
    assert other.host.public != keys.host.public


def test_secrets_are_not_shown(keys: GuestKeys) -> None:
    assert repr(keys.host.private) not in repr(keys)
    assert keys.login not in repr(keys)
