# SPDX-License-Identifier: GPL-2.0-only
"""A timer for ``lab nightly``: systemd's user units, or a line of crontab(5)."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UserError
from lab.process.xdg import config_home
from lab.results import write_text

_NAME = "lab-nightly"
_SERVICE = """\
[Unit]
Description=lab nightly of {title}

[Service]
Type=oneshot
WorkingDirectory={folder}
ExecStart={command}
# It gives way to whoever works on the machine.
Nice=10
TimeoutStartSec=infinity
"""
_TIMER = """\
[Unit]
Description=lab nightly of {title}, every night

[Timer]
OnCalendar=*-*-* {at}:00
# A machine that slept through the night does it when it wakes.
Persistent=true

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True)
class Units:
    """The two files of the timer, and what else a user needs to know."""

    service: Path
    timer: Path
    crontab: str
    #: The timer of an older lab for the same project, which named those of all projects alike.
    older: Path | None = None

    @property
    def enable(self) -> tuple[str, ...]:
        """The commands that start the timer, and keep it when nobody is logged in."""
        return (
            *((f"systemctl --user disable --now {self.older.name}",) if self.older else ()),
            f"systemctl --user daemon-reload && systemctl --user enable --now {self.timer.name}",
            "loginctl enable-linger",
        )


def install(toml: Path, at: str = "02:30") -> Units:
    """Write the units below ``$XDG_CONFIG_HOME/systemd/user``; the same again changes nothing.

    They are named for the project: a second one has units of its own.

    Args:
        toml: The absolute path of the ``lab.toml``.
        at: ``HH:MM``, local time.

    Raises:
        UserError: No such time, or a path that no unit can hold.
        InfrastructureError: They cannot be written.
    """
    match = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", at)
    if match is None:
        raise UserError(f"{at!r} is no time", where="--at", hint="--at 02:30")
    command = [*_lab(), "nightly", "--file", str(toml)]
    for path in (toml, Path(command[0])):
        _refuse_unspeakable(path)
    title = _specifiers(str(toml.parent))
    folder = config_home() / "systemd" / "user"
    name = _name(toml)
    hour, minute = int(match[1]), int(match[2])
    return Units(
        write_text(
            folder / f"{name}.service",
            _SERVICE.format(
                title=title, folder=title, command=" ".join(_quoted(word) for word in command)
            ),
        ),
        write_text(
            folder / f"{name}.timer", _TIMER.format(title=title, at=f"{hour:02}:{minute:02}")
        ),
        # In crontab(5), "%" is a line break.
        f"{minute} {hour} * * * {shlex.join(command)}".replace("%", "\\%"),
        _older(folder, command),
    )


def _name(toml: Path) -> str:
    """``lab-nightly-PROJECT-DIGEST``: folders of several projects may be called alike."""
    project = re.sub(r"[^A-Za-z0-9_.]+", "-", toml.parent.name).strip("-.")[:40]
    digest = hashlib.sha256(os.fsencode(toml)).hexdigest()[:8]
    return "-".join(filter(None, (_NAME, project, digest)))


def _refuse_unspeakable(path: Path) -> None:
    # A line of a unit ends at a line break, goes on after a backslash, loses blanks at its
    # end, and has to be UTF-8 (systemd.syntax(7)); cron knows no way around either.
    text = str(path)
    if not text.isprintable() or any(part != part.rstrip("\\ ") for part in path.parts):
        raise UserError(
            "this path cannot be written into a unit: it has a line break, an unprintable "
            "character, or a blank or backslash at the end of a name",
            where=repr(text),
            hint="a link to the folder, by another name: lab nightly --install -C LINK",
        )


def _older(folder: Path, command: Sequence[str]) -> Path | None:
    """The timer that an older lab wrote for this project, when it is still there."""
    try:
        text = (folder / f"{_NAME}.service").read_text()
    except (OSError, UnicodeDecodeError):
        return None
    mine = f" {_quoted(command[-1])}\n" in text
    return folder / f"{_NAME}.timer" if mine else None


def _lab() -> list[str]:
    """How this lab is started, by absolute paths: a timer has no venv activated."""
    beside = Path(sys.executable).parent / "lab"
    return [str(beside)] if beside.is_file() else [sys.executable, "-m", "lab"]


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """A word of ExecStart= (systemd.service(5), COMMAND LINES)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{_specifiers(escaped)}"' if re.search(r"[^\w@%+=:,./-]", word) else _specifiers(word)
