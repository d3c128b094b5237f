# SPDX-License-Identifier: GPL-2.0-only
"""HTTP whose answer, from the first byte to the last, has come before a deadline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab.model.url import Url
from lab.network.cutoff import Cutoff

if TYPE_CHECKING:
    import requests

#: As RFC 9110 says (15.4), that a client should detect them; curl gives up after 50.
_REDIRECTS = 10


class WebError(Exception):
    """Nothing that could be used came from a server; says why, without any secret.

    Attributes:
        again: Whether it may be otherwise the next time.
    """

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


@contextmanager
def answer(
    method: str,
    url: Url,
    *,
    within_s: float,
    stall_s: float,
    headers: Mapping[str, str] | None = None,
    document: Mapping[str, Any] | None = None,
) -> Iterator[requests.Response]:
    """What a server answers; its body is read in the block, and counts.

    A user and a password in the URL are given as HTTP does it, else those that netrc(5)
    has for the host.  A redirect is followed where nothing is posted.

    Args:
        within_s: Seconds until the connection is cut.
        stall_s: Seconds for which the server may say nothing at all.
        document: Posted as JSON.

    Raises:
        WebError: Also when the block's reading fails.
    """
    import requests
    import urllib3

    stall_s = min(stall_s, within_s)
    with Cutoff(within_s) as cutoff, _session(cutoff) as session:
        try:
            with session.request(
                method,
                url.without_credentials,
                headers=dict(headers or {}),
                json=document,
                auth=_auth(url),
                stream=True,
                timeout=(stall_s, stall_s),
                allow_redirects=document is None,
            ) as response:
                yield response
            if cutoff.passed:
                # What has no length looks whole wherever it is cut.
                raise WebError(_late(within_s), again=True)
        except requests.TooManyRedirects:
            raise WebError(f"more than {_REDIRECTS} redirects", again=False) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, TimeoutError) as error:
            raise WebError(_why(error, url, cutoff, within_s), again=_passes(error)) from None
        # A redirect to what is no URL, or a port that is none, or no UTF-8.
        except ValueError as error:
            why = f"the server's answer cannot be read: {url.scrub(str(error))}"
            raise WebError(why, again=False) from None


def _passes(error: Exception) -> bool:
    import requests

    mistaken = (
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
    )
    return not isinstance(error, mistaken)


def _why(error: Exception, url: Url, cutoff: Cutoff, within_s: float) -> str:
    if cutoff.passed:
        return _late(within_s)
    # requests wraps the cause twice, and urllib3 begins it with the class of the connection, which
    # is ours: "Connection(host='cdn.kernel.org', port=443): Failed to resolve ...".
    inner = getattr(error.args[0] if error.args else None, "reason", None) or error
    said = re.sub(r"^\w*(Connection|Pool)\([^)]*\): ", "", str(inner))
    return url.scrub(said) or type(error).__name__


def _late(within_s: float) -> str:
    return f"it was still not all there after {within_s:g} s"


def _auth(url: Url) -> tuple[str, str] | None:
    # Given so, they come before those of a netrc, which requests would prefer.
    if url.credentials is None:
        return None
    user, password = url.credentials
    return user, password or ""


@contextmanager
def _session(cutoff: Cutoff) -> Iterator[requests.Session]:
    import requests

    with requests.Session() as session:
        session.max_redirects = _REDIRECTS
        for scheme in ("http://", "https://"):
            session.mount(scheme, _adapter(cutoff))
        yield session


def _adapter(cutoff: Cutoff) -> Any:
    """An adapter of requests' whose connections ``cutoff`` ends."""
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.poolmanager import PoolManager

    def watched(pool: Any) -> Any:
        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def _new_conn(self) -> Any:
                connected = super()._new_conn()
                cutoff.watch(connected)
                return connected

        return type("Pool", (pool,), {"ConnectionCls": Connection})

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, **options)
            self._watch(self.poolmanager)

        def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
            return self._watch(super().proxy_manager_for(*arguments, **options))

        @staticmethod
        def _watch(manager: PoolManager) -> PoolManager:
            manager.pool_classes_by_scheme = {
                "http": watched(HTTPConnectionPool),
                "https": watched(HTTPSConnectionPool),
            }
            return manager

    return Adapter()
