# SPDX-License-Identifier: GPL-2.0-only
"""The ways to tell people of a night: a line for each, and nothing else names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from lab.model.maker import made_by

if TYPE_CHECKING:
    from lab.config import LoadedConfig
    from lab.nightly.night import Night


class Channel(Protocol):
    """Somebody to tell, as ``lab.toml`` has it."""

    @property
    def plan(self) -> str:
        """What it is there for, in a plan: ``changes go by mail to a@b.c``."""

    @property
    def target(self) -> str:
        """Whom it tells: ``mail to a@b.c``."""

    def is_due(self, night: Night) -> bool:
        """Whether this night is told."""

    def pack(self, night: Night) -> Mapping[str, Any]:
        """What there is to deliver, as values the ``json`` module knows: it may have to wait."""

    def deliver(self, parcel: Mapping[str, Any]) -> None:
        """Deliver what pack() gave, tonight or in a night before.

        Raises:
            LabError: It could not; it is tried again the next night.
        """


#: ``MODULE:NAME`` of what makes a channel of the config; None where that has no such.
CHANNELS: dict[str, str] = {
    "mail": "lab.nightly.mail:mail_channel",
    "webhook": "lab.nightly.webhook:webhook_channel",
}


def channels(loaded: LoadedConfig) -> dict[str, Channel]:
    """Those that the config has, by name."""
    makers: dict[str, Callable[[LoadedConfig], Channel | None]] = {
        name: made_by(maker) for name, maker in CHANNELS.items()
    }
    found = {name: make(loaded) for name, make in makers.items()}
    return {name: channel for name, channel in found.items() if channel is not None}


def has_news(night: Night) -> bool:
    """Whether there is something to tell: the first night, too, so that it is seen to work."""
    bisected = any(one.is_news for one in night.bisected)
    return not night.baseline or night.judgement.is_news or bisected
