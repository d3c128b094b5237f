# SPDX-License-Identifier: GPL-2.0-only
"""Whether a run is to go to a cluster; asked of each run, so it brings nothing of Dask along."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lab.errors import UserError
from lab.execution.cluster.address import Address, checked_address
from lab.execution.executor import ExecutorRequest

if TYPE_CHECKING:
    from lab.builder import Listener
    from lab.config import LoadedConfig
    from lab.execution.cluster.builds import WorkersBuild
    from lab.execution.cluster.executor import Cluster


def cluster(asked: ExecutorRequest) -> Cluster | None:
    """For runs of a ``lab.toml`` that says ``[executor] kind = "dask"``.

    Raises:
        UserError: Its address is not safe, or Dask is not installed.
    """
    if asked.loaded.config.executor.kind != "dask":
        return None
    where = address_of(asked.loaded)
    require_dask()
    # It takes a second, which other runs need not spend.
    from lab.execution.cluster.executor import Cluster

    return Cluster(asked, where)


def builds_on_workers(loaded: LoadedConfig, listener: Listener) -> WorkersBuild | None:
    """Who makes builds, where workers are other hosts'; None where they are all this host's.

    Raises:
        UserError: The address is not safe, or Dask is not installed.
    """
    where = address_of(loaded)
    if where is None:
        return None
    require_dask()
    # It takes a second, which other runs need not spend.
    from lab.execution.cluster.builds import WorkersBuild

    return WorkersBuild(loaded, where, listener)


def kernels_made_here(loaded: LoadedConfig) -> str:
    """What is said where one kernel after the other is made of the last; "" without a cluster.

    Each is a step from objects that lie here: elsewhere it would be made anew.
    """
    section = loaded.config.executor
    if section.kind != "dask":
        return ""
    workers = f"the workers of {section.address}" if section.address else "workers of this host"
    return f"kernels are made on this host, one of the last one's objects; guests run on {workers}"


def address_of(loaded: LoadedConfig) -> Address | None:
    """The scheduler's; None for a cluster on this host alone.

    Raises:
        UserError: It is not safe.
    """
    section = loaded.config.executor
    if section.address is None:
        return None
    tls = section.tls and loaded.path(section.tls)
    return checked_address(section.address, tls, loaded.locate("executor", "address"))


def require_dask() -> None:
    """Raise UserError where Dask is not installed."""
    from importlib.util import find_spec

    if find_spec("distributed") is None:
        raise UserError(
            "Dask distributed is not installed",
            # Of the environment that has the lab: elsewhere pip finds another project of that name.
            hint=f"{sys.executable} -m pip install 'lab[dask]'",
        )
