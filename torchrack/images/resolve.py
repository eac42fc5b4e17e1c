"""What a fleet's images are: each asked of its registry once, whatever number of hosts has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from torchrack.errors import Problem, TorchrackError
from torchrack.images.facts import ImageFacts, image_facts
from torchrack.images.registry_client import RegistryClient, image_name
from torchrack.images.registry_http import RegistryError
from torchrack.settings.images import Registry

Architecture = Literal["amd64", "arm64"]
Asked = tuple[str, Architecture]
"""An image's reference, and the architecture of the hosts that run it."""

AT_ONCE = 8
"""Images asked for at the same time."""


def resolve_images(
    wanted: Iterable[Asked], registries: Mapping[str, Registry]
) -> dict[Asked, ImageFacts | Problem]:
    """Return what each image is, or why that can't be told.

    Args:
        wanted: references with their architecture.
        registries: address to a private registry's settings; others are asked without an account.
    """
    each = sorted(set(wanted))
    with ThreadPoolExecutor(min(len(each), AT_ONCE) or 1) as pool:
        answers = pool.map(lambda asked: _ask(asked[0], asked[1], registries), each)
        return dict(zip(each, answers, strict=True))


def registries_of(sections: Iterable[Iterable[Registry]]) -> dict[str, Registry]:
    """Return the private registries of a fleet by address; hosts share them."""
    return {registry.address: registry for section in sections for registry in section}


def _ask(
    reference: str, architecture: Architecture, registries: Mapping[str, Registry]
) -> ImageFacts | Problem:
    try:
        name = image_name(reference)
        registry = registries.get(name.registry) or Registry(address=name.registry)
        image = RegistryClient(registry).read(name, architecture)
    except RegistryError as error:
        return error.problem
    except TorchrackError as error:
        found, _, fix = str(error).rpartition(": ")
        return Problem(reference, "Password of its registry", found, "one that can be read", fix)
    return image_facts(image.config, image.digest, name.tag)
