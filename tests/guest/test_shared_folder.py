# SPDX-License-Identifier: GPL-2.0-only
"""What a guest made of a folder, brought back: of a guest that answers whatever it likes."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from lab.cli.by_hand import lost
from lab.errors import InfrastructureError
from lab.guest.courier import MOST
from lab.guest.guest import Guest
from lab.guest.shared_folder import Brought, bring_back

SHARE = "/mnt/share"


def member(
    name: str, mode: int = 0o644, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.mode, found.type, found.linkname = mode, kind, link
    return found


def guest(*members: tuple[tarfile.TarInfo, bytes], said: str = "count 0\nsize 9\n") -> Guest:
    """One that packs these."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    done = SimpleNamespace(status=0, stdout=said, stderr="")
    answers = SimpleNamespace(run=lambda _: done, fetch=lambda _: stream.getvalue())
    return cast("Guest", answers)


@pytest.mark.parametrize("mode", [0o664, 0o444, 0o600, 0o755])
def test_what_is_as_it_was_is_left_alone(tmp_path: Path, mode: int) -> None:
    """A repository's objects are read-only, and a umask of 002 has files that a group writes."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "file").chmod(mode)
    (tmp_path / "other").write_bytes(b"y")
    (tmp_path / "other").chmod(mode)
    packed = guest((member("file", mode), b"x"), (member("other", mode), b"changed"))
    assert bring_back(packed, SHARE, tmp_path).names == ("other",)
    assert {path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()} == {mode}
    runs = guest((member("file", 0o700), b"x"), (member("other", mode), b"changed"))
    assert bring_back(runs, SHARE, tmp_path).names == ("file",)
    assert (tmp_path / "file").stat().st_mode & 0o7777 == 0o700


def test_nobody_else_may_write_what_a_guest_made(tmp_path: Path) -> None:
    bring_back(guest((member("file", 0o6777), b"x")), SHARE, tmp_path)
    assert (tmp_path / "file").stat().st_mode & 0o7777 == 0o755


def test_a_pipe_costs_no_file(tmp_path: Path) -> None:
    pipe, device = member("pipe", kind=tarfile.FIFOTYPE), member("null", kind=tarfile.CHRTYPE)
    packed = guest((pipe, b""), (device, b""), (member("file"), b"x"))
    assert bring_back(packed, SHARE, tmp_path).names == ("file",)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_small_archive_of_much(tmp_path: Path) -> None:
    """Names of one file take no place in it, and holes none."""
    links = [(member(f"{n}", kind=tarfile.LNKTYPE, link="file"), b"") for n in range(256)]
    with pytest.raises(InfrastructureError, match="has more than 256 MiB now"):
        bring_back(guest((member("file"), b"x" * (1 << 20)), *links), SHARE, tmp_path)
    holes = member("file")
    # GNU tar's, version 1.0 of its sparse files: a map of nothing.
    size = str(MOST + 1)
    holes.pax_headers = {
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0",
        "GNU.sparse.name": "file", "GNU.sparse.realsize": size,
    }  # fmt: skip
    with pytest.raises(InfrastructureError, match="has more than 256 MiB now"):
        bring_back(guest((holes, f"1\n{size}\n0\n".encode().ljust(512, b"\0"))), SHARE, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_guest_that_says_no_size(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="could not pack it: it says 'no'"):
        bring_back(guest(said="no\n"), SHARE, tmp_path)


def test_what_is_too_much_is_told_and_the_rest_comes(tmp_path: Path) -> None:
    said = "left 300000000 ./sub/a big one\nleft 400000000 ./b\ncount 7\nsize 9\n"
    brought = bring_back(guest((member("file"), b"x"), said=said), SHARE, tmp_path)
    assert brought == Brought(("file",), ((300000000, "sub/a big one"), (400000000, "b")), 7)
    assert lost(brought) == (
        "NOT brought back, since no more than 256 MiB come: "
        "sub/a big one (286 MiB), b (381 MiB) and 2 more"
    )
    with pytest.raises(InfrastructureError, match="has more than 256 MiB now"):
        bring_back(guest(said=f"count 0\nsize {MOST + 1}\n"), SHARE, tmp_path)
