"""The way to a newcomer: is it there, and is it the machine that it is said to be?"""

from __future__ import annotations

from torchrack.onboard import pins
from torchrack.onboard.host_key import decide, refuse_twin
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
    work.probe = probe(newcomer.address, newcomer.port, user=newcomer.user, where=work.name)
    system = f" ({work.probe.system})" if work.probe.system else ""
    return work.seen(f"{work.probe.banner}{system} on {newcomer.address} port {newcomer.port}")


def host_key(work: Work) -> Said:
    """Know the host by its key, and pin the key; all logins from here on insist on it."""
    newcomer, key = work.newcomer, work.probe.key
    place = work.known_hosts, newcomer.address, newcomer.port
    refuse_twin(newcomer, key, work.known_hosts, work.joining.others)
    trust = decide(
        newcomer,
        work.probe,
        pins.pinned(*place),
        trust_first_use=work.terms.trust_first_use,
        ask=work.terms.ask,
    )
    verified = newcomer.host_key is not None or trust == "confirmed"
    if trust != "pinned" or verified:
        pins.pin(*place, key, verified=verified)
    told = _TRUST[trust]
    if trust == "pinned" and pins.is_unverified(*place):
        told += f", which {_TRUST['first-use']}"
    shown = pins.fingerprint(key)
    work.details["Host key"] = {
        "Fingerprint": shown,
        "Type": key.get_name(),
        "Trust": f"the key {told}",
    }
    return Said("already" if trust == "pinned" else "done", f"{shown} {told}")
