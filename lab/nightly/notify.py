# SPDX-License-Identifier: GPL-2.0-only
"""Telling people: only when something changed, and until it was delivered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab.config import LoadedConfig
from lab.nightly.channel import Channel, channels
from lab.nightly.night import Night
from lab.unforeseen import as_lab_error

#: Nights that wait to be delivered; a server that is away for longer gets the last ones.
_MOST = 14


def tell(
    loaded: LoadedConfig, night: Night, unsent: Sequence[Mapping[str, Any]] = ()
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Mapping[str, Any], ...]]:
    """Tell a night if it has news, and what could not be told before.

    Returns:
        How it went, what went wrong, and what is still to be delivered.
    """
    told, troubles, left = [], [], []
    known = channels(loaded)
    for parcel in (*unsent, *_parcels(known, night)):
        try:
            told.append(_deliver(known, parcel))
        except Exception as error:
            # Whatever is wrong with one channel, the others are to have their word.
            troubles.append(f"{parcel.get('channel')}: {as_lab_error(error)}")
            left.append(parcel)
    return tuple(told), tuple(dict.fromkeys(troubles)), tuple(left[-_MOST:])


def _parcels(channels: Mapping[str, Channel], night: Night) -> Iterator[Mapping[str, Any]]:
    for name, channel in channels.items():
        if channel.is_due(night):
            yield {"channel": name, **channel.pack(night)}


def _deliver(channels: Mapping[str, Channel], parcel: Mapping[str, Any]) -> str:
    channel = channels.get(str(parcel.get("channel")))
    if channel is None:
        # The user has taken the channel away since.
        return f"nobody by {parcel.get('channel')}: lab.toml has none any more"
    channel.deliver(parcel)
    return channel.target
