# SPDX-License-Identifier: GPL-2.0-only
"""Where programs and files of a machine are looked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Debian keeps /usr/sbin out of a plain user's PATH, and mkfs and dropbear are there.
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass(frozen=True)
class Host:
    """Folders that hold programs, in order, and the root that files are below."""

    directories: tuple[Path, ...]
    root: Path = Path("/")

    @classmethod
    def here(cls) -> Host:
        """This machine: PATH, and after it the folders for administrators."""
        # An empty entry means the current folder (POSIX XBD 8.3): not for a build's tools.
        entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
        return cls(tuple(map(Path, dict.fromkeys((*filter(None, entries), *_SBIN)))))

    @property
    def search_path(self) -> str:
        """Its folders as ``PATH`` has them, for a child."""
        return os.pathsep.join(map(str, self.directories))

    def find(self, name: str) -> Path | None:
        """The program ``name``, or None; a name with a slash is a file below the root."""
        if "/" in name:
            return self.first([name])
        return next(
            (path for folder in self.directories if _executable(path := folder / name)), None
        )

    def first(self, files: Iterable[str]) -> Path | None:
        """The first of these absolute paths that is a file."""
        candidates = (self.root / file.lstrip("/") for file in files)
        return next((path for path in candidates if path.is_file()), None)

    def read(self, file: str) -> str:
        """The text of an absolute path; empty when it cannot be read."""
        try:
            return (self.root / file.lstrip("/")).read_text(errors="replace")
        except OSError:
            return ""


def _executable(path: Path) -> bool:
    return os.access(path, os.X_OK) and path.is_file()
