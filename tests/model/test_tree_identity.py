# SPDX-License-Identifier: GPL-2.0-only
"""A tree's identity, and its parts."""

from __future__ import annotations

import pytest

from lab.model.tree_identity import TreeIdentity

COMMIT = "0123456789" * 4


@pytest.mark.parametrize(
    ("text", "kind", "digest", "short"),
    [
        (f"git:{COMMIT}", "git", COMMIT, "git:012345678901"),
        ("dir:" + "ab" * 32, "dir", "ab" * 32, "dir:abababababab"),
        ("apt:linux-source-6.1=6.1.192-3", "apt", "linux-source-6.1=6.1.192-3",
         "apt:linux-source-6.1=6.1.192-3"),
    ],
)  # fmt: skip
def test_parts(text: str, kind: str, digest: str, short: str) -> None:
    identity = TreeIdentity(text)
    assert (identity.kind, identity.digest, identity.short) == (kind, digest, short)
    assert TreeIdentity.of(kind, digest) == text
    assert identity.short == f"{kind}:{identity.short_digest}"


@pytest.mark.parametrize(
    ("package", "version", "member"),
    [
        ("linux-source-6.1", "6.1.192-3", ""),
        ("linux-source-6.1", "6.1.192-3", "linux-source-6.1.tar.xz"),
        ("linux-source:amd64", "1:6.1.192-3", ""),
        ("linux-source:amd64", "1:6.1.192-3", "usr/src/a:b.tar.xz"),
    ],
)
def test_a_package_its_version_and_a_tarball_in_it(package: str, version: str, member: str) -> None:
    identity = TreeIdentity.of("apt", f"{package}={version}", member)
    assert identity.package == (package, version)
    assert identity.endswith(member)


def test_what_is_no_package() -> None:
    assert TreeIdentity(f"git:{COMMIT}").package == (COMMIT, "")
