"""The way to a newcomer: is it there, and is it the machine that it is said to be?"""

from __future__ import annotations

from torchrack.onboard import pins
from torchrack.onboard.host_key import decide
from torchrack.onboard.probe import probe
from torchrack.onboard.work import Said, Work

_TRUST = {
    "pinned": "is the pinned one",
    "given": "is the one that was given",
    "confirmed": "was confirmed",
    "first-use": "was trusted on first use: nobody has verified it",
}


def probe_host(work: Work) -> Said:
    """Connect, without a login: an SSH server answers."""
    newcomer = work.newcomer
    work.probe = probe(newcomer.address, newcomer.port, where=work.name)
    system = f" ({work.probe.system})" if work.probe.system else ""
    return Said("done", f"{work.probe.banner}{system} on {newcomer.address} port {newcomer.port}")


def host_key(work: Work) -> Said:
    """Know the host by its key, and pin the key; all logins from here on insist on it."""
    newcomer, key = work.newcomer, work.probe.key
    there = pins.pinned(work.known_hosts, newcomer.address, newcomer.port)
    trust = decide(
        newcomer,
        work.probe,
        there,
        trust_first_use=work.terms.trust_first_use,
        ask=work.terms.ask,
    )
    if trust != "pinned":
        pins.pin(work.known_hosts, newcomer.address, newcomer.port, key)
    shown = pins.fingerprint(key)
    work.details["Host key"] = {
        "Fingerprint": shown,
        "Type": key.get_name(),
        "Trust": f"the key {_TRUST[trust]}",
    }
    return Said("already" if trust == "pinned" else "done", f"{shown} {_TRUST[trust]}")
