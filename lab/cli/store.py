# SPDX-License-Identifier: GPL-2.0-only
"""``lab store``: what machines share."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.commands import Configs, File, Json, Machines, Variants, app, load_config, open_lab
from lab.cli.gc import parsed_size
from lab.cli.help import Typer
from lab.cli.lines import say, say_lines
from lab.errors import ExitStatus, InfrastructureError, UserError
from lab.text import human

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.session import Lab
    from lab.store.inventory import Entry
    from lab.store.store import Store

store_app = Typer()
app.add_typer(store_app, name="store", help="Trees, builds and programs that machines share.")


@store_app.callback()
def _main() -> None:
    pass


@store_app.command()
def push(
    variants: Variants = None,
    machine: Machines = None,
    config: Configs = None,
    file: File = None,
    json: Json = False,
) -> int:
    """Build variants, and put them there with their trees and programs.

    Whether `push` is set or not; what is there already is left as it is.
    """
    from lab.cli.commands import plan_of
    from lab.cli.progress import Show, print_json
    from lab.execution.push import push_plan
    from lab.store.door import NOT_WRITTEN

    opened, named = open_lab(file).taking(variants or ())
    plan = plan_of(opened, named, machines=machine, configs=config)
    opened, store = _pushing(opened)
    _require_there(store)
    with Show(opened.cache, quiet=json) as show:
        failed = push_plan(opened.telling(show).builder, plan, store)
    if json:
        rows = [{"what": what, "error": str(error)} for what, error in failed]
        print_json({"url": str(store.settings.url), **dict(store.account.rows()), "failed": rows})
    else:
        for what, error in failed:
            say(f"{what}: {error}", err=True)
        said = store.account.told()
        # One that cannot be asked has nothing, as far as anybody knows.
        is_there = store.pushes and not store.away and not failed
        say(f"{store.settings.url}: {said or ('all is there' if is_there else 'nothing was put')}")
    if failed:
        return max(error.status for _, error in failed)
    if store.away or not store.pushes:
        raise InfrastructureError(
            "the store cannot be written",
            where=str(store.settings.url),
            hint=store.door.hint or NOT_WRITTEN,
        )
    return ExitStatus.EXPECTED


@store_app.command()
def check(file: File = None, json: Json = False) -> int:
    """Read all that it has, and say what is not as it was put there.

    1 where something is damaged: the lab takes nothing of that.  What is gone or cut short
    `lab store gc` removes, and `lab store push` puts there anew.
    """
    from lab.cli.progress import print_json
    from lab.store.inventory import take_inventory, with_contents_read

    with _looking(file) as store:
        found = take_inventory(store.door)
        known: dict[str, str] = {}
        entries = [with_contents_read(store.door, entry, known) for entry in found.entries]
    damaged = [entry for entry in entries if entry.trouble]
    if json:
        print_json({"url": str(store.settings.url), "entries": [_row(each) for each in entries]})
    else:
        say_lines(_line(entry) for entry in entries)
        say(f"{len(entries)} entries, {human(found.size)}; {len(damaged)} damaged")
    return ExitStatus.UNEXPECTED if damaged else ExitStatus.EXPECTED


@store_app.command()
def gc(
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="SIZE", help="The oldest beyond it: 200G.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it; else it is only said.")] = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Say what of it is damaged, named by nothing or too much; --yes: remove that.

    What is younger than a day stays: somebody may be about to name it.
    """
    from lab.cli.progress import print_json
    from lab.store.gc import carry_out, clock, plan_store_removal
    from lab.store.inventory import take_inventory

    size = parsed_size(budget)
    with _looking(file) as store:
        now = clock(store.door) if yes else time.time()
        found = take_inventory(store.door)
        removal = plan_store_removal(found, now, size)
        if yes:
            removal = carry_out(store.door, removal, lambda _: None)
    if json:
        rows = [{**_row(entry), "why": why} for entry, why in removal.entries]
        print_json(
            {
                "url": str(store.settings.url),
                "before": removal.before,
                "after": removal.after,
                "items": rows,
                "contents": len(removal.contents),
                "freed": removal.freed if yes else None,
            }
        )
        return ExitStatus.EXPECTED
    say_lines(f"{entry.kind:9} {entry.key}  {why}" for entry, why in removal.entries)
    what = f"{len(removal.entries)} entries and {len(removal.contents)} contents"
    would = human(removal.before - removal.after)
    if yes:
        say(f"removed {what}, {human(removal.freed)}")
    elif removal.entries or removal.contents:
        say(f"{what} would go, {would} of {human(removal.before)}; lab store gc --yes does it")
    else:
        say(f"nothing would go; {human(removal.before)} are there")
    gone = {(entry.kind, entry.key) for entry, _ in removal.entries}
    young = [one for one in found.entries if one.trouble and (one.kind, one.key) not in gone]
    if young:
        say(f"{len(young)} damaged stay until a day old; lab store push puts anew what it makes")
    if size is not None and removal.after > size:
        say(f"{human(removal.after)} stay, beyond {budget}: all of it is younger than a day")
    return ExitStatus.EXPECTED


