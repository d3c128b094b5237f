# SPDX-License-Identifier: GPL-2.0-only
"""What make runs, written down by the shell it runs it with, to be run again without make.

A kernel's make takes ten seconds to find that nothing is to be done, and a link three.  Where
the content of one source file is all that changes, the same commands in the same order make the
next kernel: whoever goes by that has to prove it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.build.make import Make
from lab.process.removal import remove_tree

_SHELL = """\
#!/bin/sh
# make(1) runs: SHELL -c COMMAND
if [ -n "$LAB_RECORD" ]; then
    printf %s "$2" >"$LAB_RECORD/$$.command"
    pwd >"$LAB_RECORD/$$.folder"
    env -0 >"$LAB_RECORD/$$.environment"
    echo "$$" >>"$LAB_RECORD/order"
    LAB_ABOVE=$$
    export LAB_ABOVE
fi
exec /bin/sh "$@"
"""
#: One make that only starts another.
_MAKE = re.compile(r"\s*[@+]?\s*(?:\S*/)?make\b")
#: How kbuild's recipes begin (scripts/Kbuild.include); all else is asked while make reads, or looks
#: whether what it writes is another than it was.
_RECIPE = re.compile(
    r"\s*(?:set -e;)?\s*echo ['\"]  (?!CHK |CALL |UPD |GEN )[A-Z][A-Z0-9_]+ "
    # The link says nothing of itself since 5.18 (cmd_link_vmlinux).
    r"|\s*set -e;[^\n]*/link-vmlinux\.sh "
)
#: Of the make that ran: descriptors that are closed now, and how many jobs at once.
_OF_MAKE = re.compile(r"(?:^|\s)-?-?(?:j\d*|jobserver-(?:auth|fds)=\S+)(?=\s|$)")
_OWN = ("LAB_RECORD", "LAB_ABOVE", "_", "PWD", "OLDPWD", "SHLVL", "MAKE_TERMERR", "MAKE_TERMOUT")


@dataclass(frozen=True)
class Command:
    """What make's shell ran: where, and with which environment; ``above`` is who started it."""

    number: str
    above: str
    folder: str
    text: str
    environment: tuple[tuple[str, str], ...]

    @property
    def script(self) -> str:
        """The same for a shell."""
        settings = (f"{name}={value}" for name, value in self.environment)
        words = ["env", "-i", *settings, "/bin/sh", "-c", self.text]
        return f"(cd {shlex.quote(self.folder)} && {shlex.join(words)}) || exit 1\n"


def record(make: Make, target: str, folder: Path, to: Path) -> None:
    """Make a target, and write down as a script what was run for it.

    Args:
        folder: One of make's ``tools``: the shell that writes lies there.
        to: The script.

    Raises what making it raises.
    """
    shell, notes = folder / "sh-recorded", make.objects / ".lab-recorded"
    folder.mkdir(exist_ok=True)
    shell.write_text(_SHELL)
    shell.chmod(0o755)
    remove_tree(notes)
    notes.mkdir()
    recording = replace(
        make,
        arguments=(*make.arguments, f"SHELL={shell}"),
        environment={**make.environment, "LAB_RECORD": str(notes)},
    )
    try:
        recording(target)
        to.write_text("".join(command.script for command in chosen(list(_noted(notes)))))
    finally:
        remove_tree(notes)


def chosen(commands: Sequence[Command]) -> Iterator[Command]:
    """Those of recipes, without what they started themselves."""
    known = {command.number: command for command in commands}
    for command in commands:
        if _RECIPE.match(command.text) and all(map(_is_make, _those_above(command, known))):
            yield command


def _those_above(command: Command, known: dict[str, Command]) -> Iterator[Command]:
    while (above := known.get(command.above)) is not None:
        yield above
        command = above


def _is_make(command: Command) -> bool:
    return _MAKE.match(command.text) is not None


def _noted(notes: Path) -> Iterator[Command]:
    order = notes / "order"
    for number in order.read_text().split() if order.exists() else ():
        note = notes / number
        rows = note.with_suffix(".environment").read_text().split("\0")
        settings = dict(row.partition("=")[::2] for row in rows if "=" in row)
        text = note.with_suffix(".command").read_text()
        where = note.with_suffix(".folder").read_text().rstrip("\n")
        above = settings.get("LAB_ABOVE", "")
        yield Command(number, above, where, text, tuple(_kept(settings)))


def _kept(settings: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in sorted(settings.items()):
        if name not in _OWN:
            flags = name in ("MAKEFLAGS", "MFLAGS")
            yield name, _OF_MAKE.sub("", value) if flags else value
