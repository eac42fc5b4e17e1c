"""All of a proposal, and the settings that come of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torchrack.adopt import access, containers, engine, gpus, images
from torchrack.adopt.found import Found
from torchrack.adopt.model import Proposal, built
from torchrack.settings.model import SECTIONS
from torchrack.settings.section import Section


def propose(found: Found) -> Proposal:
    """Return the settings that match a server, and what no setting says."""
    proposal = Proposal()
    access.propose(found, proposal)
    gpus.propose(found, proposal)
    engine.propose(found, proposal)
    containers.propose(found, images.propose(found, proposal), proposal)
    if found.deployed:
        proposal.notes.append("Torchrack has deployed to it before (/etc/torchrack/deployed.json)")
    return proposal


def sections(proposal: Proposal, place: Callable[[str], Path]) -> dict[str, Section]:
    """Return a proposal's sections, made and checked by the settings' own model.

    Args:
        proposal: the proposal.
        place: where a file of a name lies.

    Raises:
        SettingsError: a value is wrong.
    """
    return {
        name: SECTIONS[name](**{field: built(value, place) for field, value in values.items()})
        for name, values in proposal.sections.items()
    }
