# SPDX-License-Identifier: GPL-2.0-only
"""``lab cluster``, ``lab worker``: other hosts that run jobs of the lab."""

from __future__ import annotations

import re
import sys
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.commands import File, Json, app, load_config
from lab.cli.help import Typer
from lab.cli.lines import say, say_lines
from lab.errors import ExitStatus, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab.config import LoadedConfig
    from lab.execution.cluster.address import Address

Where = Annotated[str, typer.Argument(metavar="ADDRESS", help="tls://HOST:8786.")]
Tls = Annotated[
    Path | None, typer.Option("--tls", metavar="DIR", help="The certificates; else executor.tls.")
]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="NAME", help="What else it offers to jobs.")
]

cluster_app = Typer()
app.add_typer(
    cluster_app, name="cluster", help="Other hosts that run jobs of the lab.", hidden=True
)


@cluster_app.callback()
def _main() -> None:
    pass


@cluster_app.command()
@app.command(hidden=True)
def worker(
    address: Where,
    label: Labels = None,
    tls: Tls = None,
    file: File = None,
    json: Json = False,
) -> int:
    """Run jobs that a scheduler sends here, until a signal or its end.

    It offers what this host was shown to do: guests by its CPUs and memory (guests in
    lab.local.toml sets how many CPUs), KVM if a guest ran under it, builds.
    """
    from lab.execution.cluster.asked import require_dask

    require_dask()
    loaded = load_config(file)
    where = _checked(loaded, address, tls)
    from lab.execution.cluster.serving import serve_worker

    serve_worker(where, loaded, _labels(label or ()), _teller(json))
    return ExitStatus.EXPECTED


@cluster_app.command()
def scheduler(
    address: Where,
    tls: Tls = None,
    file: File = None,
    json: Json = False,
) -> int:
    """Be the scheduler that workers and runs meet at, until a signal.

    ADDRESS is where it listens: tls://0.0.0.0:8786 is each network of this host.
    """
    from lab.execution.cluster.asked import require_dask

    require_dask()
    where = _checked(load_config(file), address, tls)
    from lab.execution.cluster.serving import serve_scheduler

    serve_scheduler(where, _teller(json))
    return ExitStatus.EXPECTED


@cluster_app.command()
def certificates(
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    json: Json = False,
) -> int:
    """Make a CA of your own, and the certificate that all hosts of a cluster have.

    Copy ca.pem and lab.pem to each host, by ssh: whoever has lab.pem is of the cluster, and
    can run anything there. ca.key stays here; without it nobody makes more.
    """
    from lab.cli.progress import print_json
    from lab.execution.cluster.certificates import make_certificates

    made = make_certificates(folder)
    if json:
        print_json({"made": [str(path) for path in made]})
    else:
        say_lines(map(str, made))
        say("ca.pem and lab.pem go to each host, by ssh; ca.key stays here", err=True)
    return ExitStatus.EXPECTED


def _labels(given: Sequence[str]) -> tuple[str, ...]:
    """Those that [executor] could ask for."""
    from lab.config.model import NAME_PATTERN

    for name in given:
        if not re.fullmatch(NAME_PATTERN, name):
            raise UserError(
                f"{name!r} is no label: [executor] could not ask for it",
                hint="letters, digits, '.', '_' and '-'; --label again for another",
            )
    return tuple(given)


def _checked(loaded: LoadedConfig, address: str, tls: Path | None) -> Address:
    from lab.execution.cluster.address import checked_address

    own = loaded.config.executor.tls
    return checked_address(address, tls or (own and loaded.path(own)))


def _teller(json: bool) -> Callable[[str], None]:
    """Says what a process of a cluster has to say, at once."""

    def tell(line: str) -> None:
        if json:
            print(dumps({"said": line}), flush=True)
        else:
            say(line)
            sys.stdout.flush()

    return tell
