"""The images that containers use there, as a catalog, and where they are pulled from. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torchrack.adopt.found import Found
from torchrack.adopt.model import Beside, Made, Proposal
from torchrack.base.certificates import read_text
from torchrack.errors import TorchrackError
from torchrack.settings.images import REFERENCE, Registry


def propose(found: Found, proposal: Proposal) -> dict[str, str]:
    """Propose the section ``images``; return image id to its name in the catalog."""
    names: dict[str, str] = {}
    catalog: dict[str, str] = {}
    for id_, image in sorted(found.images.items()):
        reference = reference_of(image)
        if reference is None:
            shown = ", ".join(image.get("RepoTags") or ()) or id_[:19]
            reason = "it has no digest of a registry (built there?): push it to one"
            proposal.cannot("Image", shown, reason)
            continue
        name = _name(reference, catalog)
        catalog[name] = reference
        names[id_] = name
    if catalog:
        proposal.say("images", "what containers there use now", catalog=catalog)
    if registries := _registries(found, catalog, proposal):
        proposal.say("images", registries=registries)
    return names


def reference_of(image: Mapping[str, Any]) -> str | None:
    """Return an image's reference with tag and digest; None for one that no registry has."""
    for pinned in image.get("RepoDigests") or ():
        name, _, digest = pinned.partition("@")
        tags = [tag for tag in image.get("RepoTags") or () if tag.rpartition(":")[0] == name]
        tag = f":{tags[0].rpartition(':')[2]}" if tags else ""
        reference = f"{_whole(name)}{tag}@{digest}"
        if re.match(REFERENCE, reference):
            return reference
    return None


def _whole(name: str) -> str:
    """Docker leaves its own registry's address out."""
    first = name.partition("/")[0]
    if "/" not in name:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first or first == "localhost" else f"docker.io/{name}"


def _name(reference: str, taken: Mapping[str, str]) -> str:
    path = reference.partition("@")[0]
    name = path.rpartition("/")[2].partition(":")[0]
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name}-{number}", number + 1
    return unique


def _registries(found: Found, catalog: Mapping[str, str], proposal: Proposal) -> list[Made]:
    used = {reference.partition("/")[0] for reference in catalog.values()}
    made = []
    for address in sorted({*found.registry_cas, *found.registry_logins} - {"docker.io"}):
        if "/" in address or not re.fullmatch(r"[A-Za-z0-9.-]+(:\d+)?", address):
            continue  # Docker Hub's own entry is a whole address
        values: dict[str, object] = {"address": address}
        if text := found.registry_cas.get(address):
            file = f"registry-{address.replace(':', '-')}.pem"
            try:
                proposal.files[file] = read_text(text, f"/etc/docker/certs.d/{address}")
            except TorchrackError as error:
                proposal.cannot(f"CA of the registry {address}", "a file", str(error))
                continue
            values["ca_file"] = Beside(file)
        if address in found.registry_logins:
            proposal.cannot(
                f"Account at {address}",
                "in root's config.json",
                "its password was not read: torchrack lock needs username= and password=env(...) "
                "beside the address",
            )
        if address in used or len(values) > 1:
            made.append(Made(Registry, values))
    return made
