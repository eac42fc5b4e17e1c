"""Stage ``images``: registries, images by digest, no old ones."""

from __future__ import annotations

from pyinfra.api import deploy

from torchrack.context import settings
from torchrack.operations import images


@deploy("images")
def pull() -> None:
    """Every image of the catalog is there by its digest; old ones of ours are gone.

    The registries' CAs are trusted by Docker alone, and the pull account is readable by root alone.
    """
    wanted = settings().images
    declared = list(wanted.catalog.values())
    images.registries(name="Trust the registries and log in to them", registries=wanted.registries)
    images.pulled(
        name=f"Pull {len(declared)} images by digest",
        references=declared,
        registries=wanted.registries,
        seconds=wanted.pull_timeout,
    )
    if wanted.prune == "unused":
        images.pruned(name="Remove images that nothing needs", references=[*declared, *wanted.keep])
