# SPDX-License-Identifier: GPL-2.0-only
"""Who makes builds on other hosts: a line each, and nothing else names them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lab.builder.listener import Listener
from lab.config import LoadedConfig
from lab.config.model import KernelSection
from lab.model.maker import made_by
from lab.results.hosts import Doing

if TYPE_CHECKING:
    from lab.build import Build, BuildJob


@dataclass(frozen=True)
class WantedBuild:
    """A build that nobody has.

    Attributes:
        name: What it is called for a reader.
        source: Where its tree comes from, for a host that has it not.
        stopped: Says whether nobody wants it any more.
    """

    job: BuildJob
    name: str
    source: KernelSection
    stopped: Callable[[], bool]


class Elsewhere(Protocol):
    """Has builds made on other hosts."""

    def made(self, wanted: WantedBuild) -> Build | None:
        """The build, in the cache of this host; None where it has to be made here.

        Raises:
            UserError: The kernel does not build.
            InfrastructureError: It killed who built it, or who has builds made is gone.
        """

    def doing(self) -> Sequence[Doing]:
        """What other hosts are at, now; for any thread."""


#: ``MODULE:NAME`` of what gives, for a config, whoever makes its builds; None for this host.
MAKERS: dict[str, str] = {"dask": "lab.execution.cluster.asked:builds_on_workers"}
#: A build that is made elsewhere is only waited for here, by a thread: a matrix of 14 kernels
#: with and without a series, with three configs, has 84.
MOST = 256


def maker_for(loaded: LoadedConfig, listener: Listener, stack: ExitStack) -> Elsewhere | None:
    """Who makes the builds of a config until a stack is left; None is this host.

    Raises:
        UserError: An address is not safe, or something is not installed.
    """
    name = MAKERS.get(loaded.config.executor.kind)
    maker: AbstractContextManager[Elsewhere] | None = (
        made_by(name)(loaded, listener) if name else None
    )
    return None if maker is None else stack.enter_context(maker)
