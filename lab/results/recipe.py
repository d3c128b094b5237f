# SPDX-License-Identifier: GPL-2.0-only
"""``recipe.json``, written and read."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from lab.model.recipe import FORMAT, Recipe
from lab.process.stored import parse_stored
from lab.results.folder import write_json


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write it; raises InfrastructureError if that cannot be done."""
    write_json(path, asdict(recipe))


def parse_recipe(content: bytes) -> Recipe:
    """What this lab or an older one wrote.

    Raises:
        ValueError: It is none of these; says where in it, in a line.
    """
    recipe = parse_stored(content, Recipe)
    if recipe.format > FORMAT:
        raise ValueError(f"format {recipe.format} is of another lab")
    return recipe
