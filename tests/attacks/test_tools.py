# SPDX-License-Identifier: GPL-2.0-only
"""Tools that hang where they should say what they are, and a lab that is told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.build.toolchain import Toolchain
from lab.doctor.examine import _compiler
from lab.errors import InfrastructureError
from lab.host import Host
from lab.suites.c_compiler import Compiler
from tests.attacks.servers import argv_of_all, listening, trickling
from tests.cli.test_cli import ROOT, project

pytestmark = pytest.mark.slow

__all__ = ["project"]


@pytest.fixture
def hanging(tmp_path: Path) -> Path:
    """A compiler that never answers."""
    path = tmp_path / "bin" / "gcc"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\nexec sleep 1000\n")
    path.chmod(0o755)
    return path


def test_a_compiler_that_hangs(hanging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.host.tool.ASKED_S", 0.3)
    for ask in (Toolchain.probe, Compiler.probe):
        with pytest.raises(InfrastructureError, match=r"--version` has not answered|has not ans"):
            ask(str(hanging))
    assert not _compiler(str(hanging), Host.here()).ok


def test_a_compiler_that_does_not_stop_talking(hanging: Path) -> None:
    hanging.write_text("#!/bin/sh\nexec yes\n")
    with pytest.raises(InfrastructureError, match="does not stop talking"):
        Toolchain.probe(str(hanging))


@contextmanager
def started(folder: Path, *arguments: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("what", ["http", "git", "two", "gcc"])
def test_a_lab_that_waits_ends_when_it_is_told(
    project: Path, hanging: Path, what: str, number: signal.Signals
) -> None:
    """The wait is bounded by ten seconds; by hours, before."""
    heard = []

    def behave(connection: object, over: object) -> None:
        heard.append(connection)
        trickling(b"HTTP/1.1 200 OK\r\n")(connection, over)  # type: ignore[arg-type]

    with listening(behave) as port:
        url = f"http://127.0.0.1:{port}"
        tar = f'kind = "tarball"\nsha256 = "{"0" * 64}"\nurl = "{url}/x.tar"\n'
        git = f'kind = "git"\nref = "main"\nurl = "{url}/x.git"\n'
        (project / "lab.local.toml").write_text(
            f"[kernels.tar]\n{tar}[kernels.git]\n{git}[toolchain]\ncc = '{hanging}'\n"
        )
        arguments = {
            "http": ("fetch", "tar"),
            "git": ("fetch", "git"),
            "two": ("build", "tar", "git"),
            "gcc": ("build", "fake"),
        }[what]
        with started(project, *arguments) as process:
            wait_until(lambda: bool(heard) or _is_asked(what), process)
            process.send_signal(number)
            assert process.wait(10) == 128 + number
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()
    assert not _is_asked(what)


def wait_until(come: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not come():
        assert process.poll() is None
        time.sleep(0.02)


def _is_asked(what: str) -> bool:
    return what == "gcc" and any("sleep 1000" in words for words in argv_of_all())
