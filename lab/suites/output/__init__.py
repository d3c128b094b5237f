# SPDX-License-Identifier: GPL-2.0-only
"""How programs tell of their tests: a kind of ``output``, a module for each."""

from __future__ import annotations

from lab.config.kinds import OUTPUTS
from lab.model.maker import made_by
from lab.suites.output.output import Output

__all__ = ["Output", "output_of"]


def output_of(kind: str) -> Output:
    """A kind by its name; raises KeyError."""
    found: Output = made_by(OUTPUTS[kind])
    return found
