# SPDX-License-Identifier: GPL-2.0-only
"""Check a tarball's detached OpenPGP signature, which is over the uncompressed tar.

kernel.org signs the tar once and compresses it in several ways
(https://www.kernel.org/signature.html), so the compressed file verifies against
nothing (openwrt/openwrt#21462).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.config.model import TarballKernel
from lab.errors import Location, UserError
from lab.model.url import Url
from lab.process import spawn
from lab.process.temporary import temporary_folder
from lab.trees.download import get_small
from lab.trees.keyring import Keyring
from lab.trees.request import Request
from lab.trees.unpack import uncompressed

#: What is recorded of a tree that came when no keyring was there.
NO_KEYRING = "not checked: no keyring"
NO_SIGNATURE = "not checked: no signature is known for this tarball"

_KERNEL_ORG = re.compile(
    r"(https?://(?:[a-z.]+\.)?kernel\.org/pub/linux/kernel/\S+\.tar)\.(?:xz|gz|bz2)"
)
# One of kernel.org's is under 1 kB.
_LIMIT = 1 << 16
_CHUNK = 1 << 20
# doc/DETAILS of GnuPG; each signature in the file gives one of these.
_STATUS = re.compile(r"^\[GNUPG:\] ([A-Z_]+)(?: (.*))?$", re.MULTILINE)
_UNUSABLE = {
    "EXPSIG": "has expired",
    "EXPKEYSIG": "is by a key that has expired",
    "REVKEYSIG": "is by a key that was revoked",
}


class BadSignature(UserError):
    """The tar is not the one that was signed."""


def signature_of(kernel: TarballKernel) -> Url | None:
    """The URL or path of a tarball's signature, or None when none is known."""
    if kernel.signature is not None:
        return kernel.signature
    match = _KERNEL_ORG.fullmatch(kernel.url.with_secrets)
    return Url(f"{match[1]}.sign") if match else None


@dataclass(frozen=True)
class SignatureCheck:
    """A tarball, its signature's URL or path, and the keyring the signer must be in."""

    url: Url
    signature: Url
    keyring: Keyring
    request: Request

    def run(self, archive: Path) -> str:
        """Who signed the tar in ``archive``, or why that is not known; for the record.

        Raises:
            BadSignature: It is not the tar that was signed.
            UserError: The signature is none, or nobody's in a keyring made for kernels.
            InfrastructureError: The signature cannot be had.
        """
        self.request.say("checking its signature")
        with temporary_folder("signature") as folder:
            signature = Path(folder) / "signature"
            signature.write_bytes(self._get())
            status, said = self._gpgv(signature, archive)
        return self._judge(dict(_STATUS.findall(status)), said)

    def _get(self) -> bytes:
        if self.signature.is_http:
            return get_small(self.signature, _LIMIT, self.request, "signature")
        name = self.signature.with_secrets.removeprefix("file://")
        path = self.request.path(Path(name), "signature")
        if not path.is_file():
            raise UserError(f"there is no file {path}", where=self._where("signature"))
        return path.read_bytes()

    def _gpgv(self, signature: Path, archive: Path) -> tuple[str, str]:
        """What gpgv says on its status and error output."""
        keyring = str(self.keyring.path)
        command = ["gpgv", "--status-fd", "1", "--keyring", keyring, str(signature), "-"]
        english = {"LC_ALL": "C.UTF-8"}
        with (
            uncompressed(archive, self._where("url")) as tar,
            tempfile.TemporaryFile() as status,
            tempfile.TemporaryFile() as said,
        ):
            with spawn(command, stdin=tar, stdout=status, stderr=said, env=english) as child:
                child.wait(self.request.left())
            # gpgv need not read to the end, and what writes would wait for a reader.
            while tar.read(_CHUNK):
                self.request.left()
            status.seek(0)
            said.seek(0)
            return status.read().decode(errors="replace"), said.read().decode(errors="replace")

    def _judge(self, status: Mapping[str, str], said: str) -> str:
        if "BADSIG" in status:
            raise self._bad(_name(status["BADSIG"]))
        if "GOODSIG" in status and "VALIDSIG" in status:
            # The last field is the primary key's fingerprint, the first may be a subkey's.
            return f"signed by {_name(status['GOODSIG'])} ({status['VALIDSIG'].split()[-1]})"
        if "NO_PUBKEY" in status:
            return self._unknown(status["NO_PUBKEY"])
        if unusable := [keyword for keyword in _UNUSABLE if keyword in status]:
            return self._unusable(unusable[0], status[unusable[0]])
        raise UserError(
            f"{self.signature} is no signature of {self.url}",
            where=self._where("signature"),
            detail=said,
        )

    def _bad(self, signer: str) -> BadSignature:
        return BadSignature(
            f"the signature of {self.url} is bad: this is not the tar that {signer} signed",
            where=self._where("sha256"),
            hint="take the sha256 from kernel.org's sha256sums.asc: this one is of another file",
        )

    def _unknown(self, key: str) -> str:
        if not self.keyring.dedicated:
            return f"not checked: the key {key} is not in {self.keyring.path}"
        raise UserError(
            f"the key {key}, which signed {self.url}, is not in the keyring {self.keyring.path}",
            where=self._where("url"),
            hint=f"if you trust that key: gpg --export {key} >> {self.keyring.path}",
        )

    def _unusable(self, keyword: str, signer: str) -> str:
        why = f"{_UNUSABLE[keyword]}: {_name(signer)}"
        if keyword == "EXPKEYSIG" and not self.keyring.dedicated:
            return f"not checked: the signature {why}, in {self.keyring.path}"
        raise UserError(
            f"the signature of {self.url} {why}",
            where=self._where("url"),
            hint=f"bring {self.keyring.path} up to date: gpg --refresh-keys, gpg --export",
        )

    def _where(self, key: str) -> Location:
        return self.request.where(key)


def _name(fields: str) -> str:
    """The user id after the key's id."""
    return fields.partition(" ")[2] or fields
