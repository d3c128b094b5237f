# SPDX-License-Identifier: GPL-2.0-only
"""A certificate authority of one's own, and certificates of it: who has one is of the cluster."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.errors import InfrastructureError, UserError
from lab.execution.cluster.address import CA, CA_KEY, OWN

_DAYS = 825
#: Clocks of hosts are not all right.
_BEFORE = timedelta(days=2)


def make_certificates(folder: Path) -> tuple[Path, ...]:
    """Make a CA, once, and a certificate with its key; those that are there stay.

    Returns:
        The files that were made.

    Raises:
        UserError: All are there already, or only half of the CA is.
        InfrastructureError: They cannot be written.
    """
    ca, key, own = folder / CA, folder / CA_KEY, folder / OWN
    if own.exists():
        raise UserError(
            "there are certificates already: workers that have them would be shut out",
            where=folder,
            hint="another folder, or remove them first",
        )
    if ca.exists() != key.exists():
        raise UserError(
            f"{CA_KEY if ca.exists() else CA} is missing: nothing can be signed",
            where=folder,
            hint="bring it, or another folder",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = () if ca.exists() else _make_ca(ca, key)
        return (*made, _make_own(ca, key, own))
    except OSError as error:
        raise InfrastructureError(
            f"cannot write: {error.strerror}", where=error.filename or folder
        ) from error


def _make_ca(ca: Path, key_file: Path) -> tuple[Path, ...]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("lab's own CA")
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    made = (
        _begun(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, _private(key))
    _write(ca, made.public_bytes(serialization.Encoding.PEM), 0o644)
    return ca, key_file


def _make_own(ca_file: Path, key_file: Path, own: Path) -> Path:
    ca = x509.load_pem_x509_certificate(ca_file.read_bytes())
    signer = serialization.load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _begun(_name("lab"), ca.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    _write(own, made.public_bytes(serialization.Encoding.PEM) + _private(key))
    return own


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + timedelta(days=_DAYS))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes, mode: int = 0o600) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
