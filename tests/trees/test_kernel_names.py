# SPDX-License-Identifier: GPL-2.0-only
"""Names that say another version than the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.config.model import AptKernel, DirKernel, GitKernel, Kernel, TarballKernel
from lab.model.url import Url
from lab.model.version import KernelVersion
from lab.trees.kernel_names import misnomer

FOLDER = DirKernel(kind="dir", path=Path("linux-6.1"))


def apt(package: str) -> AptKernel:
    return AptKernel(kind="apt", package=package)


def git(ref: str) -> GitKernel:
    return GitKernel(kind="git", url=Url("linux.git"), ref=ref)


def tarball(url: str) -> TarballKernel:
    return TarballKernel(kind="tarball", url=Url(url), sha256="0" * 64)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("6.1", "6.12.117"),
        ("v4.2", "4.3"),
        ("6.1.192", "6.1.191"),
        ("v7.3-rc2", "7.3"),
        ("v7.3-rc2", "7.3-rc1"),
        ("6.1-mine", "6.2"),
        ("6.1.y", "6.2"),
        ("linux-6.1.y", "6.12"),
        ("v6.1.0", "6.1.7"),
    ],
)
def test_a_section_of_another_version(name: str, version: str) -> None:
    for kernel in (FOLDER, apt("kernel"), git("master"), tarball("it.tar")):
        found = misnomer(kernel, name, KernelVersion.parse(version))
        assert found is not None
        assert found.what == f"the kernel is called {name}"


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("v4.4", "4.4.302"),
        ("6.1.192", "6.1.192"),
        ("v7.3", "7.3-rc2"),
        ("v7.3-rc2", "7.3-rc2"),
        ("mainline", "7.4-rc1"),
        ("mine", "6.1"),
        ("next-20261127", "7.4-rc1"),
        ("debian13", "6.12"),
        ("6", "6.1"),
        ("6.1-mine", "6.1.9"),
    ],
)
def test_a_section_that_says_no_other(name: str, version: str) -> None:
    assert misnomer(FOLDER, name, KernelVersion.parse(version)) is None


@pytest.mark.parametrize(
    ("kernel", "version", "what", "key"),
    [
        (apt("linux-source-6.1"), "6.12.117", "the package is linux-source-6.1", "package"),
        (git("v4.2"), "4.3", "the ref is v4.2", "ref"),
        (git("refs/tags/v7.3-rc2"), "7.3", "the ref is refs/tags/v7.3-rc2", "ref"),
        (git("linux-6.1.y"), "6.2", "the ref is linux-6.1.y", "ref"),
        (tarball("v4.x/linux-4.4.302.tar.xz"), "4.4.301",
         "the tarball is v4.x/linux-4.4.302.tar.xz", "url"),
        (tarball("linux-source-7.3.tgz"), "7.2", "the tarball is linux-source-7.3.tgz", "url"),
    ],
)  # fmt: skip
def test_a_source_of_another_version(kernel: Kernel, version: str, what: str, key: str) -> None:
    found = misnomer(kernel, "mine", KernelVersion.parse(version))
    assert found is not None
    assert (found.what, found.key) == (what, key)


@pytest.mark.parametrize(
    ("kernel", "version"),
    [
        (apt("linux-source-6.8.0"), "6.8.12"),
        (apt("linux-source-6.1:all"), "6.1.192"),
        (apt("linux-source"), "6.12"),
        (git("6.2-port"), "6.1"),
        (git("0123456789abcdef0123456789abcdef01234567"), "6.1"),
        (git("master"), "6.1"),
        (tarball("https://example.org/linux-6.1.192.tar.xz"), "6.1.192"),
        (tarball("linux-next-20261127.tar.gz"), "7.4-rc1"),
        (FOLDER, "6.2"),
    ],
)
def test_a_source_that_says_no_other(kernel: Kernel, version: str) -> None:
    assert misnomer(kernel, "mine", KernelVersion.parse(version)) is None
