"""The resolver's question about a real host: out of preflight's facts and the settings."""

from __future__ import annotations

import re

from torchrack.contract.images import short
from torchrack.contract.model import AUTO, Facts, ImageWish, Wishes
from torchrack.images.facts import ImageFacts
from torchrack.knowledge import Knowledge, builtin
from torchrack.preflight.facts import HostFacts
from torchrack.settings.model import Settings

_RELEASE = re.compile(r"\d+\.\d+(\.\d+)?(\+(cpu|cu\d+))?")
"""A version of PyTorch's own builds; "2.6.0a0+ecf3bae40a" is a build of others."""


def facts_of(host: HostFacts) -> Facts:
    """Return the contract's facts of a host that preflight asked."""
    survey = host.survey
    return Facts(
        gpus=tuple(function.device for function in survey.gpus),
        system=survey.distribution,
        machine=survey.architecture,
        nvswitches=len(survey.nvswitches),
        kernel=survey.kernel,
        secure_boot=host.secure_boot,
        dkms_key_enrolled=host.dkms_key_enrolled,
    )


def wishes_of(settings: Settings, images: tuple[ImageWish, ...] = ()) -> Wishes:
    """Return the contract's wishes of a host's settings.

    The driver stage installs from NVIDIA's repository and builds on the host, so that is the wish.

    Args:
        settings: the settings; "auto" is a wish as well.
        images: what its images need, which their registries tell.
    """
    driver = settings.driver
    engine = re.match(r"(?:[0-9]+:)?([0-9]+(?:\.[0-9]+){0,2})", settings.docker.version)
    return Wishes(
        driver=driver.version,
        flavour=driver.flavour,
        source="cuda-repo",
        modules="dkms",
        toolkit=settings.toolkit.version,
        docker=engine[1] if engine else AUTO,
        images=images,
    )


def image_wish(
    name: str, image: ImageFacts, knowledge: Knowledge | None = None
) -> ImageWish | None:
    """Return what an image asks of a host, None where it asks nothing or says nothing.

    An image with CUDA_VERSION and no NVIDIA_REQUIRE_CUDA is not taken to require that very version,
    as NVIDIA's runtime hook does: GPUs are handed out through CDI, which has no such check, and the
    floor of the CUDA major version holds anyway. A release of PyTorch that the table does not have
    (a nightly, NVIDIA's own builds) leaves its CUDA version to be judged.

    Args:
        name: what it is called in the catalog.
        image: what it states about itself.
        knowledge: the tables; None: those that ship.
    """
    known = knowledge or builtin()
    requires = tuple(image.requires.values())
    cuda = None if image.cuda in (None, "none") else short(image.cuda)
    if cuda is None and (image.cuda == "none" or not (image.torch or requires)):
        return None
    release = _RELEASE.fullmatch(image.torch or "")
    torch = short(release[0]) if release else None
    return ImageWish(
        name=name,
        torch=torch if torch in known.releases else None,
        cuda=cuda or AUTO,
        python=short(image.python) if image.python else AUTO,
        requires=requires,
    )
