# SPDX-License-Identifier: GPL-2.0-only
"""URLs that show themselves without the secrets in them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

#: RFC 3986, appendix B; urlsplit() raises for what is none, with the text in its message.
_PARTS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)"
    r"(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?",
    re.DOTALL,
)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^][:@/\\\s]+)(?::(?P<port>[0-9]{0,5}))?")
#: ``user:password@host:path``, in which ssh would take all before the colon for a host.
_NO_SCHEME = re.compile(r"[^/@\s]*:[^/@\s]*@")
_HIDDEN = "***"
_HTTP = ("http", "https")
_SHORT = 3
_QUERY = re.compile(r"\?[^\s'\"<>`)]*=[^\s'\"<>`)]*")


class Url:
    """A URL or path as somebody wrote it, which may hold a password or a token.

    All that makes text of it (``str``, ``repr``, an f-string, JSON) gives it without: of
    HTTP's the user goes too, who is often a token, and the values of the query.
    ``with_secrets`` is for whoever asks the server.
    """

    __slots__ = ("_parts", "with_secrets")

    def __init__(self, text: str) -> None:
        self.with_secrets = text
        self._parts = _PARTS.fullmatch(text)

    @property
    def is_http(self) -> bool:
        """Whether it is asked for by HTTP, encrypted or not."""
        return self.scheme in _HTTP

    @property
    def scheme(self) -> str:
        """In lower case; "" for a path, and for git's ``host:path``."""
        return self._part("scheme").lower()

    @property
    def credentials(self) -> tuple[str, str | None] | None:
        """The user and the password in it, decoded; None without any."""
        user, at, _ = self._part("authority").rpartition("@")
        if not at:
            return None
        name, colon, password = user.partition(":")
        return unquote(name), unquote(password) if colon else None

    @property
    def without_credentials(self) -> str:
        """It without user and password, and with the rest: for whoever gives them otherwise."""
        before, at, _ = self._part("authority").rpartition("@")
        return self.with_secrets.replace(f"{before}@", "", 1) if at else self.with_secrets

    @property
    def has_query(self) -> bool:
        """Whether there is a query or a fragment."""
        return bool(self._part("query") or self._part("fragment"))

    @property
    def wrong(self) -> str:
        """Why it cannot be asked for by HTTP, in words without it; "" when it can."""
        host = _HOST.fullmatch(self._part("authority").rpartition("@")[2])
        said = unquote(self.with_secrets)
        if not self.is_http:
            return "is no URL: it starts with https:// or http://"
        if not said.isprintable() or " " in self.with_secrets:
            return "is no URL: there is a blank or an unprintable character in it"
        if host is None or int(host["port"] or 0) > 65535:
            return "is no URL: it should be https://HOST/PATH or https://HOST:PORT/PATH"
        return ""

    def scrub(self, text: str) -> str:
        """What a server or a library said of it, without its secrets."""
        for whole in (self.with_secrets, self.without_credentials):
            text = text.replace(whole, self._shown())
        user = self._part("authority").rpartition("@")[0]
        for secret in (user, *(self.credentials or ())):
            # What is shorter guards nothing, and is in every other word.
            if secret and len(secret) > _SHORT:
                text = text.replace(secret, _HIDDEN)
        # "Max retries exceeded with url: /path?token=..."
        return _QUERY.sub(f"?{_HIDDEN}", without_secrets(text))

    def _part(self, name: str) -> str:
        return (self._parts[name] or "") if self._parts else ""

    def _shown(self) -> str:
        if self._parts is None:
            return _NO_SCHEME.sub(f"{_HIDDEN}@", self.with_secrets, count=1)
        query = "&".join(_nameless(part) for part in self._part("query").split("&"))
        return (
            f"{self._parts['scheme']}://{self._shown_authority()}{self._part('path')}"
            + (f"?{query}" if query else "")
            + (f"#{_HIDDEN}" if self._part("fragment") else "")
        )

    def _shown_authority(self) -> str:
        user, at, host = self._part("authority").rpartition("@")
        if self.is_http or not at:
            return host
        # Of ssh and of a database, who one is there says where it is.
        return f"{user.partition(':')[0]}@{host}"

    def __str__(self) -> str:
        return self._shown()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._shown()!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and other.with_secrets == self.with_secrets

    def __hash__(self) -> int:
        return hash(self.with_secrets)

    def __reduce__(self) -> tuple[type[Url], tuple[str]]:
        return type(self), (self.with_secrets,)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> Any:
        from pydantic_core import core_schema

        text = core_schema.no_info_before_validator_function(
            _text_of, core_schema.str_schema(min_length=1)
        )
        return core_schema.no_info_after_validator_function(
            cls, text, serialization=core_schema.to_string_ser_schema()
        )


class HookUrl(Url):
    """A URL that is a secret as a whole, as chats' webhooks are: its host alone is shown."""

    __slots__ = ()

    def scrub(self, text: str) -> str:
        """As a Url does, and without the path."""
        path = self._part("path")
        text = super().scrub(text)
        return text.replace(path, f"/{_HIDDEN}") if len(path) > _SHORT else text

    def _shown(self) -> str:
        host = self._part("authority").rpartition("@")[2]
        return f"{self.scheme}://{host}" if self._parts else _HIDDEN


def _text_of(value: object) -> object:
    return value.with_secrets if isinstance(value, Url) else value


def _nameless(part: str) -> str:
    """``name=value`` of a query without the value; one word may be the secret itself."""
    name, equals, _ = part.partition("=")
    return f"{name}={_HIDDEN}" if equals else part and _HIDDEN


#: Where a URL begins and ends in a text.
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>`]+")


def without_secrets(text: str) -> str:
    """A text of somebody else's with each URL in it shown as a Url is."""
    return _IN_TEXT.sub(lambda match: str(Url(match[0])), text) if "://" in text else text
