# SPDX-License-Identifier: GPL-2.0-only
"""What a scheduler and a worker say where they were started."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from lab.errors import InfrastructureError
from lab.execution.cluster.serving import run_to_its_end
from tests.config.conftest import Project
from tests.execution.test_cluster_builds import until

pytestmark = pytest.mark.slow


@pytest.mark.timeout(60)
def test_who_does_not_heed_the_end_is_not_waited_for() -> None:
    """As a task of Dask's did, and its worker was there an hour after its scheduler."""

    async def deaf() -> None:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)

    async def main() -> None:
        tasks.append(asyncio.create_task(deaf()))
        await asyncio.sleep(0)
        raise InfrastructureError("the scheduler is gone")

    tasks: list[asyncio.Task[None]] = []
    with pytest.raises(InfrastructureError, match="gone"):
        run_to_its_end(main())
    assert not tasks[0].done()


def test_a_worker_that_waits_for_a_scheduler_heeds_a_signal(tmp_path: Path) -> None:
    """It went on for half a minute, and then said that there is no scheduler."""
    Project(tmp_path).append('[paths]\ncache = "cache"\n')
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        words = [sys.executable, "-m", "lab", "worker", url, "-C", str(tmp_path)]
        with subprocess.Popen(words, stderr=subprocess.PIPE) as worker:
            mute.settimeout(30)
            mute.accept()
            mute.accept()
            worker.terminate()
            try:
                assert worker.wait(15) == 0
            finally:
                worker.kill()
            assert worker.stderr is not None
            assert b"ERROR" not in worker.stderr.read()


def test_a_scheduler_that_ends_is_told_in_words_of_the_labs(tmp_path: Path) -> None:
    Project(tmp_path).append('[paths]\ncache = "cache"\n')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{probe.getsockname()[1]}"

    def start(name: str, *words: str) -> subprocess.Popen[bytes]:
        with (tmp_path / name).open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "lab", *words, url, "-C", str(tmp_path)],
                stdout=log,
                stderr=log,
            )

    def said(name: str) -> str:
        return (tmp_path / name).read_text()

    with start("s", "cluster", "scheduler") as scheduler, start("w", "worker") as worker:
        try:
            until(lambda: "offers " in said("w"))
            scheduler.terminate()
            assert worker.wait(60) == 3
        finally:
            scheduler.kill()
            worker.kill()
    assert "is gone" in said("w")
    for name in ("s", "w"):
        assert "Traceback" not in said(name)
        assert "distributed" not in said(name)
