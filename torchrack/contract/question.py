"""The resolver's question about a real host: out of preflight's facts and the settings."""

from __future__ import annotations

import re

from torchrack.contract.model import AUTO, Facts, Wishes
from torchrack.preflight.facts import HostFacts
from torchrack.settings.model import Settings


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


def wishes_of(settings: Settings) -> Wishes:
    """Return the contract's wishes of a host's settings.

    The driver stage installs from NVIDIA's repository and builds on the host, so that is the wish.
    Images are left out: what they contain, their registry has to say.
    """
    engine = re.match(r"(?:[0-9]+:)?([0-9]+(?:\.[0-9]+){0,2})", settings.docker.version)
    return Wishes(
        driver=settings.driver.version,
        flavour=settings.driver.flavour,
        source="cuda-repo",
        modules="dkms",
        toolkit=settings.toolkit.version,
        docker=engine[1] if engine else AUTO,
    )