def _pushing(opened: Lab) -> tuple[Lab, Store]:
    """The same lab, whose store takes what is given whatever ``push`` says."""
    from dataclasses import replace

    from lab.store.registry import use_store

    loaded = opened.loaded
    section = loaded.config.store.model_copy(update={"push": True})
    config = loaded.config.model_copy(update={"store": section})
    opened = opened.with_config(replace(loaded, config=config))
    store = use_store(opened.cache, opened.loaded.store, _tell)
    if store is None:
        raise _no_store(loaded.toml)
    return opened, store


def _require_there(store: Store) -> None:
    """Reach it before an hour is spent on what would go there.

    Raises:
        UserError: It is one that nobody writes to.
        InfrastructureError: Nobody answers, or it is not there.
    """
    from lab.store.door import Unusable
    from lab.store.settings import SCHEMES

    url = store.settings.url
    if not SCHEMES[url.scheme]:
        raise UserError(
            f"a store at {url.scheme}:// is only read",
            where=str(url),
            hint="the same store by file://, sftp:// or s3://",
        )
    tell, store.door.tell = store.door.tell, lambda _: None
    try:
        store.door.do(lambda _, __: None)
    except Unusable as error:
        raise InfrastructureError(str(error), where=str(url), hint=error.hint or None) from None
    finally:
        store.door.tell = tell


@contextmanager
def _looking(file: Path | None) -> Iterator[Store]:
    """The store of a ``lab.toml``; what is wrong with it is an error here."""
    from lab.store.door import Unusable
    from lab.store.store import Store

    loaded = load_config(file)
    settings = loaded.store
    if settings is None:
        raise _no_store(loaded.toml)
    said: list[str] = []
    try:
        yield Store(settings, said.append)
    except Unusable as error:
        raise InfrastructureError(
            str(error), where=str(settings.url), hint=error.hint or None
        ) from None


def _no_store(toml: Path) -> UserError:
    return UserError(
        "no store is named",
        where=toml,
        hint='[store] url = "file:///FOLDER" in lab.toml or lab.local.toml',
    )


def _tell(what: str) -> None:
    print(f"lab: {what}", file=sys.stderr, flush=True)


def _line(entry: Entry) -> str:
    made = entry.manifest
    by = f"{made.made} {made.host}" if made else ""
    return f"{entry.kind:9} {entry.key}  {human(entry.size):>7}  {by}  {entry.trouble or 'whole'}"


def _row(entry: Entry) -> dict[str, object]:
    made = entry.manifest
    return {
        "kind": entry.kind,
        "key": entry.key,
        "bytes": entry.size,
        "made": made.made if made else "",
        "host": made.host if made else "",
        "trouble": entry.trouble,
    }
