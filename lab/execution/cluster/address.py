# SPDX-License-Identifier: GPL-2.0-only
"""Which schedulers the lab speaks to: whoever speaks to one can have it run anything."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lab.errors import Location, UserError

if TYPE_CHECKING:
    from distributed.security import Security

CA = "ca.pem"
#: Who signs; it stays where the certificates were made.
CA_KEY = "ca.key"
#: What each host has beside the CA's certificate: its own, and the key of that.
OWN = "lab.pem"
#: Of Dask's configuration (distributed.yaml).
_TLS = "distributed.comm.tls"
_ANYBODYS = "whoever reaches it runs what they like on each of its hosts, and reads all of it"


@dataclass(frozen=True)
class Address:
    """Where a scheduler is, checked.

    Attributes:
        tls: The folder of the certificates; None on this host alone.
    """

    url: str
    tls: Path | None = None

    def security(self) -> Security:
        """What Dask's connections are made with."""
        from distributed.security import Security

        if self.tls is None:
            return Security()
        own = str(self.tls / OWN)
        return Security(
            tls_ca_file=str(self.tls / CA),
            tls_client_cert=own,
            tls_worker_cert=own,
            tls_scheduler_cert=own,
            require_encryption=True,
        )


def tls_settings(folder: Path | str) -> dict[str, object]:
    """What Dask's own tools are to be told of certificates, by dask.config.set().

    ``Security()`` is made of it then; ``SSHCluster`` passes none on to what it starts, but
    Dask's configuration.

    Args:
        folder: As `lab cluster certificates` makes it, at the same path on each host.
    """
    tls = Path(folder).expanduser()
    # dask_jobqueue gives a key that is not named to its workers as the file None.
    own = {
        f"{_TLS}.{who}.{what}": str(tls / OWN)
        for who in ("client", "worker", "scheduler")
        for what in ("cert", "key")
    }
    return {
        "distributed.comm.require-encryption": True,
        f"{_TLS}.ca-file": str(tls / CA),
        **own,
    }


def checked_address(
    url: str, tls: Path | None, where: Location | Path | str | None = None
) -> Address:
    """An address that is safe to use.

    Args:
        tls: The folder of the certificates, as `lab cluster certificates` makes it.
        where: What names the address.

    Raises:
        UserError: It is none, is in the open, or has no certificates.
    """
    parts, port = urlsplit(url), _port(url)
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or port is None:
        raise UserError(
            f"{url!r} is no address of a scheduler", where=where, hint="tls://HOST:8786"
        )
    if parts.port is None:
        url = f"{parts.scheme}://{parts.netloc.rstrip(':')}:{port}"
    if parts.scheme == "tcp":
        if not is_loopback(parts.hostname):
            raise UserError(
                f"{url} is neither encrypted nor asks who is there: {_ANYBODYS}",
                where=where,
                hint="lab cluster certificates DIR, and tls:// in place of tcp://; or a tunnel: "
                "ssh -N -L 8786:localhost:8786 HOST, and tcp://localhost:8786",
            )
        return Address(url)
    if tls is None:
        raise UserError(
            f"{url} takes certificates, and none are named",
            where=where,
            hint="lab cluster certificates DIR makes them; then --tls DIR, or tls = "
            '"DIR" in [executor]',
        )
    for name in (CA, OWN):
        if not (tls / name).is_file():
            raise UserError(
                f"there is no {name}", where=tls, hint=f"lab cluster certificates {tls}"
            )
    _require_readable(tls)
    return Address(url, tls)


def _port(url: str) -> int | None:
    """The port, Dask's own where none is named; None where what is named is no port."""
    try:
        return urlsplit(url).port or 8786
    except ValueError:
        return None


def _require_readable(tls: Path) -> None:
    # What Dask's connections would find out, each by a traceback.
    try:
        context = ssl.create_default_context(cafile=tls / CA)
        context.load_cert_chain(tls / OWN)
    except (OSError, ValueError) as error:
        said = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"{CA} and {OWN} are no certificates that can be used: {said.lower()}",
            where=tls,
            hint="both as one `lab cluster certificates DIR` made them, readable to you",
        ) from error


def is_loopback(host: str) -> bool:
    """Whether what listens there is reached from this host alone; names but localhost are not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
