# SPDX-License-Identifier: GPL-2.0-only
"""A gpg home of a test's own, with keys that expired and keys that did not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.process import run

SIGNER, EXPIRED, OTHER = (f"{name} <{name.lower()}@example.org>" for name in ["Ann", "Eve", "Bob"])
LONG_AGO = ("--faked-system-time", "20200101T000000!")


@dataclass(frozen=True)
class Gpg:
    """A gpg home with three keys, one of them expired."""

    home: Path

    def __call__(self, *arguments: str | Path) -> str:
        command = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        return run([*command, *arguments], env={"GNUPGHOME": str(self.home)}).stdout

    def sign(self, file: Path, user: str = SIGNER, *options: str) -> bytes:
        signature = file.with_name(f"{file.name}.by-{user[:3]}")
        self(*options, "--yes", "-u", user, "-o", signature, "--detach-sign", file)
        return signature.read_bytes()

    def export(self, user: str, to: Path) -> Path:
        self("--yes", "-o", to, "--export", user)
        return to

    def fingerprint(self, user: str) -> str:
        listing = self("--with-colons", "--list-keys", user).splitlines()
        return next(line.split(":")[9] for line in listing if line.startswith("fpr"))


@contextmanager
def making_keys(home: Path) -> Iterator[Gpg]:
    """Keys of the three, in the empty folder ``home``; no agent is left behind."""
    home.chmod(0o700)
    gpg = Gpg(home)
    try:
        for user in (SIGNER, OTHER):
            gpg("--quick-gen-key", user, "ed25519", "sign", "never")
        gpg(*LONG_AGO, "--quick-gen-key", EXPIRED, "ed25519", "sign", "1y")
        yield gpg
    finally:
        run(["gpgconf", "--kill", "all"], env={"GNUPGHOME": str(home)}, check=False)
