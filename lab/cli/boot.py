# SPDX-License-Identifier: GPL-2.0-only
"""``lab boot``: a shell in a guest, or a command."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.commands import File, Json, app, open_lab, plan_of
from lab.errors import InfrastructureError, UserError
from lab.text import plain

if TYPE_CHECKING:
    from lab.cli.by_hand import ByHand
    from lab.guest.guest import Guest
    from lab.plan import JobPlan
    from lab.session import Lab

Machine = Annotated[
    str | None, typer.Option("--machine", metavar="NAME", help="A machine of lab.toml.")
]
Config = Annotated[
    str | None, typer.Option("--config", metavar="NAME", help="A config of lab.toml.")
]

#: What a command in a guest may take when nobody looks: a week.
_DEADLINE_S = 7 * 86400.0
#: The end of the console that --json holds, in bytes.
_CONSOLE = 1 << 20


Gdb = Annotated[bool, typer.Option("--gdb", help="With QEMU's stub for gdb; says how to reach it.")]
GdbWait = Annotated[
    bool, typer.Option("--gdb-wait", help="The same, before the kernel's first instruction.")
]
Share = Annotated[
    Path | None,
    typer.Option("--share", metavar="DIR", help="A folder to read, as /mnt/share in the guest."),
]
ShareRw = Annotated[
    Path | None,
    typer.Option(
        "--share-rw", metavar="DIR", help="The same; what the guest makes of it comes back."
    ),
]


@app.command(context_settings={"ignore_unknown_options": True})
def boot(
    variant: Annotated[str, typer.Argument(metavar="VARIANT", help="Or a folder: ./linux")],
    command: Annotated[list[str] | None, typer.Argument(metavar="-- COMMAND")] = None,
    machine: Machine = None,
    config: Config = None,
    gdb: Gdb = False,
    gdb_wait: GdbWait = False,
    share: Share = None,
    share_rw: ShareRw = None,
    file: File = None,
    json: Json = False,
) -> int:
    """A shell in a guest, or a command; its exit status comes through."""
    from lab.cli.by_hand import ByHand
    from lab.cli.progress import print_json
    from lab.doctor import require

    opened, named = open_lab(file).taking([variant])
    job = plan_of(
        opened, named, machines=[machine] if machine else None, configs=[config] if config else None
    ).jobs[0]
    line = shlex.join(command) if command else None
    if json and line is None:
        raise UserError(
            "a shell is for a person: --json takes a command",
            where="--json",
            hint=f"lab boot --json {variant} -- COMMAND",
        )
    if share is not None and share_rw is not None:
        raise UserError("--share and --share-rw: a guest has one folder", hint="one of them")
    require("test")
    with ExitStack() as stack:
        complaints: list[str] = []
        writable = share_rw is not None
        own = ByHand(gdb or gdb_wait, gdb_wait, share_rw if writable else share, writable=writable)
        by_hand = stack.enter_context(own)
        guest = _started(opened, job, stack, complaints.append if json else _say, by_hand)
        by_hand.opened(guest, str(job.variant), stack)
        if json and line is not None:
            document, status = _ran(str(job.variant), guest, line)
            # The last of them is known when the guest's block has ended.
            stack.close()
            print_json({**document, "complaints": complaints})
            return status
        return guest.interact(line)


def _started(
    opened: Lab, job: JobPlan, stack: ExitStack, tell: Callable[[str], None], by_hand: ByHand
) -> Guest:
    """The guest, when the progress bar is gone: the terminal is the guest's then."""
    from lab.cli.progress import Show

    with Show(opened.cache, quiet=tell is not _say) as show:
        guest = opened.telling(show).guest(
            str(job.variant),
            machine=job.machine,
            config=job.config,
            tell=tell,
            changed=lambda spec: by_hand.changed(spec, show.say),
        )
        return stack.enter_context(guest)


def _say(complaint: str) -> None:
    """On a line of its own, on a terminal that may be the guest's now, and raw."""
    end = "\r\n" if sys.stderr.isatty() else "\n"
    before = "\r\n" if sys.stderr.isatty() else ""
    said = f"{before}lab: the kernel says: {plain(complaint)}"
    print(said, end=end, file=sys.stderr, flush=True)


def _end_of(path: Path) -> str:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _CONSOLE))
        return stream.read().decode(errors="replace").replace("\r", "")


def _ran(variant: str, guest: Guest, line: str) -> tuple[dict[str, Any], int]:
    """What a command in the guest came to, for ``--json``, and its exit status."""
    spec = guest.spec
    document: dict[str, Any] = {
        "variant": variant,
        "command": line,
        "accelerator": spec.describe().accelerator,
        "image": str(spec.kernel),
        # The same, as it is called on x86: of before there were others.
        "bzimage": str(spec.kernel),
    }
    try:
        done = guest.run(line, _DEADLINE_S)
    except InfrastructureError as error:
        said = getattr(error, "stdout", "")
        ended: dict[str, Any] = {"status": None, "stdout": said, "stderr": "", "error": str(error)}
        status = int(error.status)
    else:
        ended = {"status": done.status, "stdout": done.stdout, "stderr": done.stderr}
        ended["duration_s"] = round(done.duration_s, 3)
        status = done.status
    return {**document, **ended, "console": _end_of(guest.console.path)}, status
