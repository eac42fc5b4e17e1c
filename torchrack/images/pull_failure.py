"""What a failed ``docker pull`` means, and what to do about it."""

from __future__ import annotations

import re

from torchrack.docker.client import BY_HAND
from torchrack.errors import Problem
from torchrack.images.policy import Reference
from torchrack.settings.images import Registry

_TIMED_OUT = (124, 137)  # timeout(1): the time was up; it had to kill

_REFUSED = re.compile(
    r"unauthorized|authentication required|no basic auth credentials|incorrect username or password"
    r"|requested access to the resource is denied|\b401\b|\b403\b|denied:",
    re.IGNORECASE,
)
_OTHERS: tuple[tuple[str, str, str], ...] = (
    # pattern in dockerd's answer, what is needed, what to do
    (
        r"x509|certificate",
        "a certificate that the host trusts",
        "name the CA that signed it in images.registries[].ca_file",
    ),
    (
        r"no space left on device",
        "room for the image in Docker's data directory",
        f"make room ({BY_HAND} system df shows what takes it), or keep fewer images",
    ),
    (
        r"manifest unknown|manifest for .* not found|not found: manifest|name unknown",
        "the image in the registry",
        "push it, or correct the reference in images.catalog; a digest never changes its content",
    ),
    (
        r"HTTP response to HTTPS client",
        "a registry with TLS",
        "give the registry a certificate; Torchrack configures no insecure registry",
    ),
    (
        r"Cannot connect to the Docker daemon",
        "a running Docker",
        "run the stage docker, and look at systemctl status docker",
    ),
    (
        r"connection refused|no route to host|no such host|i/o timeout|Client\.Timeout|EOF"
        r"|connection reset|server misbehaving|network is unreachable|TLS handshake timeout"
        r"|context deadline exceeded|50[0234] ",
        "a registry that answers",
        "start it, or mend the way from the host to it; run again, what is complete is kept",
    ),
)


def explain(
    *,
    host: str,
    image: Reference,
    registry: Registry | None,
    status: int,
    output: str,
    seconds: int,
) -> Problem:
    """Turn the end of a failed pull into a message for people.

    Args:
        host: the host's name.
        image: what was pulled.
        registry: its registry's settings, if it has any.
        status: exit status of ``timeout docker pull``.
        output: the last lines that it printed.
        seconds: the time it had.
    """
    found = output.strip().splitlines()[-1] if output.strip() else f"exit status {status}"
    what = f"Image {image.text.partition('@')[0]}"
    if status in _TIMED_OUT:
        return Problem(
            host,
            what,
            f"no end of the pull after {seconds} s",
            "a pull that ends in time",
            "run again, or raise images.pull_timeout for a slow line",
        )
    if _REFUSED.search(found):
        account = f"the account {registry.username!r}" if registry and registry.username else None
        return Problem(
            host,
            what,
            f"registry {image.registry} refused {account or 'a pull without an account'} ({found})",
            "an account that may pull it",
            "check the password and the account's rights; it was tried once"
            if account
            else "name username and password in images.registries",
        )
    for pattern, needed, fix in _OTHERS:
        if re.search(pattern, found, re.IGNORECASE):
            return Problem(host, what, f"{image.registry}: {found}", needed, fix)
    return Problem(host, what, found, "a pull that succeeds", "mend the cause and run again")
