"""The lab's certificate authority: what an office's own CA is to real servers."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab import atomic
from lab.state import Lab

_VALID_DAYS = 825  # the longest that TLS clients accept from a private CA (Apple, HT210176)


def ensure(lab: Lab) -> None:
    """Make the authority's key and certificate unless they are there."""
    if lab.ca_key.exists() and lab.ca_cert.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Lab {lab.id} CA")])
    certificate = (
        _builder(name, key.public_key(), issuer=name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(lab.ca_key, key)
    _write_certificates(lab.ca_cert, certificate)


def issue(lab: Lab, name: str, *hosts: str) -> tuple[Path, Path]:
    """Return certificate and key for a server of the lab, made at the first call.

    Parameters:
        name: file name and common name, such as `registry`.
        hosts: addresses and DNS names the certificate is for.

    The certificate's file holds the authority's after its own; the key's file has mode 0600.
    """
    certificate_file = lab.ca_cert.with_name(f"{name}.crt")
    key_file = lab.ca_cert.with_name(f"{name}.key")
    if certificate_file.exists() and key_file.exists():
        return certificate_file, key_file
    ca_key = serialization.load_pem_private_key(lab.ca_key.read_bytes(), password=None)
    ca = x509.load_pem_x509_certificate(lab.ca_cert.read_bytes())
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{lab.ca_key} is no key of this authority")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject, key.public_key(), issuer=ca.subject)
        .add_extension(x509.SubjectAlternativeName([_general_name(h) for h in hosts]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False
        )
        .sign(ca_key, hashes.SHA256())
    )
    _write_key(key_file, key)
    _write_certificates(certificate_file, certificate, ca)
    return certificate_file, key_file


def _builder(
    subject: x509.Name, public_key: ec.EllipticCurvePublicKey, *, issuer: x509.Name
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    atomic.write(path, pem, mode=0o600)


def _write_certificates(path: Path, *certificates: x509.Certificate) -> None:
    pem = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)
    atomic.write(path, pem)
