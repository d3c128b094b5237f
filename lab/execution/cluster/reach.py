# SPDX-License-Identifier: GPL-2.0-only
"""Why a scheduler cannot be spoken to, in words: Dask says of all of it that time ran out."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

from lab.errors import InfrastructureError
from lab.execution.cluster.address import OWN, Address

#: Seconds for one try; whoever asks has waited, or is about to.
_TRY_S = 5.0
#: And for a scheduler that refuses a certificate to say so; else it greets.
_REFUSAL_S = 2.0
#: X509_V_ERR_CERT_NOT_YET_VALID, OpenSSL's x509_vfy.h.
_NOT_YET_VALID = 9


def require_answer(address: Address) -> None:
    """Raise InfrastructureError where no scheduler answers now, or none that is ours."""
    try:
        why = _tried(address)
    except OSError as error:
        raise InfrastructureError(
            f"no scheduler answers at {address.url}: {error.strerror or error}",
            hint=f"lab cluster scheduler {address.url}, on its host; then lab worker on each",
        ) from error
    if why is not None:
        raise why


def refused_for_good(address: Address) -> InfrastructureError | None:
    """What no waiting mends: a host nobody knows, certificates that do not fit; None if neither."""
    try:
        return _tried(address)
    except OSError:
        # It may be on its way.
        return None


def _tried(address: Address) -> InfrastructureError | None:
    """What refused_for_good() gives; raises OSError where nobody answers."""
    parts = urlsplit(address.url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), _TRY_S) as found:
            return _greeted(address, found)
    except socket.gaierror as error:
        return InfrastructureError(
            f"no host {parts.hostname} is known here: {error.strerror}",
            where=address.url,
            hint="the name of the scheduler's host as this one has it, or its IP address",
        )


def _greeted(address: Address, found: socket.socket) -> InfrastructureError | None:
    """What TLS says: the scheduler's certificate first, then ours, which it refuses later."""
    if address.tls is None:
        return _answers_in_the_open(address, found)
    context = address.security().get_connection_args("client")["ssl_context"]
    try:
        with context.wrap_socket(found) as met:
            met.settimeout(_REFUSAL_S)
            with suppress(TimeoutError):
                met.recv(1)
    except ssl.SSLError as error:
        return _of_certificates(address, error)
    except OSError:
        return None
    return None


def _answers_in_the_open(address: Address, found: socket.socket) -> InfrastructureError | None:
    """That one waits for TLS where none was asked for; None of any other."""
    found.settimeout(_REFUSAL_S)
    with suppress(TimeoutError):
        # A scheduler of tcp:// greets at once.
        if found.recv(1, socket.MSG_PEEK):
            return None
    if not _speaks_tls(found):
        return None
    return InfrastructureError(
        "who answers there speaks TLS",
        where=address.url,
        hint='tls:// in place of tcp://, with --tls DIR or tls = "DIR" in [executor]',
    )


def _speaks_tls(found: socket.socket) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with context.wrap_socket(found):
            return True
    except ssl.SSLError as error:
        # That it wants a certificate of ours it says so.
        return "ALERT" in (error.reason or "")


def _of_certificates(address: Address, error: ssl.SSLError) -> InfrastructureError:
    said = getattr(error, "verify_message", "") or (error.reason or str(error)).lower()
    hint = (
        "ca.pem and lab.pem of one `lab cluster certificates DIR` on each host; "
        f"where they have run out (openssl x509 -enddate -noout -in {OWN}), make new ones"
    )
    if getattr(error, "verify_code", 0) == _NOT_YET_VALID:
        hint = f"the clock of this host says {datetime.now(UTC):%F %H:%M} UTC: is it right?"
    return InfrastructureError(
        f"the certificates of {address.url} and those here do not fit: {said.replace('_', ' ')}",
        where=address.tls,
        hint=hint,
    )
