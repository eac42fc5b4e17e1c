"""A mirror that a server takes packages from, with the key it trusts for it. Pure."""

from __future__ import annotations

import re

from torchrack.adopt.found import Found
from torchrack.adopt.model import Beside, Proposal
from torchrack.apt.openpgp import NotAKeyError, armour, keys

_SIGNED_BY = re.compile(r"signed-by(?:=|: *)(/[^\s\],]+)", re.IGNORECASE)


def mirror(found: Found, layout: str, vendor: str) -> str | None:
    """Return the base address of a repository in apt's sources that is not the vendor's own.

    Args:
        found: the host.
        layout: the path by which the repository is known, as a regular expression.
        vendor: the vendor's base address.
    """
    for text in found.sources.values():
        for line in text.splitlines():
            match = re.search(rf"(https?://[^\s/]\S*?)/(?:{layout})", line.partition("#")[0])
            if match and match[1] != vendor:
                return match[1]
    return None


def propose(section: str, base: str, found: Found, proposal: Proposal) -> None:
    """Propose a mirror for a section, with the key that the server trusts for it.

    Args:
        section: its name.
        base: the mirror's base address.
        found: the host.
        proposal: takes it.
    """
    proposal.say(section, "where apt there has it from", repository=base)
    path = next((_keyring(text) for text in found.sources.values() if base in text), None)
    try:
        trusted = keys(found.keyrings.get(path or "", b""))
    except NotAKeyError:
        trusted = {}
    if len(trusted) != 1:
        reason = f"no one key is named for it there: add key_file and key_fingerprint to {section}"
        proposal.cannot(f"Key of {base}", path or "none", reason)
        return
    fingerprint, key = next(iter(trusted.items()))
    file = f"{section}-repository.asc"
    proposal.files[file] = armour(key)
    comment = "the one that the server trusts for it now"
    proposal.say(section, comment, key_file=Beside(file), key_fingerprint=fingerprint)


def _keyring(text: str) -> str | None:
    match = _SIGNED_BY.search(text)
    return match[1] if match else None
