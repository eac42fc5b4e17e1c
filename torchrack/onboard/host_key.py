"""Whether a server's host key is to be trusted, and on what ground."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from paramiko import PKey

from torchrack.errors import HostError, Problem
from torchrack.onboard import pins
from torchrack.onboard.model import Newcomer
from torchrack.onboard.pins import fingerprint
from torchrack.onboard.probe import Probe
from torchrack.same_server import NEW_KEYS, Hosts, owners

Trust = Literal["pinned", "given", "confirmed", "first-use"]
"""pinned: as before; given: by --host-key; confirmed: by a person; first-use: unverified."""

_VERIFY = "ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub at its console shows it"


def decide(
    newcomer: Newcomer,
    probe: Probe,
    pinned: Sequence[PKey],
    *,
    trust_first_use: bool,
    ask: Callable[[str], bool] | None,
) -> Trust:
    """Say why the host key that was shown may be trusted.

    A given fingerprint is the last word: it also stands against an older pin, which the caller
    then replaces. A key that is not the pinned one is never trusted on any other ground.

    Args:
        newcomer: the server, with the fingerprint that is expected, if any.
        probe: what it showed.
        pinned: the keys that are pinned for it.
        trust_first_use: whether a key that nobody verified is accepted where none is pinned.
        ask: asks a person a question that is answered by yes or no; None: there is nobody.

    Raises:
        HostError: it may not: another key than the given or the pinned one, a person said no, or
            nobody can be asked.
    """
    shown = fingerprint(probe.key)
    if newcomer.host_key is not None:
        if newcomer.host_key == shown:
            return "pinned" if probe.key in pinned else "given"
        raise _other_than_given(newcomer, probe.key)
    if probe.key in pinned:
        return "pinned"
    if pinned:
        raise _changed(newcomer, probe.key, pinned)
    if ask is not None:
        if ask(_question(newcomer, probe)):
            return "confirmed"
        raise _refused(newcomer, shown, "a host key that was not confirmed")
    if trust_first_use:
        return "first-use"
    raise _refused(newcomer, shown, "a host key that nobody has verified")


def refuse_twin(newcomer: Newcomer, key: PKey, known_hosts: Path, others: Hosts) -> None:
    """Refuse a server whose host key another member of the fleet has: it is the same, or a copy.

    Args:
        newcomer: the server.
        key: what it showed.
        known_hosts: the file that its key is pinned in.
        others: the other hosts of the fleet.

    Raises:
        HostError: the key is pinned for another server.
    """
    twins = pins.also_known_as(known_hosts, newcomer.address, newcomer.port, key)
    twins = twins or owners(others, key.get_name(), key.get_base64())
    if not twins:
        return
    raise HostError(
        Problem(
            newcomer.name,
            "Host key",
            f"{fingerprint(key)}, which is pinned for {', '.join(twins)} as well",
            "a machine of its own with a host key of its own",
            "is it the same machine under another address? Then it is in the fleet already. If it "
            f"is a copy of the other, give it keys of its own, as root: {NEW_KEYS}. If that pin is "
            f"of the past, take its line out of {known_hosts}",
        )
    )


def _question(newcomer: Newcomer, probe: Probe) -> str:
    system = f" ({probe.system})" if probe.system else ""
    return (
        f"{newcomer.name} at {newcomer.address} port {newcomer.port}{system} shows this host key:\n"
        f"  {probe.key.get_name()} {fingerprint(probe.key)}\n"
        f"{_how(probe.key)}.\nIs it the server's own key?"
    )


def _how(key: PKey) -> str:
    kind = key.get_name().removeprefix("ssh-").split("-")[0]
    return _VERIFY.format(kind=kind)


def _refused(newcomer: Newcomer, shown: str, found: str) -> HostError:
    return HostError(
        Problem(
            newcomer.name,
            "Host key",
            f"{found}: {shown}",
            "a key that is known to be the server's own",
            f"compare it with the server's (its console or provider shows it), and run again with "
            f"--host-key {shown}; --trust-on-first-use accepts it unverified",
        )
    )


def _other_than_given(newcomer: Newcomer, key: PKey) -> HostError:
    return HostError(
        Problem(
            newcomer.name,
            "Host key",
            f"{fingerprint(key)} ({key.get_name()})",
            f"{newcomer.host_key}, as --host-key says",
            f"don't log in: see whether {newcomer.address} is the right server and whether the "
            f"fingerprint is that of its {key.get_name()} key; {_how(key)}",
        )
    )


def _changed(newcomer: Newcomer, key: PKey, pinned: Sequence[PKey]) -> HostError:
    trusted = ", ".join(f"{fingerprint(other)} ({other.get_name()})" for other in pinned)
    return HostError(
        Problem(
            newcomer.name,
            "Host key",
            f"another key than the pinned one: {fingerprint(key)} ({key.get_name()})",
            trusted,
            "find out why before anything else: a server that was installed anew has a new key, "
            "and so has somebody in between. If the new key is the server's own, run again with "
            f"--host-key {fingerprint(key)}",
        )
    )
