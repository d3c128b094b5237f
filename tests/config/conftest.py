# SPDX-License-Identifier: GPL-2.0-only
"""A small project on disk, and the errors of a changed one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.config import LoadedConfig, load
from lab.errors import UserError

GOOD = """\
[kernels."6.1"]
kind = "apt"
package = "linux-source-6.1"

[kernels.old]
kind = "git"
url = "linux.git"
ref = "v4.2"

[series.bug]
description = "brings the bug back"

[series.mend]
description = "mends it"

[configs.default]
fragments = ["base", "pmem"]

[machines.default]
memory = "1G"

[filesystems.ext4-dax]
type = "ext4"

[filesystems.xfs-dax]
type = "xfs"

[suites.populate]
programs = ["populate"]

[matrix.default]
variants = [
    "6.1",
    "6.1+bug",
]
"""


class Project:
    """A folder with a good ``lab.toml`` that a test changes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.toml = root / "lab.toml"
        self.toml.write_text(GOOD)
        for name in (
            "kconfigs/base.config",
            "kconfigs/pmem.config",
            "patches/bug/series",
            "patches/mend/series",
            "guest-tests/populate.c",
        ):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def change(self, old: str, new: str) -> None:
        text = self.toml.read_text()
        assert old in text
        self.toml.write_text(text.replace(old, new, 1))

    def append(self, text: str) -> None:
        self.toml.write_text(self.toml.read_text() + text)

    def local(self, text: str) -> Path:
        path = self.root / "lab.local.toml"
        path.write_text(text)
        return path

    def load(self) -> LoadedConfig:
        return load(self.toml)

    def line_of(self, text: str, path: Path | None = None) -> int:
        """The line, from 1, of the first line that holds ``text``."""
        lines = (path or self.toml).read_text().splitlines()
        return next(n for n, line in enumerate(lines, 1) if text in line)

    def error(self) -> UserError:
        with pytest.raises(UserError) as caught:
            self.load()
        return caught.value


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


Checker = Callable[..., None]


@pytest.fixture
def refuses(project: Project) -> Checker:
    """Check that the project has exactly one mistake, and all that is said about it."""

    def check(
        what: str, *, key: str, at: str, hint: str | None = None, path: Path | None = None
    ) -> None:
        error = project.error()
        where = f"{path or project.toml}:{project.line_of(at, path)}: {key}"
        assert str(error.where) == where, error
        assert error.what == what
        assert error.hint == hint

    return check
