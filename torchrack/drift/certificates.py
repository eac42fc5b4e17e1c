"""Certificates that a fleet's settings name, before they expire."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography import x509

from torchrack.drift.model import Finding
from torchrack.drift.severity import severity_of
from torchrack.fleet_folder import here
from torchrack.inventory import FleetHost

SOON = dt.timedelta(days=30)
"""How long before its end a certificate is told of."""


def ending(fleet: Sequence[FleetHost], now: dt.datetime) -> tuple[Finding, ...]:
    """Return a finding for each certificate that has expired, or does so soon.

    They stand on this machine and are the same for many hosts, so they belong to the fleet. One
    that can't be read is told by the stage that wants to install it.

    Args:
        fleet: the hosts.
        now: the time that decides.
    """
    files: dict[str, set[str]] = {}
    for host in fleet:
        for path in _files(host):
            files.setdefault(path, set()).add(host.name)
    return tuple(
        one for path, hosts in sorted(files.items()) for one in _findings(path, len(hosts), now)
    )


def _files(host: FleetHost) -> Iterator[str]:
    yield from host.settings.base.ca_certificates.values()
    for registry in host.settings.images.registries:
        if registry.ca_file is not None:
            yield registry.ca_file


def _findings(path: str, hosts: int, now: dt.datetime) -> Iterator[Finding]:
    try:
        certificates = x509.load_pem_x509_certificates(here(path).read_bytes())
    except (OSError, ValueError):
        return
    for certificate in certificates:
        end = certificate.not_valid_after_utc
        if now + SOON < end:
            continue
        state = "expired" if end <= now else "ending"
        finding_id = f"certificates.{state}:{Path(path).name}"
        yield Finding(
            host="-",
            id=finding_id,
            stage="certificates",
            kind="drift",
            severity=severity_of(finding_id),
            what=f"The certificate in {path}, for {hosts} host(s)",
            expected=f"valid for more than {SOON.days} days",
            actual=f"{'ended' if end <= now else 'ends'} {end:%Y-%m-%d}",
            fix=f"ask for the current one, put it into {path}, and run torchrack deploy",
        )
