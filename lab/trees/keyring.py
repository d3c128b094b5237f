# SPDX-License-Identifier: GPL-2.0-only
"""The OpenPGP keys that a tarball must be signed by, when there are any."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.errors import InfrastructureError, Location, UserError
from lab.process.xdg import data_home
from lab.trees.request import Request

#: Below $XDG_DATA_HOME: the keyring for kernels, when ``paths.keyring`` names none.
KERNEL_KEYRING = Path("lab/kernel.gpg")
#: What gpg itself keeps; a keyboxd's database (GnuPG 2.3) is none that gpgv reads.
_GPG_FILES = ("pubring.kbx", "pubring.gpg")
_ARMOR = b"-----BEGIN PGP"


@dataclass(frozen=True)
class Keyring:
    """A file that gpgv reads.

    ``dedicated``: it was made for kernels, so that a key it lacks is a refusal.
    In a user's own keyring other people's keys are, and a kernel's may not be.
    """

    path: Path
    dedicated: bool


def find_keyring(request: Request) -> Keyring | None:
    """``paths.keyring``, else ``KERNEL_KEYRING``, else the keyring of the user's gpg, if any.

    Raises:
        UserError: The one that the config names is missing, or one is no binary keyring.
        InfrastructureError: There is one, and no gpgv to use it.
    """
    found = _dedicated(request) or _users()
    if found is not None and shutil.which("gpgv") is None:
        raise InfrastructureError(
            f"gpgv is not installed, and {found.path} asks for signatures to be checked",
            hint="apt-get install gpgv, or dnf install gnupg2",
        )
    return found


def _dedicated(request: Request) -> Keyring | None:
    path = request.keyring or data_home() / KERNEL_KEYRING
    if not path.is_file():
        if request.keyring is None:
            return None
        raise UserError(
            f"there is no keyring {path}",
            where=_where(request),
            hint=f"gpg --export KEY... > {path}",
        )
    with path.open("rb") as file:
        if file.read(len(_ARMOR)) == _ARMOR:
            raise UserError(
                f"the keyring {path} is armored, and gpgv reads only binary ones",
                where=_where(request),
                hint=f"gpg --dearmor {path}",
            )
    return Keyring(path, dedicated=True)


def _where(request: Request) -> Location | Path | None:
    if request.keyring is None:
        return None
    return request.locate("paths", "keyring") if request.locate else request.keyring


def _users() -> Keyring | None:
    home = Path(os.environ.get("GNUPGHOME") or "~/.gnupg").expanduser()
    files = (home / name for name in _GPG_FILES)
    return next((Keyring(file, dedicated=False) for file in files if file.is_file()), None)
