"""CA certificates of an office: checked here, before a host is told to trust them."""

from __future__ import annotations

from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from torchrack.errors import TorchrackError
from torchrack.fleet_folder import here


def read_ca(path: str, now: datetime | None = None) -> str:
    """Return the one CA certificate in a PEM file, as clean PEM.

    Args:
        path: a file on this machine.
        now: the time to check its validity at; unset means now.

    Raises:
        TorchrackError: the file can't be read, holds no or several certificates, or the certificate
            is not a CA's or not valid now.
    """
    try:
        data = here(path).read_bytes()
    except OSError as error:
        raise TorchrackError(f"{path} can't be read: {error.strerror}") from None
    return _one_ca(data, path, now)


def read_text(text: str, path: str, now: datetime | None = None) -> str:
    """Return the one CA certificate in a PEM text, as clean PEM.

    Args:
        text: the text.
        path: where it is from, for messages.
        now: the time to check its validity at; unset means now.

    Raises:
        TorchrackError: as :func:`read_ca`.
    """
    return _one_ca(text.encode(), path, now)


def _one_ca(data: bytes, path: str, now: datetime | None) -> str:
    try:
        certificates = x509.load_pem_x509_certificates(data)
    except ValueError:
        raise TorchrackError(f"{path} holds no certificate in PEM form") from None
    if len(certificates) != 1:
        raise TorchrackError(
            f"{path} holds {len(certificates)} certificates: put each into a file of its own"
        )
    problem = _problem(certificates[0], now or datetime.now(timezone.utc))
    if problem:
        raise TorchrackError(f"the certificate in {path} {problem}")
    return certificates[0].public_bytes(Encoding.PEM).decode("ascii")


def _problem(certificate: x509.Certificate, now: datetime) -> str | None:
    if not _is_ca(certificate):
        return "is not a CA's (basicConstraints): a server's own certificate can't be trusted so"
    after, before = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if now > after:
        return f"expired on {after:%Y-%m-%d}: ask for the current one"
    if now < before:
        return f"is valid only from {before:%Y-%m-%d %H:%M} UTC"
    return None


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        value = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    return value.ca
