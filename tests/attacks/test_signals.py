# SPDX-License-Identifier: GPL-2.0-only
"""A lab that is told to end in the middle of what takes long, and ends within ten seconds."""

from __future__ import annotations

import os
import signal
import socket
import tarfile
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from subprocess import Popen

import pytest

from lab.process.temporary import left_behind
from tests.attacks.servers import Behaviour, listening, trickling
from tests.attacks.test_tools import started, wait_until
from tests.cli.test_cli import project

pytestmark = pytest.mark.slow

__all__ = ["project"]

MAIL = '[nightly.mail]\nserver = "127.0.0.1"\nfrom = "l@x.y"\nto = ["a@b.c"]\nport = {}\n'
WEBHOOK = '[nightly.webhook]\nurl = "http://127.0.0.1:{}/hook"\n'
#: More than can be written before anybody has noticed the first.
MEMBERS = 60_000
HUNKS = 1_000


def told_to_end(process: Popen[str], when: Callable[[], object]) -> None:
    wait_until(lambda: bool(when()), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGTERM
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


def slow_smtp(words: list[bytes]) -> Behaviour:
    """Takes what it is told as far as the sender's address, and thinks about that."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"220 here\r\n")
        with connection.makefile("rb") as said:
            for line in said:
                words.append(line)
                if line.startswith(b"mail"):
                    trickling(b"250-")(connection, over)
                connection.sendall(b"250 yes\r\n")

    return behave


def slow_http(words: list[bytes]) -> Behaviour:
    def behave(connection: socket.socket, over: threading.Event) -> None:
        words.append(connection.recv(1 << 16))
        trickling(b"HTTP/1.1 200 OK\r\nX-")(connection, over)

    return behave


@pytest.mark.parametrize(
    ("section", "server", "begins"), [(MAIL, slow_smtp, b"mail"), (WEBHOOK, slow_http, b"POST")]
)
@pytest.mark.usefixtures("programs_at_hand")
def test_while_a_night_is_told(
    project: Path, section: str, server: Callable[[list[bytes]], Behaviour], begins: bytes
) -> None:
    # A night that is over at once, and is told.
    (project / "kconfigs" / "tiny.config").write_text("CONFIG_NO_SUCH_OPTION=y\n")
    words: list[bytes] = []
    with listening(server(words)) as port:
        (project / "lab.local.toml").write_text(section.format(port))
        with started(project, "nightly") as process:
            told_to_end(process, lambda: any(word.startswith(begins) for word in words))


def archive(path: Path) -> Path:
    """A tar of so many empty files as no kernel has."""
    with path.open("wb") as out:
        for number in range(MEMBERS):
            out.write(tarfile.TarInfo(f"linux/{number}").tobuf(tarfile.USTAR_FORMAT))
        out.write(bytes(1024))
    return path


def test_while_an_archive_is_unpacked(project: Path, tmp_path: Path) -> None:
    made = archive(tmp_path / "linux.tar")
    digest = sha256(made.read_bytes()).hexdigest()
    (project / "lab.local.toml").write_text(
        f'[kernels.tar]\nkind = "tarball"\nsha256 = "{digest}"\nurl = "file://{made}"\n'
    )
    trees = tmp_path / "cache" / "trees"
    with started(project, "fetch", "tar") as process:
        told_to_end(process, lambda: len(list(trees.glob(".*/**/1??"))) > 10)
    assert not list(trees.glob("tar*"))
    assert not list(trees.glob(".tar*"))


def test_while_a_patch_is_looked_at_that_does_not_apply(project: Path, fake_kernel: Path) -> None:
    """Each of its hunks has a place, with a line of context left out."""
    lines = [f"line {number}" for number in range(20 * HUNKS)]
    (fake_kernel / "mm/big.c").write_text("\n".join(lines) + "\n")
    patch = ["--- a/mm/big.c", "+++ b/mm/big.c"]
    for at in range(10, 20 * HUNKS, 20):
        before, after = lines[at + 1 : at + 3], lines[at + 4 : at + 7]
        patch += [f"@@ -{at + 1},7 +{at + 1},7 @@", " wrong", *(f" {line}" for line in before)]
        patch += [f"-{lines[at + 3]}", "+other", *(f" {line}" for line in after)]
    series = project / "patches" / "fix"
    (series / "a.patch").write_text("\n".join(patch) + "\n")
    (series / "series").write_text("a.patch\n")
    with started(project, "patch", "check", "fix", "fake") as process:
        told_to_end(process, lambda: cpu_seconds(process.pid) > 2)
    assert not list(left_behind())


def cpu_seconds(pid: int) -> float:
    """What the process itself has had of the CPUs: proc(5)'s stat."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
