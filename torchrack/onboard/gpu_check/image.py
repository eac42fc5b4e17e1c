"""Which image of the catalog shows that PyTorch can use the GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torchrack.images.facts import ImageFacts
from torchrack.settings.model import Settings
from torchrack.settings.workloads import Workload


@dataclass(frozen=True)
class Chosen:
    """An image of the catalog, and the user that its workload runs as.

    Args:
        name: its name in the catalog.
        reference: its reference, pinned by digest.
        user: uid:gid.
        facts: what it says of itself; None where the host does not have it.
    """

    name: str
    reference: str
    user: str
    facts: ImageFacts | None


def choose(settings: Settings, images: Mapping[str, ImageFacts | None]) -> Chosen | None:
    """Return the image to check with: one that states PyTorch, and that a workload uses on GPUs.

    Without one that states PyTorch it is any that a workload uses on GPUs: many images with
    PyTorch do not say so. None: the catalog has neither.

    Args:
        settings: the host's settings.
        images: name in the catalog to what the image says of itself; None: not on the host.
    """
    catalog = settings.images.catalog
    used = {w.image: w for w in reversed(settings.workloads.containers) if w.gpus != "none"}
    stated = [name for name, facts in images.items() if facts is not None and facts.torch]
    candidates = [
        *(name for name in stated if name in used),
        *stated,
        *(name for name in catalog if name in used),
    ]
    if not candidates:
        return None
    name = candidates[0]
    user = used[name].user if name in used else str(Workload.model_fields["user"].default)
    return Chosen(name, catalog[name], user, images.get(name))
