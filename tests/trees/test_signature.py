# SPDX-License-Identifier: GPL-2.0-only
"""A tarball's signature, made by a real gpg, decides when a keyring is there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lab.config.model import TarballKernel
from lab.errors import InfrastructureError, UserError
from lab.model.url import Url
from lab.process import run
from lab.trees.signature import signature_of
from tests.trees.conftest import Cache, write_source
from tests.trees.gpg import EXPIRED, LONG_AGO, OTHER, SIGNER, Gpg, making_keys
from tests.trees.server import Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gpg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gpg]:
    with making_keys(tmp_path_factory.mktemp("g")) as gpg:
        yield gpg


@pytest.fixture(scope="module")
def tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``linux.tar``, and beside it ``linux.tar.xz``, ``other.tar`` and ``other.tar.xz``."""
    folder = tmp_path_factory.mktemp("tar")
    write_source(folder / "linux-6.1")
    run(["tar", "-cf", folder / "linux.tar", "-C", folder, "linux-6.1"])
    (folder / "linux-6.1/mm/gup.c").write_text("int backdoor;\n")
    run(["tar", "-cf", folder / "other.tar", "-C", folder, "linux-6.1"])
    run(["xz", "-k", folder / "linux.tar", folder / "other.tar"])
    return folder / "linux.tar"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home without any keyring."""
    monkeypatch.delenv("GNUPGHOME", raising=False)
    monkeypatch.setattr("lab.trees.download._PAUSES_S", (0.0, 0.0))
    # A short path: the agent's socket is in it, and may have 107 bytes (unix(7)).
    with TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("HOME", folder)
        (Path(folder) / ".gnupg").mkdir(mode=0o700)
        yield Path(folder)


@pytest.fixture
def keyring(gpg: Gpg, cache: Cache, tmp_path: Path) -> Path:
    """The config's, with the signer's key."""
    cache.keyring = gpg.export(SIGNER, tmp_path / "kernel.gpg")
    return cache.keyring


def kernel(server: Server, archive: Path, signature: bytes | None) -> TarballKernel:
    """A kernel served as ``linux.tar.xz``, its signature beside it as ``linux.tar.sign``."""
    server.files["/linux.tar.xz"] = archive.read_bytes()
    if signature is not None:
        server.files["/linux.tar.sign"] = signature
    return TarballKernel(
        kind="tarball",
        url=Url(f"{server.url}/linux.tar.xz"),
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        signature=Url(f"{server.url}/linux.tar.sign"),
    )


def trees(cache: Cache) -> list[Path]:
    return list((cache.folder / "trees").glob("[0-9a-f]*-6.1"))


def packed(tar: Path, name: str = "linux") -> Path:
    return tar.with_name(f"{name}.tar.xz")


@pytest.mark.usefixtures("keyring")
def test_a_good_signature_is_recorded(server: Server, gpg: Gpg, tar: Path, cache: Cache) -> None:
    wanted = kernel(server, packed(tar), gpg.sign(tar))
    tree = cache.fetch(wanted)
    assert tree.signature == f"signed by {SIGNER} ({gpg.fingerprint(SIGNER)})"
    record = json.loads((tree.path.parent / "tree.json").read_text())
    assert record["provenance"]["signature"] == tree.signature
    # Who vouches for a tree makes no other tree of it.
    assert tree.identity == f"tarball:{wanted.sha256}"


@pytest.mark.usefixtures("keyring")
def test_a_known_tree_needs_no_server(server: Server, gpg: Gpg, tar: Path, cache: Cache) -> None:
    wanted = kernel(server, packed(tar), gpg.sign(tar))
    tree = cache.fetch(wanted)
    asked = len(server.asked)
    again = cache.fetch(wanted)
    assert (again, again.signature) == (tree, tree.signature)
    assert cache.fetch(wanted, refresh=True).signature == tree.signature
    assert len(server.asked) == asked


@pytest.mark.usefixtures("keyring")
def test_another_tar_is_refused_and_not_kept(
    server: Server, gpg: Gpg, tar: Path, cache: Cache
) -> None:
    # Its digest is the one in lab.toml: whoever wrote that was deceived too.
    wanted = kernel(server, packed(tar, "other"), gpg.sign(tar))
    with pytest.raises(UserError) as caught:
        cache.fetch(wanted)
    assert f"is bad: this is not the tar that {SIGNER} signed" in str(caught.value)
    assert cache.left_behind() == []
    assert trees(cache) == []


@pytest.mark.usefixtures("keyring")
def test_the_signature_is_over_the_uncompressed_tar(
    server: Server, gpg: Gpg, tar: Path, cache: Cache
) -> None:
    with pytest.raises(UserError, match="is bad"):
        cache.fetch(kernel(server, packed(tar), gpg.sign(packed(tar))))


@pytest.mark.usefixtures("keyring")
def test_a_signer_who_is_not_in_the_keyring(
    server: Server, gpg: Gpg, tar: Path, cache: Cache, keyring: Path
) -> None:
    wanted = kernel(server, packed(tar), gpg.sign(tar, OTHER))
    key = gpg.fingerprint(OTHER)[-16:]
    with pytest.raises(UserError, match=f"the key {key}.* is not in the keyring {keyring}"):
        cache.fetch(wanted)
    assert trees(cache) == []
    # What the hint says; the archive is here still.
    asked = len(server.asked)
    keyring.write_bytes(
        keyring.read_bytes() + gpg.export(OTHER, keyring.with_name("x")).read_bytes()
    )
    assert cache.fetch(wanted).signature.startswith(f"signed by {OTHER}")
    assert len(server.asked) == asked + 1


def test_a_key_that_has_expired(
    server: Server, gpg: Gpg, tar: Path, cache: Cache, tmp_path: Path
) -> None:
    cache.keyring = gpg.export(EXPIRED, tmp_path / "kernel.gpg")
    wanted = kernel(server, packed(tar), gpg.sign(tar, EXPIRED, *LONG_AGO))
    with pytest.raises(UserError, match=f"is by a key that has expired: {EXPIRED}"):
        cache.fetch(wanted)
    assert trees(cache) == []


@pytest.mark.parametrize("content", [b"<html>", b""])
@pytest.mark.usefixtures("keyring")
def test_what_is_no_signature(server: Server, tar: Path, cache: Cache, content: bytes) -> None:
    with pytest.raises(UserError, match="is no signature of"):
        cache.fetch(kernel(server, packed(tar), content))


@pytest.mark.usefixtures("keyring")
def test_no_signature_there(server: Server, tar: Path, cache: Cache) -> None:
    with pytest.raises(UserError, match=r"linux\.tar\.sign: the server answered 404") as caught:
        cache.fetch(kernel(server, packed(tar), None))
    assert 'kernels."6.1".signature' in str(caught.value)
    assert trees(cache) == []


@pytest.mark.usefixtures("keyring")
def test_more_than_a_signature(server: Server, tar: Path, cache: Cache) -> None:
    with pytest.raises(UserError, match="has more than 65536 bytes"):
        cache.fetch(kernel(server, packed(tar), bytes(70_000)))


@pytest.mark.usefixtures("keyring")
def test_a_signature_in_a_file(gpg: Gpg, tar: Path, cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "linux.tar").write_bytes(tar.read_bytes())
    (tmp_path / "linux.tar.sign").write_bytes(gpg.sign(tar))
    wanted = TarballKernel(
        kind="tarball",
        url=Url("linux.tar"),
        sha256=hashlib.sha256(tar.read_bytes()).hexdigest(),
        signature=Url("linux.tar.sign"),
    )
    assert cache.fetch(wanted).signature.startswith("signed by")


def test_without_a_keyring_it_says_so(server: Server, gpg: Gpg, tar: Path, cache: Cache) -> None:
    tree = cache.fetch(kernel(server, packed(tar), gpg.sign(tar)))
    assert tree.signature == "not checked: no keyring"


@pytest.mark.usefixtures("keyring")
def test_without_a_signature_it_says_so(server: Server, tar: Path, cache: Cache) -> None:
    wanted = kernel(server, packed(tar), None).model_copy(update={"signature": None})
    assert cache.fetch(wanted).signature == "not checked: no signature is known for this tarball"


def test_a_keyring_that_comes_later(
    server: Server, gpg: Gpg, tar: Path, cache: Cache, home: Path
) -> None:
    wanted = kernel(server, packed(tar), gpg.sign(tar))
    tree = cache.fetch(wanted)
    (home / ".local/share/lab").mkdir(parents=True)
    gpg.export(SIGNER, home / ".local/share/lab/kernel.gpg")
    made = tree.path.stat().st_ino
    assert cache.fetch(wanted).signature == "not checked: no keyring"
    checked = cache.fetch(wanted, refresh=True)
    assert checked.signature.startswith(f"signed by {SIGNER}")
    assert cache.fetch(wanted).signature == checked.signature
    assert checked.path.stat().st_ino == made


def test_a_keyring_that_comes_later_and_refuses(
    server: Server, gpg: Gpg, tar: Path, cache: Cache, tmp_path: Path
) -> None:
    wanted = kernel(server, packed(tar, "other"), gpg.sign(tar))
    tree = cache.fetch(wanted)
    cache.keyring = gpg.export(SIGNER, tmp_path / "kernel.gpg")
    with pytest.raises(UserError, match="is bad"):
        cache.fetch(wanted, refresh=True)
    assert not tree.path.exists()
    with pytest.raises(UserError, match="is bad"):
        cache.fetch(wanted)


@pytest.mark.parametrize(("user", "why"), [(OTHER, "the key "), (EXPIRED, "has expired")])
def test_the_users_own_keyring_need_not_have_the_key(
    server: Server, gpg: Gpg, tar: Path, cache: Cache, home: Path, user: str, why: str
) -> None:
    ring = home / ".gnupg/pubring.kbx"
    for known in (SIGNER, EXPIRED):
        exported = gpg.export(known, home / "exported")
        run(["gpg", "--batch", "--import", exported], env={"GNUPGHOME": str(ring.parent)})
    options = LONG_AGO if user == EXPIRED else ()
    tree = cache.fetch(kernel(server, packed(tar), gpg.sign(tar, user, *options)))
    assert tree.signature.startswith("not checked: ")
    assert why in tree.signature
    assert str(ring) in tree.signature


def test_the_users_own_keyring_counts(
    server: Server, gpg: Gpg, tar: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(gpg.home))
    tree = cache.fetch(kernel(server, packed(tar), gpg.sign(tar)))
    assert tree.signature.startswith(f"signed by {SIGNER}")
    with pytest.raises(UserError, match="is bad"):
        cache.fetch(kernel(server, packed(tar, "other"), gpg.sign(tar)))


@pytest.mark.usefixtures("keyring")
def test_no_gpgv(
    server: Server,
    gpg: Gpg,
    tar: Path,
    cache: Cache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = kernel(server, packed(tar), gpg.sign(tar))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureError, match="gpgv is not installed"):
        cache.fetch(wanted)
    assert server.asked == []


def test_keyrings_that_are_none(
    server: Server, gpg: Gpg, tar: Path, cache: Cache, tmp_path: Path
) -> None:
    wanted = kernel(server, packed(tar), gpg.sign(tar))
    cache.keyring = tmp_path / "kernel.gpg"
    with pytest.raises(UserError, match="there is no keyring"):
        cache.fetch(wanted)
    gpg("--armor", "-o", cache.keyring, "--export", SIGNER)
    with pytest.raises(UserError, match="is armored"):
        cache.fetch(wanted)
    assert server.asked == []


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        (
            "https://cdn.kernel.org/pub/linux/kernel/v4.x/linux-4.2.tar.xz",
            "https://cdn.kernel.org/pub/linux/kernel/v4.x/linux-4.2.tar.sign",
        ),
        (
            "https://mirrors.edge.kernel.org/pub/linux/kernel/v6.x/linux-6.6.156.tar.gz",
            "https://mirrors.edge.kernel.org/pub/linux/kernel/v6.x/linux-6.6.156.tar.sign",
        ),
        ("https://git.kernel.org/torvalds/t/linux-6.19-rc4.tar.gz", None),
        ("https://notkernel.org/pub/linux/kernel/v4.x/linux-4.2.tar.xz", None),
        ("linux-4.2.tar.xz", None),
    ],
)
def test_the_signatures_of_kernel_org(url: str, signature: str | None) -> None:
    kernel = TarballKernel(kind="tarball", url=Url(url), sha256="0" * 64)
    found = signature_of(kernel)
    assert (str(found) if found else None) == signature
    assert signature_of(kernel.model_copy(update={"signature": "mine"})) == "mine"
