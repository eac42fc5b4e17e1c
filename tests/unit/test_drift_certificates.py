"""Certificates are told of before they expire."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from torchrack.drift import certificates
from torchrack.inventory import FleetHost
from torchrack.settings import Base, Images, Registry
from torchrack.settings.model import merge

NOW = dt.datetime(2026, 11, 24, 3, 0, tzinfo=dt.timezone.utc)


def pem(path: Path, days: float) -> str:
    """Write a CA's certificate that ends in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "office")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - dt.timedelta(days=1000))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return str(path)


def fleet(ca: str, registry: str | None = None) -> list[FleetHost]:
    registries = [Registry(address="r.example.org", ca_file=registry)] if registry else []
    layers = {
        "base": Base(ca_certificates={"office": ca}),
        "images": Images(registries=registries),
    }
    return [FleetHost(name, {}, merge([layers])) for name in ("gpu01", "gpu02")]


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (400, []),
        (31, []),
        (29, [("certificates.ending:office.pem", "compat")]),
        (-1, [("certificates.expired:office.pem", "outage")]),
    ],
)
def test_one_finding_for_the_fleet(
    tmp_path: Path, days: float, told: list[tuple[str, str]]
) -> None:
    found = certificates.ending(fleet(pem(tmp_path / "office.pem", days)), NOW)
    assert [(one.id, one.severity) for one in found] == told
    assert all(one.host == "-" and "2 host(s)" in one.what for one in found)


def test_a_registrys_own_is_looked_at_too(tmp_path: Path) -> None:
    ca, registry = pem(tmp_path / "a.pem", 400), pem(tmp_path / "b.pem", 3)
    (one,) = certificates.ending(fleet(ca, registry), NOW)
    assert one.id == "certificates.ending:b.pem"
    assert "ends 2026-11-27" in one.actual


def test_one_that_can_not_be_read_is_told_elsewhere(tmp_path: Path) -> None:
    assert certificates.ending(fleet(str(tmp_path / "none.pem")), NOW) == ()
