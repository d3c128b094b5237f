# SPDX-License-Identifier: GPL-2.0-only
"""The variant that a name in ``lab.toml`` means."""

from __future__ import annotations

from lab.config import LoadedConfig, variant_problems
from lab.model.variant import Variant


def resolve(loaded: LoadedConfig, text: str) -> Variant:
    """The variant that ``text`` names, all of whose names the config defines.

    Raises:
        UserError: Bad spelling, or a name that is not defined, with the nearest that is.
    """
    loaded.refuse(variant_problems(loaded.config, text))
    return Variant.parse(text)
