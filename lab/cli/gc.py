# SPDX-License-Identifier: GPL-2.0-only
"""``lab gc``: the disk within a budget."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.commands import File, Json, app
from lab.errors import ExitStatus, InfrastructureError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.gc import Freed, Item, Removal

Budget = Annotated[
    str | None, typer.Option("--budget", metavar="SIZE", help="Instead of gc.disk: 20G.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would go.")]


@app.command()
def gc(
    budget: Budget = None, dry_run: DryRun = False, file: File = None, json: Json = False
) -> int:
    """Free disk until cache and results are within the budget, oldest first."""
    from lab.config import load
    from lab.gc import free, inventory, needs_of, plan_removal
    from lab.process.use import sole_user
    from lab.results import Store

    loaded = load(file)
    size = _size(budget) or loaded.config.gc.disk
    cache = loaded.path(loaded.config.paths.cache)
    with sole_user(cache) as since, Store.open(loaded.database) as store:
        items = inventory(loaded, cache, needs_of(store, loaded, since))
        removal = plan_removal(items, (cache, loaded.results), size)
        if not json:
            for line in removal_lines(removal):
                typer.echo(line)
        freed = None if dry_run else free(removal)
    if json:
        _print_json(removal, freed)
    elif freed is not None:
        for line in _freed_lines(freed):
            typer.echo(line)
    if not removal.fits:
        raise InfrastructureError(
            f"{_human(removal.after)} must stay, which is more than {_human(size)}",
            hint="a larger gc.disk, or fewer baselines: lab runs --named",
        )
    return ExitStatus.EXPECTED


def removal_lines(removal: Removal) -> Iterator[str]:
    """What would go, before it does."""
    yield f"{_human(removal.before)} in cache and results; the budget is {_human(removal.budget)}"
    for item, size in removal.items:
        yield f"  {_human(size):>7}  {_row(item)}"
    if not removal.items:
        yield "nothing to free"
    for item in removal.kept:
        yield f"  stays: {_row(item)}: {item.keep}"


def _row(item: Item) -> str:
    when = f"{datetime.fromtimestamp(item.used):%Y-%m-%d %H:%M}"
    return f"{item.kind:9}  {when}  {item.path.name}  {item.about}".rstrip()


def _freed_lines(freed: Freed) -> Iterator[str]:
    if freed.items:
        yield f"freed {_human(freed.bytes)}"
    for item, why in freed.passed_over:
        yield f"left {item.path.name}: {why}"


def _print_json(removal: Removal, freed: Freed | None) -> None:
    from lab.cli.show import print_json

    print_json(
        {
            "budget": removal.budget,
            "before": removal.before,
            "after": removal.after,
            "items": [{**_item(item), "bytes": size} for item, size in removal.items],
            "kept": [{**_item(item), "why": item.keep} for item in removal.kept],
            "freed": None if freed is None else [str(item.path) for item in freed.items],
        }
    )


def _item(item: Item) -> dict[str, object]:
    return {"kind": item.kind, "path": str(item.path), "used": item.used, "about": item.about}


def _size(text: str | None) -> int | None:
    from lab.config import parse_size

    if text is None:
        return None
    try:
        size = parse_size(text)
    except ValueError as error:
        raise UserError(str(error), where="--budget", hint="--budget 20G") from None
    assert isinstance(size, int)
    if not size:
        raise UserError("a budget of nothing", where="--budget", hint="--budget 20G")
    return size


def _human(size: int) -> str:
    value = float(size)
    for unit in ("B", "K", "M", "G"):
        if value < 1024:
            return f"{value:.0f}{unit}" if unit in "BK" else f"{value:.1f}{unit}"
        value /= 1024
    return f"{value:.1f}T"
