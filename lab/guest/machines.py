# SPDX-License-Identifier: GPL-2.0-only
"""Which kind of guest a machine of ``lab.toml`` is; another kind is one more module, named here."""

from __future__ import annotations

from lab.guest.protocol import GuestSpec
from lab.guest.qemu.machine import qemu_spec
from lab.guest.request import GuestRequest


def spec_for(asked: GuestRequest) -> GuestSpec:
    """What such guests are made from.

    Raises:
        UserError: The machine is not what this host, or the kernel, can have.
        InfrastructureError: A tool that it takes is missing.
    """
    return qemu_spec(asked)
