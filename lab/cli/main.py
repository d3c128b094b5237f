# SPDX-License-Identifier: GPL-2.0-only
"""The entry point: errors become messages and exit statuses here."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any, NoReturn

# Pydantic would look through the metadata of every installed package for plugins, 30 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from lab.cli.streams import Stream, take_over
from lab.errors import ExitStatus, LabError
from lab.process.interrupt import Interrupted, Terminated, status_of, terminate

#: git-bisect(1): what is above 127 ends it.
_ENDS_BISECTION = 255
_NO_WORD = (ExitStatus.USER, ExitStatus.INFRASTRUCTURE)


def main() -> NoReturn:
    """Run the command line; exits with an ``ExitStatus``."""
    # Imports alone make 300,000 objects that stay: looking through them every 700 for
    # what is no longer used takes a quarter of a short command's time.
    gc.set_threshold(500_000)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, terminate)
    out, _ = take_over()
    threading.excepthook = _thread_failed
    status = _guarded(out)
    sys.exit(_for_git(_printed(out, status)))


def _for_git(status: int) -> int:
    """What ``git bisect run`` reads as it is meant: for it 1 to 124 are bad commits.

    A slip on the command line, or what nobody foresaw, is no word on any commit.
    """
    asked = "--bisect" in sys.argv[1:]
    return _ENDS_BISECTION if asked and status in _NO_WORD else status


def commands() -> Any:
    """The command of all commands, as Click knows it."""
    import typer

    # Each adds its commands to the app.
    from lab.cli import (  # noqa: F401
        base,
        bisect,
        boot,
        claims,
        cluster,
        cp,
        gc,
        nightly,
        patch,
        rebuild,
        records,
        reply,
        report,
        review_check,
        store,
        verify,
    )
    from lab.cli.commands import app

    return _quiet_about_completion(typer.main.get_command(app))


def _guarded(out: Stream) -> int:
    """The command's status, whatever it ended with; Python's own for an exception is none."""
    try:
        return _run()
    except LabError as error:
        return _failed(error)
    except (KeyboardInterrupt, Terminated, Interrupted) as stop:
        return _interrupted(status_of(stop))
    except (Exception, SystemExit) as error:
        if isinstance(out.trouble, BrokenPipeError):
            # The reader of a pipe went away (lab runs | head); nothing is wrong.
            return 128 + signal.SIGPIPE
        return _foreseen_by_nobody(error)


def _run() -> int:
    import typer

    #: Typer 0.16 on brings a click of its own, so ``import click`` names another class.
    command_line_error: type[Exception] = next(
        base
        for base in typer.BadParameter.__mro__
        if base.__name__ == "ClickException" and issubclass(base, Exception)
    )
    try:
        status = commands()(prog_name="lab", standalone_mode=False)
    except command_line_error as error:
        error.show()  # type: ignore[attr-defined]
        return ExitStatus.USER
    except typer.Exit as error:
        return error.exit_code
    except typer.Abort:
        status = ExitStatus.INTERRUPTED
    if status == ExitStatus.INTERRUPTED:
        # Newer Typers turn Ctrl-C into this status by themselves.
        return _interrupted(status)
    return status if isinstance(status, int) else ExitStatus.EXPECTED


def _interrupted(status: int) -> int:
    print("lab: interrupted; the same command goes on from here", file=sys.stderr)
    return status


def _failed(error: LabError) -> int:
    print(f"lab: {error}", file=sys.stderr)
    return error.status


def _foreseen_by_nobody(error: Exception | SystemExit) -> int:
    if isinstance(error, SystemExit) and not error.code:
        return ExitStatus.EXPECTED  # Typer, when it has shown or installed a completion
    if isinstance(error, SystemExit):
        # Nothing in the lab means to end so; whoever did takes its status for another's.
        error = RuntimeError(f"something ended the lab: SystemExit({error.code})")
    try:
        from lab.unforeseen import as_lab_error

        return _failed(as_lab_error(error))
    except Exception:
        # There may be no memory to say more with.
        os.write(2, b"lab: the lab itself failed, and could not say more: out of memory?\n")
        return ExitStatus.INFRASTRUCTURE


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    if isinstance(failed.exc_value, Exception):
        _foreseen_by_nobody(failed.exc_value)


def _printed(out: Stream, status: int) -> int:
    """The status, when all that was printed has come to where it was to."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    if out.trouble is None:
        return status
    if isinstance(out.trouble, BrokenPipeError):
        return 128 + signal.SIGPIPE
    said = os.strerror(out.trouble.errno or 0)
    print(f"lab: stdout could not be written: {said}; what is above may be cut", file=sys.stderr)
    return status or ExitStatus.INFRASTRUCTURE


def _quiet_about_completion(command: Any) -> Any:
    """The command, without Typer's two options in its help: that is to fit on a screen."""
    for parameter in command.params:
        if parameter.name in ("install_completion", "show_completion"):
            parameter.hidden = True
    return command
