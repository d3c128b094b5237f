# SPDX-License-Identifier: GPL-2.0-only
"""What is made of a source in a root of packages: by an mmdebstrap that has a root of busybox."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.config.model import Image
from lab.errors import InfrastructureError, UserError
from lab.host import need_tool
from lab.userland.mmdebstrap import make_userland
from lab.userland.root_build import RootBuild, made_in_root
from tests.userland.test_mmdebstrap import archive

__all__ = ["archive"]

pytestmark = pytest.mark.slow

#: The hooks that it is asked for, done as mmdebstrap(1) says.
MMDEBSTRAP = """\
#!/bin/sh
set -e
echo "$@" >>{folder}/said
root={folder}/root
for word; do case $word in --customize-hook=*)
	hook=${{word#*=}}
	case $hook in
	copy-in*) set -- $hook; cp -a "$2" "$root$3" ;;
	download*) set -- $hook; cp "$root$2" "$3" ;;
	*) sh -c "$hook" exec "$root" || {{ echo "E: command failed: $hook" >&2; exit 25; }} ;;
	esac ;;
esac; done
"""
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    binaries, root = tmp_path / "bin", tmp_path / "root"
    binaries.mkdir()
    for name, text in (
        ("mmdebstrap", MMDEBSTRAP.format(folder=tmp_path)),
        ("chroot", '#!/bin/sh\nexec unshare -r /usr/sbin/chroot "$@"\n'),
    ):
        (binaries / name).write_text(text)
        (binaries / name).chmod(0o755)
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "busybox").write_bytes(need_tool("busybox").read_bytes())
    (root / "bin" / "busybox").chmod(0o755)
    for name in ("sh", "env", "cat", "tar", "mkdir", "cp"):
        (root / "bin" / name).symlink_to("busybox")
    monkeypatch.setenv("PATH", str(binaries), prepend=os.pathsep)

    def make(*commands: str, take: tuple[str, ...] = ("/opt/made",), identity: str = "one") -> Path:
        build = RootBuild("source-x", identity, commands, take)
        table = Image(kind="mmdebstrap", suite="bookworm", packages=("gcc",))
        return made_in_root(build, "x-build", table, fill, tmp_path / "cache", 60.0)

    def fill(work: Path) -> None:
        (work / "word").write_text("made of it")

    return make


COMMANDS = ("mkdir -p /opt/made/deep", "cat word >/opt/made/deep/file")


def runs(tmp_path: Path) -> int:
    return (tmp_path / "said").read_text().count("--format=null")


def test_what_it_leaves_is_packed_once(make: Make, tmp_path: Path) -> None:
    made = make(*COMMANDS)
    with tarfile.open(made) as tar:
        stream = tar.extractfile("opt/made/deep/file")
        assert stream is not None
        assert stream.read() == b"made of it"
    assert make(*COMMANDS) == made
    assert runs(tmp_path) == 1
    assert make(*COMMANDS, identity="two") != made
    assert make("mkdir -p /opt/made/other") != made
    assert runs(tmp_path) == 3
    # The root's packages only: nothing of it stays but the archive.
    assert sorted(path.name for path in made.parent.iterdir()) == ["SHA256SUMS", "made.tar"]


@pytest.mark.parametrize(
    ("commands", "what"),
    [
        (("echo no such header; exit 1", "mkdir -p /opt/made"), "no such header"),
        (("cat nothing",), "nothing': No such file or directory"),
        (("true",), "opt/made: No such file or directory"),
    ],
)
def test_what_does_not_build(
    make: Make, tmp_path: Path, commands: tuple[str, ...], what: str
) -> None:
    with pytest.raises(UserError, match=what) as caught:
        make(*commands)
    assert "source-x does not build in image 'x-build'" in caught.value.what
    left = (path.name for path in (tmp_path / "cache" / "programs").iterdir())
    assert [name for name in left if not name.endswith(".lock")] == []


def test_an_mmdebstrap_that_fails_is_none_of_the_source(make: Make, tmp_path: Path) -> None:
    (tmp_path / "bin" / "mmdebstrap").write_text("#!/bin/sh\necho 'E: new' >&2; exit 25\n")
    with pytest.raises(InfrastructureError) as caught:
        make(*COMMANDS)
    assert type(caught.value) is InfrastructureError


def test_an_image_has_what_was_made(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "mmdebstrap"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/said\n'
        f'for word; do case $word in *.tar) cp {archive} "$word";; esac; done\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    table = Image(kind="mmdebstrap", suite="bookworm", packages=("perl",))
    adds = tmp_path / "with space.tar"
    adds.write_bytes(b"one")
    plain, first = (make_userland("x", table, tmp_path / "c", 60.0, it) for it in ((), (adds,)))
    assert f"--customize-hook=tar-in '{adds}' /" in (tmp_path / "said").read_text()
    assert make_userland("x", table, tmp_path / "c", 60.0, (adds,)) == first
    adds.write_bytes(b"two")
    assert len({one.path for one in (plain, first)}) == 2
    assert make_userland("x", table, tmp_path / "c", 60.0, (adds,)).path != first.path
