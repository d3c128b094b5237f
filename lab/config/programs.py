# SPDX-License-Identifier: GPL-2.0-only
"""Guest programs that no table names: ``guest-tests/mine.c`` is the suite ``mine``.

So is ``guest-tests/mine.sh`` the suite ``mine.sh``, where it may be executed and says what
runs it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from lab.config.model import NAME_PATTERN, LabConfig, OwnSuite

#: What ships beside the tests: a library, and what each guest needs.
NO_TESTS = frozenset(
    {"dax", "dax-proof", "in-image", "init", "ktap", "mapping", "residency", "ssh-waits"}
)


def with_programs(config: LabConfig, root: Path) -> LabConfig:
    """The config, with a suite for each program below ``root`` that is in none."""
    named = {program for suite in config.suites.values() for program in suite.programs}
    taken = named | NO_TESTS | config.suites.keys()
    more = {name: OwnSuite(programs=(name,)) for name in _names(root) if name not in taken}
    return config.model_copy(update={"suites": {**config.suites, **more}}) if more else config


def _names(root: Path) -> Iterator[str]:
    for path in sorted(root.glob("guest-tests/*")):
        name = path.stem if path.suffix == ".c" else path.name
        if re.fullmatch(NAME_PATTERN, name) and (path.suffix == ".c" or is_script(path)):
            yield name


def is_script(path: Path) -> bool:
    """Whether it may be executed, and says what runs it."""
    try:
        if not (path.is_file() and os.access(path, os.X_OK)):
            return False
        with path.open("rb") as stream:
            return stream.read(2) == b"#!"
    except OSError:
        return False
