"""The hardened sshd configuration: which options, and whether a server really has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torchrack.settings.sshd import Sshd

DROP_IN = "/etc/ssh/sshd_config.d/00-torchrack.conf"
"""Sorts before cloud-init's 50-cloud-init.conf: of two values sshd takes the first."""

MINIMUM = (8, 9)
"""The oldest OpenSSH that the options are known to be valid on (Ubuntu 22.04)."""

_ECDSA = "-ecdsa-*,sk-ecdsa-*,webauthn-*"

_ALGORITHMS = {
    # What is left is each version's own good defaults: a list by name is fatal on a server that
    # lacks one of its names. curve25519 stays; paramiko 4 knows no post-quantum exchange.
    "KexAlgorithms": "-ecdh-*,diffie-hellman-*",
    "MACs": "-*sha1*,umac-64*,hmac-sha2-256,hmac-sha2-512,umac-128@openssh.com",
    "HostKeyAlgorithms": _ECDSA,
    "PubkeyAcceptedAlgorithms": _ECDSA,
    "CASignatureAlgorithms": _ECDSA,
}


@dataclass(frozen=True)
class Deviation:
    """An option that sshd does not use as declared.

    Args:
        option: its name.
        found: what ``sshd -T`` shows, or "nothing".
        needed: what it has to show.
    """

    option: str
    found: str
    needed: str


def options(settings: Sshd, known: Collection[str]) -> dict[str, str]:
    """Return the options of the drop-in with their values, in the order they are written.

    Args:
        settings: the host's settings.
        known: the options that the server knows, lower case, as ``sshd -T`` lists them; an option
            from a later version would be fatal.
    """
    return {
        "PermitRootLogin": "no",
        "PubkeyAuthentication": "yes",
        "AuthenticationMethods": "publickey",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitEmptyPasswords": "no",
        "HostbasedAuthentication": "no",
        "IgnoreRhosts": "yes",
        "UsePAM": "yes",
        "AllowGroups": settings.admin_group,
        "MaxAuthTries": str(settings.max_auth_tries),
        "LoginGraceTime": str(settings.login_grace_time),
        "MaxSessions": "10",
        "MaxStartups": "10:30:60",
        "ClientAliveInterval": "60",
        "ClientAliveCountMax": "3",
        "TCPKeepAlive": "no",
        "LogLevel": "VERBOSE",  # logs the fingerprint of the key of each login
        "PermitUserEnvironment": "no",
        "X11Forwarding": "no",
        "AllowAgentForwarding": "no",
        "AllowTcpForwarding": settings.tcp_forwarding,
        "GatewayPorts": "no",
        "PermitTunnel": "no",
        "Compression": "no",
        "UseDNS": "no",
        "PrintMotd": "no",
        "Banner": "/etc/issue.net",
        **_ALGORITHMS,
        **{name: value for name, value in _newer(settings).items() if name.lower() in known},
    }


def _newer(settings: Sshd) -> dict[str, str]:
    """Options that not every supported server has."""
    result = {
        "RequiredRSASize": "3072",  # OpenSSH 9.1
        "DebianBanner": "no",  # a patch of Debian and Ubuntu
        "GSSAPIAuthentication": "no",  # absent where sshd was built without it
    }
    if settings.penalty_exempt:
        result["PerSourcePenaltyExemptList"] = ",".join(settings.penalty_exempt)  # OpenSSH 9.8
    return result


def deviations(
    declared: Mapping[str, str], effective: Mapping[str, Collection[str]]
) -> list[Deviation]:
    """Return the options whose effective value is not the declared one.

    Args:
        declared: as :func:`options` gives them.
        effective: lower-case option to the values that ``sshd -T`` shows for it.
    """
    found = []
    for option, wanted in declared.items():
        values = list(effective.get(option.lower(), ()))
        shown = ", ".join(values) or "nothing"
        if wanted.startswith("-"):
            unwanted = removed_algorithms(values, wanted)
            if not values or unwanted:
                text = ",".join(unwanted) or shown
                found.append(Deviation(option, text, f"a list without {wanted[1:]}"))
        elif [value.lower() for value in values] != [wanted.lower()]:
            found.append(Deviation(option, shown, wanted))
    return found


def removed_algorithms(values: Collection[str], subtraction: str) -> list[str]:
    """Return the algorithms in ``values`` that ``subtraction`` (``-a,b*``) should have removed."""
    patterns = subtraction.removeprefix("-").split(",")
    names = [name for value in values for name in value.split(",")]
    return [name for name in names if any(fnmatchcase(name, p) for p in patterns)]
