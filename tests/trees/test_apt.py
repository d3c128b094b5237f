# SPDX-License-Identifier: GPL-2.0-only
"""Source packages, from a real apt with a repository of its own on disk."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from lab.config.model import AptKernel
from lab.errors import InfrastructureError, UserError
from lab.process import run
from lab.trees import read_manifest
from lab.trees.manifest import compute_manifest
from tests.trees.conftest import Cache

TOOLS = ("apt-get", "apt-cache", "dpkg-deb", "dpkg-query", "xz")
NAME = "linux-source-6.1"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="no apt here"),
]


def kernel(package: str = NAME, member: str | None = None) -> AptKernel:
    return AptKernel(kind="apt", package=package, member=member)


class Archive:
    """A package archive in a folder, and an apt that knows no other."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.folder = folder
        self.source = source
        for part in ("repo", "lists/partial", "archives/partial", "dpkg/info", "etc"):
            (folder / part).mkdir(parents=True)
        (folder / "dpkg/status").touch()
        (folder / "sources.list").write_text(f"deb [trusted=yes] file:{folder}/repo ./\n")
        (folder / "apt.conf").write_text(
            f'Dir::State "{folder}"; Dir::State::lists "{folder}/lists";\n'
            f'Dir::State::status "{folder}/dpkg/status"; Dir::Cache "{folder}";\n'
            f'Dir::Etc::sourcelist "{folder}/sources.list"; Dir::Etc::sourceparts "{folder}/etc";\n'
            'APT::Architecture "amd64"; APT::Sandbox::User "";\n'
        )

    def tarball(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        run(["tar", "-cJf", path, "-C", self.source.parent, self.source.name])
        return path

    def publish(
        self, version: str, files: tuple[str, ...] = (f"{NAME}.tar.xz",), name: str = NAME
    ) -> None:
        root = self.folder / f"root-{version}"
        (root / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\n"
        control += "Maintainer: t <t@example.org>\nDescription: t\n"
        (root / "DEBIAN/control").write_text(control)
        (root / "usr/src").mkdir(parents=True)
        (root / "usr/src/README").touch()
        for file in files:
            self.tarball(root / "usr/src" / file)
        deb = self.folder / f"repo/{name}_{version}_all.deb"
        run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", root, deb])
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()
        index = f"Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n\n"
        with (self.folder / "repo/Packages").open("a") as packages:
            packages.write(control + index)

    def update(self) -> None:
        run(["apt-get", "-q", "update"])

    def install(self, version: str) -> Path:
        """Pretend to dpkg that the package is installed, its tarball below our folder."""
        tarball = self.tarball(self.folder / f"installed/usr/src/{NAME}.tar.xz")
        status = f"Package: {NAME}\nStatus: install ok installed\nVersion: {version}\n"
        status += "Architecture: all\nMaintainer: t <t@example.org>\nDescription: t\n\n"
        (self.folder / "dpkg/status").write_text(status)
        (self.folder / f"dpkg/info/{NAME}.list").write_text(f"/.\n{tarball}\n")
        return tarball


@pytest.fixture
def archive(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    archive = Archive(tmp_path / "apt", source)
    monkeypatch.setenv("APT_CONFIG", str(archive.folder / "apt.conf"))
    monkeypatch.setenv("DPKG_ADMINDIR", str(archive.folder / "dpkg"))
    return archive


def test_the_candidate_is_taken_and_followed(archive: Archive, cache: Cache, source: Path) -> None:
    archive.publish("6.1.7-1")
    archive.update()
    first = cache.fetch(kernel())
    assert first.identity == "apt:linux-source-6.1=6.1.7-1"
    assert read_manifest(first.manifest) == compute_manifest(source)
    assert [path.name for path in cache.folder.rglob("*.deb")] == []
    (source / "new.c").touch()
    archive.publish("6.1.8-1")
    archive.update()
    assert cache.fetch(kernel()) == first
    second = cache.fetch(kernel(), refresh=True)
    assert second.identity == "apt:linux-source-6.1=6.1.8-1"
    assert (second.path / "new.c").exists()


def test_an_installed_package_is_not_downloaded(archive: Archive, cache: Cache) -> None:
    archive.publish("6.1.8-1")
    archive.update()
    tarball = archive.install("6.1.7-1")
    tree = cache.fetch(kernel())
    assert tree.identity == "apt:linux-source-6.1=6.1.7-1"
    assert tarball.exists()
    assert not any("downloading" in line for line in cache.said)


def test_several_tarballs(archive: Archive, cache: Cache) -> None:
    archive.publish("6.1.7-1", ("a.tar.xz", "b/b.tar.xz"))
    archive.update()
    with pytest.raises(UserError, match="several tarballs") as caught:
        cache.fetch(kernel())
    assert "usr/src/b/b.tar.xz" in str(caught.value)
    tree = cache.fetch(kernel(member="b.tar.xz"))
    assert tree.identity == "apt:linux-source-6.1=6.1.7-1:b.tar.xz"


def test_no_tarball(archive: Archive, cache: Cache) -> None:
    archive.publish("6.1.7-1", ())
    archive.update()
    with pytest.raises(UserError, match="no tarball") as caught:
        cache.fetch(kernel())
    assert "usr/src/README" in str(caught.value)
    assert cache.left_behind() == []


def test_a_package_that_is_gone_from_the_mirror(archive: Archive, cache: Cache) -> None:
    archive.publish("6.1.7-1")
    archive.update()
    next((archive.folder / "repo").glob("*.deb")).unlink()
    with pytest.raises(InfrastructureError, match="cannot download") as caught:
        cache.fetch(kernel())
    assert caught.value.hint == "sudo apt-get update"
    assert cache.left_behind() == []


def test_no_lists_and_no_such_package(archive: Archive, cache: Cache) -> None:
    with pytest.raises(InfrastructureError) as fresh:
        cache.fetch(kernel())
    assert "sudo apt-get update" in str(fresh.value)
    archive.publish("6.1.7-1")
    archive.update()
    with pytest.raises(UserError, match=r"no package linux-source-6\.9") as caught:
        cache.fetch(kernel("linux-source-6.9"))
    assert "it knows linux-source-6.1" in str(caught.value)


def test_the_name_of_a_package_is_no_pattern(archive: Archive, cache: Cache) -> None:
    archive.publish("6.12.117-1", name="linux-source-6.12")
    archive.update()
    with pytest.raises(UserError, match=r"no package linux-source-6\.1\n") as caught:
        cache.fetch(kernel())
    assert "it knows linux-source-6.12" in str(caught.value)
    assert cache.left_behind() == []
    archive.publish("6.1.7-1")
    archive.update()
    assert cache.fetch(kernel()).identity == "apt:linux-source-6.1=6.1.7-1"


def test_a_package_of_another_version(archive: Archive, cache: Cache) -> None:
    makefile = archive.source / "Makefile"
    makefile.write_text(makefile.read_text().replace("PATCHLEVEL = 1", "PATCHLEVEL = 12"))
    archive.publish("6.1.7-1")
    archive.update()
    what = r"the kernel is called 6\.1, and the source is Linux 6\.12\.7"
    for _ in range(2):
        with pytest.raises(UserError, match=what):
            cache.fetch(kernel())


def test_a_wrong_tree_of_an_older_lab_is_asked_for_again(archive: Archive, cache: Cache) -> None:
    archive.publish("6.1.7-1")
    archive.update()
    tree = cache.fetch(kernel())
    record = tree.path.parent / "tree.json"
    record.write_text(record.read_text().replace("6.1.7-1", "6.12.7-1").replace("6.1.7", "6.12.7"))
    archive.publish("6.1.8-1")
    archive.update()
    assert cache.fetch(kernel()).identity == "apt:linux-source-6.1=6.1.8-1"


@pytest.mark.parametrize("package", ["-oDir=/", "a b", "../x", "+"])
def test_names_that_are_none(archive: Archive, cache: Cache, package: str) -> None:
    with pytest.raises(UserError, match="not the name of a package"):
        cache.fetch(kernel(package))
