# SPDX-License-Identifier: GPL-2.0-only
"""``lab patch rebuild``: a patch from the text that a web archive left of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.commands import File, Json, open_lab
from lab.cli.lines import say
from lab.cli.patch import patch_app
from lab.cli.records import Output
from lab.errors import ExitStatus
from lab.text import plain

if TYPE_CHECKING:
    from lab.patches.rebuild import Rebuilt


@patch_app.command()
def rebuild(
    text: Annotated[Path, typer.Argument(metavar="TEXT", help="A mail saved from a web page.")],
    kernel: Annotated[str, typer.Argument(metavar="KERNEL", help="6.1, or a folder: ./linux")],
    output: Output = None,
    file: File = None,
    json: Json = False,
) -> int:
    """Give a patch back the white space that a web archive took."""
    from lab.cli.progress import Show, print_json
    from lab.patches.damaged import CannotRebuild
    from lab.patches.overlay import Overlay
    from lab.patches.patched_tree import View
    from lab.patches.rebuild import Result
    from lab.patches.rebuild import rebuild as rebuilt_from
    from lab.results.folder import write_bytes

    opened, (name,) = open_lab(file).taking((kernel,))
    opened.loaded.require("kernel", name)
    with Show(opened.cache, quiet=json) as show:
        tree = opened.telling(show).builder.tree(name)
    try:
        rebuilt = rebuilt_from(text, View(tree, Overlay.empty()))
    except CannotRebuild as error:
        say("cannot", err=True)
        if json:
            print_json({"result": "cannot", "error": str(error)})
        raise
    if output is not None:
        write_bytes(output, rebuilt.diff)
    if json:
        print_json(_row(rebuilt))
    else:
        _tell(rebuilt)
        if output is None:
            _print(rebuilt.diff)
    return ExitStatus.EXPECTED if rebuilt.result is Result.PROVED else ExitStatus.UNEXPECTED


def _print(diff: bytes) -> None:
    if sys.stdout.isatty():
        say(diff.decode(errors="backslashreplace").removesuffix("\n"))
        return
    # As it is, byte for byte: it may be applied.
    sys.stdout.flush()
    sys.stdout.buffer.write(diff)


def _tell(rebuilt: Rebuilt) -> None:
    say(str(rebuilt.result), err=True)
    for file in rebuilt.files:
        why = f": {file.why}" if file.why else f": blob {file.blob}"
        say(f"  {file.name}  {file.result}{why}", err=True)
        for guess in file.guesses:
            say(f"    {guess}", err=True)


def _row(rebuilt: Rebuilt) -> dict[str, object]:
    return {
        "result": rebuilt.result.value,
        "files": [
            {
                "file": file.name,
                "result": file.result.value,
                "why": file.why or None,
                "blob": file.blob,
                "tried": file.tried,
                "guesses": [
                    {"line": guess.line, "guess": plain(guess.said)} for guess in file.guesses
                ],
            }
            for file in rebuilt.files
        ],
        "patch": rebuilt.diff.decode(errors="backslashreplace"),
    }
