# SPDX-License-Identifier: GPL-2.0-only
"""Telling people: only when something changed, and until it was delivered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab.config import LoadedConfig
from lab.nightly.mail import send
from lab.nightly.message import document_of, subject_of, text_of
from lab.nightly.night import Night
from lab.nightly.webhook import post
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
    for parcel in (*unsent, *_parcels(loaded, night)):
        try:
            told.append(_deliver(loaded, parcel))
        except Exception as error:
            # Whatever is wrong with one channel, the other is to have its word.
            troubles.append(f"{parcel.get('channel')}: {as_lab_error(error)}")
            left.append(parcel)
    return tuple(told), tuple(dict.fromkeys(troubles)), tuple(left[-_MOST:])


def is_told(night: Night) -> bool:
    """Whether there is something to tell: the first night, too, so that it is seen to work."""
    return not night.baseline or night.judgement.is_news


def _parcels(loaded: LoadedConfig, night: Night) -> Iterator[Mapping[str, Any]]:
    section = loaded.config.nightly
    if not is_told(night):
        return
    if section.mail is not None:
        yield {"channel": "mail", "subject": subject_of(night), "text": text_of(night)}
    if section.webhook is not None:
        yield {"channel": "webhook", "document": document_of(night)}


def _deliver(loaded: LoadedConfig, parcel: Mapping[str, Any]) -> str:
    section, deadlines = loaded.config.nightly, loaded.config.deadlines
    if parcel.get("channel") == "mail" and section.mail is not None:
        send(
            section.mail,
            parcel["subject"],
            parcel["text"],
            deadline_s=deadlines.mail,
            path=loaded.path,
        )
        return f"mail to {', '.join(section.mail.to)}"
    if parcel.get("channel") == "webhook" and section.webhook is not None:
        post(section.webhook, parcel["document"], deadline_s=deadlines.webhook)
        return f"webhook at {section.webhook.url}"
    # The user has taken the channel away since.
    return f"nobody by {parcel.get('channel')}: lab.toml has none any more"
