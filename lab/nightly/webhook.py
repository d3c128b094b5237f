# SPDX-License-Identifier: GPL-2.0-only
"""A webhook: the night as JSON, posted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.config.model import Webhook
from lab.errors import InfrastructureError, UserError
from lab.model.url import Url
from lab.network.http import WebError, answer
from lab.nightly.channel import has_news
from lab.nightly.message import document_of

if TYPE_CHECKING:
    from lab.config import LoadedConfig
    from lab.nightly.night import Night

#: Seconds to wait before each further try.
_PAUSES = (1.0, 5.0, 15.0)
#: A server that says so may take it later (RFC 9110, RFC 6585).
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class WebhookChannel:
    """A document for each night with news."""

    webhook: Webhook
    deadline_s: float

    @property
    def plan(self) -> str:
        """As Channel's."""
        return f"changes are posted to {self.webhook.url}"

    @property
    def target(self) -> str:
        """Where it is posted to."""
        return f"webhook at {self.webhook.url}"

    def is_due(self, night: Night) -> bool:
        """When there is news."""
        return has_news(night)

    def pack(self, night: Night) -> Mapping[str, Any]:
        """The night as JSON."""
        return {"document": document_of(night)}

    def deliver(self, parcel: Mapping[str, Any]) -> None:
        """Post it; raises as post() does."""
        post(self.webhook, parcel["document"], deadline_s=self.deadline_s)


def webhook_channel(loaded: LoadedConfig) -> WebhookChannel | None:
    """That of ``[nightly.webhook]``."""
    section = loaded.config.nightly.webhook
    if section is None:
        return None
    return WebhookChannel(section, loaded.config.deadlines.webhook)


def post(
    webhook: Webhook,
    document: Mapping[str, Any],
    *,
    deadline_s: float,
    pauses: Sequence[float] = _PAUSES,
) -> None:
    """Post a document; tries again when the server is away or busy.

    Args:
        deadline_s: For each try.

    Raises:
        UserError: The server says that the request is wrong.
        InfrastructureError: It could not be had.
    """
    why = ""
    for pause in (0.0, *pauses):
        time.sleep(pause)
        status, why = _try(webhook.url, document, deadline_s)
        if status is None or status in _LATER:
            continue
        if status < 300:
            return
        raise UserError(
            f"the webhook refused it: {why}", where=str(webhook.url), hint="nightly.webhook.url"
        )
    raise InfrastructureError(f"the webhook did not take it: {why}", where=str(webhook.url))


def _try(url: Url, document: Mapping[str, Any], deadline_s: float) -> tuple[int | None, str]:
    try:
        # A redirect would make a GET of it; what it says beside its status is nobody's concern.
        with answer(
            "POST", url, within_s=deadline_s, stall_s=deadline_s, document=document
        ) as taken:
            return taken.status_code, url.scrub(f"{taken.status_code} {taken.reason}")
    except WebError as error:
        return None, str(error)
