# SPDX-License-Identifier: GPL-2.0-only
"""A PostgreSQL server of the machine's own package, started and ended."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.process import run, spawn

_PASSWORD = "hunter2-" + secrets.token_hex(4)


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server on a socket in ``folder``; it listens on no port."""

    binaries: Path
    folder: Path

    def url(self, database: str, password: str = _PASSWORD) -> str:
        return f"postgresql://lab:{password}@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"t{secrets.token_hex(6)}"
        self.sql("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def sql(self, database: str, text: str) -> str:
        # Not lab.process.run(), which gives a child no standard input.
        done = subprocess.run(
            [self.binaries / "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", self.folder,
             "-U", "lab", database],
            env={**os.environ, "PGPASSWORD": _PASSWORD},
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def postgresql(*options: str) -> Iterator[Server]:
    """One in a folder of its own; as root it runs as ``postgres``.

    Args:
        options: More of postgres(1)'s; ``-F`` has it not wait for the disk.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = found[-1] if found else Path(shutil.which("initdb") or "")
    assert initdb.is_file(), "this needs PostgreSQL: sudo apt-get install postgresql"
    # Not below pytest's own folder, which only its owner may enter.
    with tempfile.TemporaryDirectory(prefix="lab-pg-") as text:
        server = Server(initdb.parent, Path(text))
        (server.folder / "password").write_text(_PASSWORD)
        user: list[str] = []
        if os.geteuid() == 0:
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            for path in (server.folder, server.folder / "password"):
                shutil.chown(path, "postgres", "postgres")
        data = server.folder / "data"
        run(
            [*user, initdb, "-D", data, "-U", "lab", "-A", "scram-sha-256", "--no-sync",
             "-E", "UTF8", "--locale=C", f"--pwfile={server.folder}/password"]
        )  # fmt: skip
        postgres = str(initdb.with_name("postgres"))
        command = [*user, postgres, "-D", str(data), "-k", text, "-h", "", *options]
        with (server.folder / "log").open("wb") as log, spawn(command, stdout=log, stderr=log):
            _wait(server)
            yield server


def _wait(server: Server) -> None:
    deadline = time.monotonic() + 60
    while run([server.binaries / "pg_isready", "-q", "-h", server.folder], check=False).status:
        assert time.monotonic() < deadline, (server.folder / "log").read_text()
        time.sleep(0.05)
