# SPDX-License-Identifier: GPL-2.0-only
"""A tiny kernel's source, and a lab's cache to bring it into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.config.model import KernelSection
from lab.trees import Tree, fetch
from tests.trees.server import Server, serving

FILES = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 7\nEXTRAVERSION =\nNAME = Test\n",
    "mm/gup.c": "int gup;\n",
    "scripts/run.sh": "#!/bin/sh\n",
}


def write_source(folder: Path) -> None:
    """Write a plain file, an executable and a link, and a Makefile that says 6.1.7."""
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "scripts/run.sh").chmod(0o755)
    (folder / "mm/link.c").symlink_to("gup.c")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The folder ``linux-6.1`` with a kernel's source."""
    write_source(tmp_path / "linux-6.1")
    return tmp_path / "linux-6.1"


@dataclass
class Cache:
    """Fetches into a folder of its own, and keeps what was said."""

    folder: Path
    root: Path
    said: list[str] = field(default_factory=list)
    keyring: Path | None = None

    def fetch(
        self, kernel: KernelSection, *, refresh: bool = False, deadline_s: float = 30
    ) -> Tree:
        return fetch(
            "6.1",
            kernel,
            cache=self.folder,
            root=self.root,
            deadline_s=deadline_s,
            refresh=refresh,
            progress=self.said.append,
            keyring=self.keyring,
        )

    def left_behind(self) -> list[str]:
        """All but locks and folders, below the cache."""
        files = (path for path in self.folder.rglob("*") if not path.is_dir())
        return sorted(
            str(path.relative_to(self.folder))
            for path in files
            if not path.name.startswith(".lock")
        )


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", tmp_path)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as running:
        yield running


@pytest.fixture
def serve(server: Server) -> Callable[[Path], str]:
    """Serve a folder's files; gives the address of it."""

    def serve(folder: Path) -> str:
        server.folder = folder
        return server.url

    return serve
