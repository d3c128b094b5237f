# SPDX-License-Identifier: GPL-2.0-only
"""A command that ran in a guest, and the ways it can fail to end."""

from __future__ import annotations

from dataclasses import dataclass

from lab.errors import InfrastructureError


class GuestLost(InfrastructureError):
    """The connection to the guest ended before the command did.

    Attributes:
        stdout: What the command had printed by then, as far as it is known.
    """

    stdout: str = ""


class CommandTimeout(InfrastructureError):
    """A command in the guest was still running at its deadline.

    Attributes:
        stdout: What it had printed by then.
    """

    stdout: str = ""


class CommandFlood(InfrastructureError):
    """A command in the guest printed more than the lab takes, and was ended.

    Attributes:
        stdout: As much of it as there was.
    """

    stdout: str = ""


@dataclass(frozen=True)
class CommandResult:
    """How a command in the guest ended; undecodable bytes are replaced."""

    status: int
    stdout: str
    stderr: str
    duration_s: float
