# SPDX-License-Identifier: GPL-2.0-only
"""Series that no table names: ``patches/mine/series`` is the series ``mine``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lab.config.model import NAME_PATTERN, LabConfig, Series


def with_series(config: LabConfig, root: Path) -> LabConfig:
    """The config, with a series for each folder below ``root``/patches that is one."""
    return with_names(config, [name for name in _names(root) if name not in config.series])


def with_names(config: LabConfig, names: list[str]) -> LabConfig:
    """The config, where these are series of which nothing more is said."""
    more = {name: Series() for name in names}
    return config.model_copy(update={"series": {**config.series, **more}}) if more else config


def _names(root: Path) -> Iterator[str]:
    for path in sorted(root.glob("patches/*/series")):
        if re.fullmatch(NAME_PATTERN, path.parent.name) and path.is_file():
            yield path.parent.name
