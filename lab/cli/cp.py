# SPDX-License-Identifier: GPL-2.0-only
"""``lab cp``: files into a guest that ``lab boot`` has open, and out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.cli.commands import File, Json, app, load_config
from lab.cli.lines import say
from lab.errors import ExitStatus, UserError

#: Whichever guest is open, where that is one.
_ANY = "guest"


@app.command()
def cp(
    source: Annotated[str, typer.Argument(metavar="SRC", help="A file or folder, or guest:PATH.")],
    target: Annotated[str, typer.Argument(metavar="DST", help="Where to; one is guest:PATH.")],
    file: File = None,
    json: Json = False,
) -> int:
    """Copy into a guest that `lab boot` has open, or out of it."""
    from lab.cli.progress import print_json
    from lab.guest.courier import get, put

    out, into = _in_guest(source), _in_guest(target)
    if bool(out) is bool(into):
        raise UserError(
            f"one of {source!r} and {target!r} has to be in a guest, and the other one here",
            hint="lab cp FILE guest:/tmp; of several guests, 6.1:/tmp",
        )
    guests = load_config(file).results / "guests"
    if out:
        where = str(get(_guest(guests, out[0]), out[1], Path(target)))
    else:
        assert into
        put(_guest(guests, into[0]), Path(source), into[1])
        where = target
    if json:
        print_json({"source": source, "target": where})
    elif out:
        say(where)
    return ExitStatus.EXPECTED


def _in_guest(text: str) -> tuple[str, str] | None:
    """The guest and the path there; as scp(1), what has a slash before its colon is here."""
    name, colon, path = text.partition(":")
    return (name, path) if colon and name and "/" not in name else None


def _guest(guests: Path, name: str) -> Path:
    """The folder of the open guest of that name: a variant, the folder's own name, or ``guest``.

    Raises:
        UserError: There is none, or there are several.
    """
    from lab.guest.courier import SOCKET, who

    folders = sorted(path.parent for path in guests.glob(f"*/{SOCKET}"))
    open_ones = {folder: variant for folder in folders if (variant := who(folder)) is not None}
    found = [one for one, variant in open_ones.items() if name in (_ANY, variant, one.name)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{of or 'busy'} ({folder.name})" for folder, of in open_ones.items())
    none = f"no guest {name!r} {'answers' if '' in open_ones.values() else 'is open'}"
    what = f"several guests are {name!r}" if found else none
    raise UserError(what, where=guests, hint=listed or "lab boot VARIANT, in another terminal")
