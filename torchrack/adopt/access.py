"""Who gets in, the clock, the CAs: the sections ``base`` and ``sshd``. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from torchrack.adopt.found import Found
from torchrack.adopt.model import Beside, Proposal
from torchrack.base.certificates import read_text
from torchrack.errors import TorchrackError
from torchrack.facts.certificates import PREFIX

_GROUP = r"[a-z_][a-z0-9_-]{0,31}"


def propose(found: Found, proposal: Proposal) -> None:
    """Propose both sections."""
    _account(found, proposal)
    _sshd(found, proposal)
    _clock(found, proposal)
    _cas(found, proposal)
    periodic = found.apt.get("APT::Periodic::Unattended-Upgrade")
    proposal.say("base", unattended_upgrades=periodic[-1:] == ["1"])


def _account(found: Found, proposal: Proposal) -> None:
    if found.user == "root":
        proposal.cannot(
            "Login",
            "root",
            "the hardened sshd refuses root: torchrack onboard makes an account for the fleet",
        )
    elif "NOPASSWD: ALL" not in found.sudo:
        proposal.cannot(
            "sudo",
            f"asks {found.user} for a password",
            "a fleet's login needs sudo without one: torchrack onboard makes such an account",
        )
    others = [rule for rule in found.sudoers if "NOPASSWD" in rule and found.user not in rule]
    proposal.notes += [f"the rule of sudo {rule}: it stays" for rule in others]


def _sshd(found: Found, proposal: Proposal) -> None:
    effective = {option: values[-1] for option, values in found.sshd.items()}
    groups = " ".join(found.sshd.get("allowgroups", ())).split()
    if len(groups) == 1 and re.fullmatch(_GROUP, groups[0]) and groups[0] in found.groups:
        proposal.say("sshd", admin_group=groups[0])
    elif groups:
        reason = "the hardened sshd lets the members of one group in (sshd.admin_group)"
        proposal.cannot("AllowGroups", ", ".join(groups), reason)
    for option in ("allowusers", "denyusers", "denygroups"):
        if values := " ".join(found.sshd.get(option, ())):
            reason = "it stays beside AllowGroups: who gets in has to pass both"
            proposal.cannot(option, values, reason)
    tries, grace = effective.get("maxauthtries", ""), effective.get("logingracetime", "")
    if tries.isdecimal() and 1 <= int(tries) <= 10:
        proposal.say("sshd", max_auth_tries=int(tries))
    if grace.isdecimal() and int(grace) >= 5:
        proposal.say("sshd", login_grace_time=int(grace))
    forwarding = effective.get("allowtcpforwarding")
    if forwarding in ("yes", "no", "local"):
        proposal.say("sshd", tcp_forwarding=forwarding)
    for option, value in (
        ("passwordauthentication", "no"),
        ("permitrootlogin", "no"),
        ("x11forwarding", "no"),
        ("allowagentforwarding", "no"),
    ):
        there = effective.get(option)
        if there not in (None, value):
            proposal.cannot(option, str(there), f"the stage sshd sets it to {value}")
    ports = found.sshd.get("port", [])
    if len(ports) > 1:
        proposal.notes.append(f"sshd listens on ports {', '.join(ports)}: that stays")


def _clock(found: Found, proposal: Proposal) -> None:
    if found.clock and found.clock != "chrony.service":
        proposal.notes.append(f"{found.clock} keeps the clock, with its own servers: that stays")
        return
    service = "chrony" if found.clock else "timesyncd"
    servers = [one for one in found.ntp.get(service, ()) if re.fullmatch(r"[A-Za-z0-9.:-]+", one)]
    if service == "timesyncd" and servers:
        proposal.say("base", ntp_servers=list(dict.fromkeys(servers)))
    elif servers:
        proposal.notes.append(f"chrony asks {', '.join(servers)}: that stays")


def _cas(found: Found, proposal: Proposal) -> None:
    names: dict[str, Beside] = {}
    for file, text in sorted(found.cas.items()):
        name = _name(file.removeprefix(PREFIX), names)
        try:
            pem = read_text(text, file)
        except TorchrackError as error:
            reason = f"{error}; it stays trusted there"
            proposal.cannot(f"CA {file}", "in /usr/local/share/ca-certificates", reason)
            continue
        names[name] = Beside(f"{name}.pem")
        proposal.files[f"{name}.pem"] = pem
    if names:
        proposal.say("base", ca_certificates=dict(names))


def _name(file: str, taken: Iterable[str]) -> str:
    name = re.sub(r"[^a-z0-9_.-]+", "-", file.lower()).strip("-_.")[:60] or "ca"
    while name in taken:
        name += "-2"
    return name
