# SPDX-License-Identifier: GPL-2.0-only
"""``lab gc``: the disk within a budget."""

from __future__ import annotations

import sys
import time
from collections import Counter
from datetime import datetime
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.commands import File, Json, app, load_config
from lab.cli.lines import say, say_lines
from lab.errors import ExitStatus, InfrastructureError, UserError
from lab.text import human

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lab.config import LoadedConfig
    from lab.gc import Freed, Item, Removal

Budget = Annotated[
    str | None, typer.Option("--budget", metavar="SIZE", help="Instead of gc.disk: 20G.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would go.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, however much would go.")]
Recent = Annotated[bool, typer.Option("--recent", help="What was used in the last day may go too.")]
Each = Annotated[bool, typer.Option("--verbose", "-v", help="Name each thing that stays.")]
_DAY_S = 86400


@app.command()
def gc(
    budget: Budget = None,
    recent: Recent = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    verbose: Each = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Free disk until cache and results fit, oldest first."""
    loaded = load_config(file)
    size = parsed_size(budget) or loaded.config.gc.disk
    used_before = inf if recent else time.time() - _DAY_S
    ask = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    tell = (lambda _: None) if json else partial(_tell, verbose=verbose)
    removal, freed = _free(loaded, size, used_before, tell, dry_run=dry_run, ask=ask)
    if freed is None and not dry_run:
        question = f"That is more than half of {human(removal.before)}. Free it?"
        if typer.confirm(question, err=True):
            removal, freed = _free(loaded, size, used_before, told=removal)
        else:
            say("nothing was freed", err=True)
    if json:
        _print_json(removal, freed)
    else:
        say_lines(_freed_lines(freed))
    if freed is not None and freed.failed:
        item, why = freed.failed[0]
        more = f", and {len(freed.failed) - 1} more" if freed.failed[1:] else ""
        raise InfrastructureError(f"it cannot be removed: {why}{more}", where=item.path)
    if not removal.fits:
        raise InfrastructureError(
            f"{human(removal.after)} must stay, which is more than {human(size)}",
            hint="a larger gc.disk, fewer baselines (lab runs --named), or lab gc --recent",
        )
    return ExitStatus.EXPECTED


def _free(
    loaded: LoadedConfig,
    size: int,
    used_before: float,
    tell: Callable[[Removal], None] = lambda _: None,
    *,
    dry_run: bool = False,
    ask: bool = False,
    told: Removal | None = None,
) -> tuple[Removal, Freed | None]:
    """What goes, of which ``tell`` tells, and what went: None where somebody is asked first.

    No other lab begins meanwhile; so that none waits for an answer, one asks outside.
    """
    from dataclasses import replace

    from lab.gc import free, inventory, needs_of, other_projects, plan_removal, with_needs_of
    from lab.process.cache_use import sole_user, used_now
    from lab.results import Store

    cache = loaded.path(loaded.config.paths.cache)
    with sole_user(cache) as since, Store.open(loaded.database) as store:
        others = other_projects(loaded, cache)
        using = used_now(cache)
        needs = replace(needs_of(store, loaded, since), recent=used_before, using=using)
        items = inventory(loaded, cache, with_needs_of(needs, others, cache), others)
        removal = plan_removal(items, (cache, loaded.results), size)
        if told is not None:
            removal = removal.only(told)
        tell(removal)
        if dry_run or (ask and removal.before - removal.after > removal.before / 2):
            return removal, None
        return removal, free(removal)


def removal_lines(removal: Removal, verbose: bool = False) -> Iterator[str]:
    """What would go, before it does; what stays although it is too much, by the reason."""
    yield f"{human(removal.before)} in cache and results; the budget is {human(removal.budget)}"
    for item, size in removal.items:
        yield f"  {human(size):>7}  {_row(item)}"
    if not removal.items:
        yield "nothing to free"
    if verbose:
        yield from (f"  stays: {_row(item)}: {item.keep}" for item in removal.kept)
        return
    for why, items in _by_reason(removal.kept).items():
        kinds = ", ".join(_counted(kind, n) for kind, n in Counter(i.kind for i in items).items())
        yield f"  stay: {kinds}: {why}"
    if removal.kept:
        yield "  (-v: each of them)"


def _by_reason(items: Iterable[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(item.keep, []).append(item)
    return found


def _counted(kind: str, number: int) -> str:
    return f"{number} {kind if number == 1 or kind.endswith('s') else f'{kind}s'}"


def _row(item: Item) -> str:
    when = f"{datetime.fromtimestamp(item.used):%Y-%m-%d %H:%M}"
    return f"{item.kind:9}  {when}  {item.path.name}  {item.about}".rstrip()


def _tell(removal: Removal, verbose: bool) -> None:
    say_lines(removal_lines(removal, verbose))


def _freed_lines(freed: Freed | None) -> Iterator[str]:
    if freed is None:
        return
    if freed.items:
        yield f"freed {human(freed.bytes)}"
    for item, why in (*freed.passed_over, *freed.failed):
        yield f"left {item.path.name}: {why}"


def _print_json(removal: Removal, freed: Freed | None) -> None:
    from lab.cli.progress import print_json

    print_json(
        {
            "budget": removal.budget,
            "before": removal.before,
            "after": removal.after,
            "items": [{**_item(item), "bytes": size} for item, size in removal.items],
            "kept": [{**_item(item), "why": item.keep} for item in removal.kept],
            "freed": None if freed is None else [str(item.path) for item in freed.items],
            "failed": [{**_item(item), "why": why} for item, why in freed.failed] if freed else [],
        }
    )


def _item(item: Item) -> dict[str, object]:
    return {"kind": item.kind, "path": str(item.path), "used": item.used, "about": item.about}


def parsed_size(text: str | None) -> int | None:
    """The bytes of ``--budget``; None without it."""
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
