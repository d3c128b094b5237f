# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that are a tar archive, here or on a server."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from lab.config.model import TarballKernel
from lab.errors import UserError
from lab.model.tree_identity import TreeIdentity
from lab.model.url import Url
from lab.process.shelf import DOWNLOADS
from lab.trees.download import Download, sha256_of, wrong_digest
from lab.trees.keyring import find_keyring
from lab.trees.request import ELSEWHERE, Brought, Request
from lab.trees.signature import (
    NO_KEYRING,
    NO_SIGNATURE,
    BadSignature,
    SignatureCheck,
    signature_of,
)
from lab.trees.source import VERSION, Bringing, Called, SourceKind
from lab.trees.unpack import unpack

_VERSIONED = re.compile(rf"(?:.*/)?linux-(?:source-)?{VERSION}\.(?:tar(?:\.\w+)?|t[gx]z)")


class TarballSource(Bringing):
    """A tar archive whose digest, and signature when a keyring is there, is checked first."""

    def __init__(self, kernel: TarballKernel, request: Request) -> None:
        self._kernel = kernel
        self._request = request

    def identify(self) -> TreeIdentity:
        """The digest that ``lab.toml`` gives."""
        return TreeIdentity.of("tarball", self._kernel.sha256)

    def write(self, source: Path, work: Path) -> Brought:
        """Check it and unpack it; downloaded archives are removed after that."""
        with self._archive() as archive:
            signed = self._signed(archive)
            self._request.say("unpacking")
            entries = unpack(archive, source, self._request, self._request.where("url"))
        return Brought(self._record(signed), entries)

    def recheck(self, record: Mapping[str, str]) -> Mapping[str, str] | None:
        """What there is to record of a tree that came without a keyring, now that there is one.

        None when the record can stay.  Gets the archive again: it was not kept.
        """
        known = record.get("signature", NO_KEYRING) != NO_KEYRING
        if known or isinstance(self._check, str):
            return None
        with self._archive() as archive:
            return self._record(self._signed(archive))

    def _record(self, signed: str) -> Mapping[str, str]:
        return {"url": str(self._kernel.url), "sha256": self._kernel.sha256, "signature": signed}

    @contextmanager
    def _archive(self) -> Iterator[Path]:
        """The archive, its digest checked."""
        # A keyring that is no good is told of before a download of minutes.
        _ = self._check
        if self._kernel.url.is_http:
            with self._from_server() as archive:
                yield archive
        else:
            yield self._on_disk()

    @contextmanager
    def _from_server(self) -> Iterator[Path]:
        request, folder = self._request, DOWNLOADS.place(self._request.cache)
        download = Download(self._kernel.url, self._kernel.sha256, folder, request)
        # Two kernels may name the same archive.
        with request.turn(DOWNLOADS.lock_of(request.cache, download.sha256), "downloading it"):
            request.say(f"downloading {download.url}")
            try:
                yield download.get()
            except BadSignature:
                download.forget()
                raise
            download.forget()

    def _on_disk(self) -> Path:
        name = self._kernel.url.with_secrets.removeprefix("file://")
        archive = self._request.path(Path(name), "url")
        if not archive.is_file():
            where = self._request.where("url")
            raise UserError(f"there is no file {archive}", where=where, hint=ELSEWHERE)
        got = sha256_of(archive)
        if got != self._kernel.sha256:
            raise wrong_digest(str(archive), self._kernel.sha256, got, self._request)
        return archive

    def _signed(self, archive: Path) -> str:
        return self._check if isinstance(self._check, str) else self._check.run(archive)

    @cached_property
    def _check(self) -> SignatureCheck | str:
        """How to check the signature, or why that cannot be done."""
        signature = signature_of(self._kernel)
        if signature is None:
            return NO_SIGNATURE
        keyring = find_keyring(self._request)
        if keyring is None:
            return NO_KEYRING
        return SignatureCheck(self._kernel.url, signature, keyring, self._request)


class TarballKind(SourceKind[TarballKernel]):
    """``kind = "tarball"``."""

    key = "url"

    def source(self, section: TarballKernel, request: Request) -> TarballSource:
        """The archive."""
        return TarballSource(section, request)

    def names(self, section: TarballKernel) -> Iterator[Called]:
        """The archive's."""
        yield Called(_VERSIONED, str(section.url), f"the tarball is {section.url}")

    def by_hand(self, identity: TreeIdentity, section: Mapping[str, Any]) -> str:
        """The archive, its digest checked."""
        url = str(Url(section["url"]))
        digest = shlex.quote(section["sha256"] + "  ")
        get = (
            f'curl -fL --netrc-optional -o "$work/tarball" {shlex.quote(url)}'
            if "://" in url
            else f'cp {shlex.quote(url)} "$work/tarball"'
        )
        return f"""\
{get} || stop "the tarball cannot be had"
echo {digest}"$work/tarball" | sha256sum -c --quiet || stop "the tarball is another one"
tar -C "$source" --strip-components=1 -xf "$work/tarball" || stop "tar failed\""""


TARBALL = TarballKind()
