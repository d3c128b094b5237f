# SPDX-License-Identifier: GPL-2.0-only
"""Guest programs that no table names: ``guest-tests/mine.c`` is the suite ``mine``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lab.config.model import NAME_PATTERN, LabConfig, OwnSuite

#: What ships beside the tests: a library, and what each guest needs.
NO_TESTS = frozenset({"dax", "dax-proof", "init", "ktap", "mapping", "residency", "ssh-waits"})


def with_programs(config: LabConfig, root: Path) -> LabConfig:
    """The config, with a suite for each program below ``root`` that is in none."""
    named = {program for suite in config.suites.values() for program in suite.programs}
    taken = named | NO_TESTS | config.suites.keys()
    more = {name: OwnSuite(programs=(name,)) for name in _names(root) if name not in taken}
    return config.model_copy(update={"suites": {**config.suites, **more}}) if more else config


def _names(root: Path) -> Iterator[str]:
    for path in sorted(root.glob("guest-tests/*.c")):
        if re.fullmatch(NAME_PATTERN, path.stem):
            yield path.stem
