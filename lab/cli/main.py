# SPDX-License-Identifier: GPL-2.0-only
"""The entry point: errors become messages and exit statuses here."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from lab.errors import ExitStatus, LabError

#: Typer 0.16 on brings a click of its own, so ``import click`` names another class.
_CommandLineError: type[Exception] = next(
    base
    for base in typer.BadParameter.__mro__
    if base.__name__ == "ClickException" and issubclass(base, Exception)
)


class Terminated(BaseException):
    """SIGTERM or SIGHUP: every ``with`` block on the way out cleans up."""


def main() -> NoReturn:
    """Run the command line; exits with an ``ExitStatus``."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    sys.exit(_run())


def _run() -> int:
    from lab.cli.commands import app

    try:
        status = app(standalone_mode=False)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.status
    except _CommandLineError as error:
        error.show()  # type: ignore[attr-defined]
        return ExitStatus.USER
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("lab: interrupted; the same command goes on from here", file=sys.stderr)
        return ExitStatus.INTERRUPTED
    except Terminated as error:
        return 128 + int(str(error))
    except BrokenPipeError:
        # The reader of a pipe went away (lab runs | head); nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return status if isinstance(status, int) else ExitStatus.EXPECTED


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated(number)
