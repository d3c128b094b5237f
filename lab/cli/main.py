# SPDX-License-Identifier: GPL-2.0-only
"""The entry point: errors become messages and exit statuses here."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import Any, NoReturn

# Pydantic would look through the metadata of every installed package for plugins, 30 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

import typer

from lab.errors import ExitStatus, LabError
from lab.interrupt import Interrupted, Terminated, status_of, terminate

#: Typer 0.16 on brings a click of its own, so ``import click`` names another class.
_CommandLineError: type[Exception] = next(
    base
    for base in typer.BadParameter.__mro__
    if base.__name__ == "ClickException" and issubclass(base, Exception)
)


def main() -> NoReturn:
    """Run the command line; exits with an ``ExitStatus``."""
    # Imports alone make 300,000 objects that stay: looking through them every 700 for
    # what is no longer used takes a quarter of a short command's time.
    gc.set_threshold(500_000)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, terminate)
    sys.exit(_run())


def commands() -> Any:
    """The command of all commands, as Click knows it."""
    # Each adds its commands to the app.
    from lab.cli import boot, claims, gc, nightly, patch, records, report, verify  # noqa: F401
    from lab.cli.commands import app

    return _quiet_about_completion(typer.main.get_command(app))


def _run() -> int:
    try:
        status = commands()(prog_name="lab", standalone_mode=False)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.status
    except _CommandLineError as error:
        error.show()  # type: ignore[attr-defined]
        return ExitStatus.USER
    except typer.Exit as error:
        return error.exit_code
    except typer.Abort:
        status = ExitStatus.INTERRUPTED
    except (KeyboardInterrupt, Terminated, Interrupted) as stop:
        status = status_of(stop)
    except BrokenPipeError:
        # The reader of a pipe went away (lab runs | head); nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    if isinstance(status, int) and status > 128:
        # Newer Typers turn Ctrl-C into this status by themselves.
        print("lab: interrupted; the same command goes on from here", file=sys.stderr)
    return status if isinstance(status, int) else ExitStatus.EXPECTED


def _quiet_about_completion(command: Any) -> Any:
    """The command, without Typer's two options in its help: that is to fit on a screen."""
    for parameter in command.params:
        if parameter.name in ("install_completion", "show_completion"):
            parameter.hidden = True
    return command
