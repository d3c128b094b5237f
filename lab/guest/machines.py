# SPDX-License-Identifier: GPL-2.0-only
"""What guests of a machine of ``lab.toml`` are made from; ``lab.config.kinds`` has its kinds."""

from __future__ import annotations

from collections.abc import Callable

from lab.config.kinds import MACHINES
from lab.guest.guest import GuestSpec
from lab.guest.request import GuestRequest
from lab.model.maker import made_by


def spec_for(asked: GuestRequest) -> GuestSpec:
    """What such guests are made from.

    Raises:
        UserError: The machine is not what this host, or the kernel, can have.
        InfrastructureError: A tool that it takes is missing.
    """
    make: Callable[[GuestRequest], GuestSpec] = made_by(MACHINES[asked.machine.kind])
    return make(asked)
