# SPDX-License-Identifier: GPL-2.0-only
"""A timer for ``lab nightly``: systemd's user units, or a line of crontab(5)."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UserError
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

    @property
    def enable(self) -> tuple[str, ...]:
        """The commands that start the timer, and keep it when nobody is logged in."""
        return (
            f"systemctl --user daemon-reload && systemctl --user enable --now {self.timer.name}",
            "loginctl enable-linger",
        )


def install(toml: Path, at: str = "02:30") -> Units:
    """Write the units below ``$XDG_CONFIG_HOME/systemd/user``; the same again changes nothing.

    Args:
        toml: The absolute path of the ``lab.toml``.
        at: ``HH:MM``, local time.

    Raises:
        UserError: No such time.
        InfrastructureError: They cannot be written.
    """
    match = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", at)
    if match is None:
        raise UserError(f"{at!r} is no time", where="--at", hint="--at 02:30")
    command = [*_lab(), "nightly", "--file", str(toml)]
    title = _specifiers(str(toml.parent))
    folder = _home() / "systemd" / "user"
    hour, minute = int(match[1]), int(match[2])
    return Units(
        write_text(
            folder / f"{_NAME}.service",
            _SERVICE.format(
                title=title, folder=title, command=" ".join(_quoted(word) for word in command)
            ),
        ),
        write_text(
            folder / f"{_NAME}.timer", _TIMER.format(title=title, at=f"{hour:02}:{minute:02}")
        ),
        # In crontab(5), "%" is a line break.
        f"{minute} {hour} * * * {shlex.join(command)}".replace("%", "\\%"),
    )


def _home() -> Path:
    # XDG Base Directory Specification: a relative path counts for nothing.
    given = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".config"


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
