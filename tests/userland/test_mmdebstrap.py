# SPDX-License-Identifier: GPL-2.0-only
"""Root filesystems made of packages: by an mmdebstrap that makes what a test says."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.config.model import Image
from lab.errors import InfrastructureError, LabError, UserError
from lab.process import run
from lab.process.shelf import USERLANDS
from lab.userland.mmdebstrap import make_userland
from lab.userland.userland import LABEL, Userland

STATUS = "Package: perl\nStatus: install ok installed\nVersion: 5.36.0-7\n\n"
Fake = Callable[[str], None]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """An mmdebstrap that runs some shell code, ``$out`` being its archive."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def fake(code: str) -> None:
        path = folder / "mmdebstrap"
        path.write_text(
            f'#!/bin/sh\necho run >>{tmp_path}/runs\necho "$@" >{tmp_path}/words\n'
            f"for word; do case $word in *.tar) out=$word;; esac; done\n{code}\n"
        )
        path.chmod(0o755)

    return fake


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """What a root filesystem is in, as little as there can be of one."""
    path = tmp_path / "given-archive"
    with tarfile.open(path, "w") as tar:
        for name in (".", "./bin", "./var", "./var/lib", "./var/lib/dpkg"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for name, text in {"./var/lib/dpkg/status": STATUS, "./bin/true": "#!/bin/sh\n"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            member.uid = 1234
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def make(cache: Path, *packages: str, **keys: object) -> Userland:
    table = {"kind": "mmdebstrap", "suite": "bookworm", "packages": packages or ("perl",), **keys}
    return make_userland("full", Image.model_validate(table), cache, 60.0)


def runs(tmp_path: Path) -> int:
    return len((tmp_path / "runs").read_text().splitlines())


def left(cache: Path) -> list[str]:
    """What of it is on the shelf, but for the locks."""
    names = (path.name for path in USERLANDS.place(cache).iterdir())
    return [name for name in names if not name.endswith(".lock")]


@pytest.mark.slow
def test_it_is_a_clean_filesystem_with_owners_and_room(
    fake: Fake, archive: Path, tmp_path: Path
) -> None:
    fake(f'cp {archive} "$out"')
    made = make(tmp_path / "cache")
    assert made.size == made.path.stat().st_size
    assert made.size % (128 << 20) == 0
    subprocess.run(["/sbin/e2fsck", "-fn", made.path], check=True, capture_output=True)
    told = run(["dumpe2fs", "-h", made.path]).stdout
    assert f"Filesystem volume name:   {LABEL}\n" in told
    assert "Maximum mount count:      -1\n" in told
    assert int(told.split("Free inodes:")[1].split()[0]) > 60000
    assert "User:  1234" in run(["debugfs", "-R", "stat /bin/true", made.path]).stdout
    assert "perl 5.36.0-7" in (made.path.parent / "image.json").read_text()


@pytest.mark.slow
def test_it_is_made_once_for_its_packages(fake: Fake, archive: Path, tmp_path: Path) -> None:
    fake(f'cp {archive} "$out"')
    cache = tmp_path / "cache"
    first = make(cache, "perl", "bash")
    assert make(cache, "bash", "perl") == first
    assert runs(tmp_path) == 1
    assert make(cache, "bash").path != first.path
    assert make(cache, "perl", "bash", suite="trixie").path != first.path
    assert runs(tmp_path) == 3


@pytest.mark.slow
def test_one_that_somebody_touched_is_read_again(fake: Fake, archive: Path, tmp_path: Path) -> None:
    fake(f'cp {archive} "$out"')
    made = make(tmp_path / "cache")
    os.utime(made.path)
    assert make(tmp_path / "cache") == made
    assert runs(tmp_path) == 1
    with made.path.open("r+b") as stream:
        stream.seek(5000)
        stream.write(b"x")
    assert make(tmp_path / "cache").path == made.path
    assert runs(tmp_path) == 2


@pytest.mark.parametrize(
    ("said", "kind", "what"),
    [
        ("E: Unable to locate package perk", UserError, "there is no package 'perk' for image"),
        (
            "Err:1 x\\n  Could not resolve 'deb.example'",
            InfrastructureError,
            "image 'full' cannot be made: Could not resolve 'deb.example'",
        ),
        (
            "tar: root.tar: No space left on device",
            InfrastructureError,
            "No space left on device",
        ),
        ("E: something new", InfrastructureError, "ended with status 25"),
    ],
)
def test_what_mmdebstrap_says_is_told(
    fake: Fake, tmp_path: Path, said: str, kind: type[LabError], what: str
) -> None:
    fake(f'printf "{said}\\n" >&2; : >"$out"; exit 25')
    with pytest.raises(kind) as caught:
        make(tmp_path / "cache")
    assert what in caught.value.what
    assert type(caught.value) is kind
    assert left(tmp_path / "cache") == []


def test_an_interrupt_leaves_nothing(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    fake(f'mkdir "$TMPDIR/root"; kill -INT {os.getpid()}; sleep 60')
    # Those that share the tests of a run out ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path / "cache")
    finally:
        signal.signal(signal.SIGINT, before)
    assert left(tmp_path / "cache") == []
    assert list(tmp_path.glob("lab-tmp-*")) == []


@pytest.mark.slow
def test_packages_come_from_where_its_table_says(fake: Fake, archive: Path, tmp_path: Path) -> None:
    fake(f'cp {archive} "$out"')
    sources = tmp_path / "my.sources"
    sources.touch()
    make(tmp_path / "cache", sources=sources)
    assert (tmp_path / "words").read_text().split()[-1] == str(sources)
    make(tmp_path / "other", suite="a-suite-of-nobody")
    assert (tmp_path / "words").read_text().split()[-1].endswith("root.tar")


@pytest.mark.slow
def test_it_is_made_once_for_what_its_sources_say(
    fake: Fake, archive: Path, tmp_path: Path
) -> None:
    fake(f'cp {archive} "$out"')
    cache, sources = tmp_path / "cache", tmp_path / "my.sources"
    own = make(cache)
    sources.write_text("deb http://one bookworm main\n")
    first = make(cache, sources=sources)
    assert make(cache, sources=sources) == first
    assert first.path != own.path
    sources.write_text("deb http://other bookworm main\n")
    assert make(cache, sources=sources).path not in (own.path, first.path)
    assert runs(tmp_path) == 3


def test_sources_that_cannot_be_read_are_told(fake: Fake, tmp_path: Path) -> None:
    fake("exit 1")
    with pytest.raises(UserError, match="gone cannot be read: No such file") as caught:
        make(tmp_path / "cache", sources=tmp_path / "gone")
    assert caught.value.where == "images.full.sources"
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("package", ["", "Perl", "a,b", "-oDir=x", "perl=5", "a b"])
def test_no_name_of_a_package_is_an_option(package: str) -> None:
    with pytest.raises(ValueError, match="packages"):
        Image.model_validate({"kind": "mmdebstrap", "packages": [package]})
