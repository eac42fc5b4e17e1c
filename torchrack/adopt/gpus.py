"""The driver and the toolkit that are there, as settings. Pure."""

from __future__ import annotations

import re

from torchrack.adopt import mirrors
from torchrack.adopt.found import Found
from torchrack.adopt.model import Proposal
from torchrack.driver import choose, driver_packages
from torchrack.errors import HostError
from torchrack.settings.driver import Driver
from torchrack.settings.toolkit import Toolkit
from torchrack.toolkit import PACKAGES as TOOLKIT

_CUDA = re.compile(r"(https?://\S+?)/compute/cuda/repos/")
_VENDOR = Driver.model_fields["repository"].default


def propose(found: Found, proposal: Proposal) -> None:
    """Propose the sections ``driver`` and ``toolkit``."""
    _driver(found, proposal)
    _toolkit(found, proposal)


def _driver(found: Found, proposal: Proposal) -> None:
    if found.facts.unowned_driver_files:
        proposal.cannot(
            "NVIDIA driver",
            f"files that no package owns ({found.facts.unowned_driver_files[0]}...)",
            "it came from NVIDIA's .run file: a deploy is refused until sudo nvidia-uninstall has "
            "removed it",
        )
        return
    parts = driver_packages({n: p for n, p in found.packages.items() if p.installed})
    versions = sorted(set(parts.values()))
    if not versions:
        proposal.notes.append("no driver package is installed: a deploy brings the driver")
        return
    if len(versions) > 1:
        reason = "a deploy brings all of them to one"
        proposal.cannot("Driver packages", f"of {', '.join(versions)}", reason)
    loaded = found.module
    version = loaded.version if loaded and loaded.version in versions else versions[-1]
    if loaded and loaded.version != version:
        reason = "a deploy reboots into the installed one, where allow_reboot says so"
        proposal.cannot("Loaded module", f"{loaded}, installed is {version}", reason)
    proposal.say("driver", "the one that is installed", version=version)
    if loaded:
        proposal.say("driver", flavour=loaded.flavour)
    _origin(found, set(parts), proposal)
    if _is_full(found, version):
        proposal.say("driver", components="full")
    proposal.say("driver", persistence=found.persistence)
    proposal.say("driver", "a server in use: True once it may reboot", allow_reboot=False)


def _origin(found: Found, parts: set[str], proposal: Proposal) -> None:
    origins = {
        uri
        for name in parts
        for uri in found.facts.driver_origins.get(name, ())
        if not uri.startswith("file:")
    }
    bases = {match[1] for uri in origins if (match := _CUDA.match(uri))}
    others = sorted(uri for uri in origins if not _CUDA.match(uri))
    if bases - {_VENDOR}:
        mirrors.propose("driver", sorted(bases - {_VENDOR})[0], found, proposal)
    if others and not bases:
        proposal.cannot(
            "Source of the driver",
            ", ".join(others),
            "Torchrack takes drivers from NVIDIA's repository alone: a deploy exchanges all its "
            "packages, and reboots where allow_reboot says so",
        )


def _is_full(found: Found, version: str) -> bool:
    """Whether what only a display needs is installed too."""
    settings = Driver(version=version, components="full")
    try:
        full = choose(settings, found.facts.survey, host="").packages
        compute = choose(settings.changed(components="compute"), found.facts.survey, host="")
    except HostError:
        return False
    only = set(full) - set(compute.packages)
    return bool(only) and only <= found.installed.keys()


def _toolkit(found: Found, proposal: Proposal) -> None:
    there = {name: found.installed[name] for name in TOOLKIT if name in found.installed}
    if not there:
        proposal.notes.append("no NVIDIA Container Toolkit is installed: a deploy brings it")
        return
    versions = sorted(set(there.values()))
    if len(versions) > 1 or len(there) < len(TOOLKIT):
        shown = ", ".join(f"{name} {version}" for name, version in sorted(there.items()))
        reason = "a deploy brings all four packages to one version"
        proposal.cannot("Container Toolkit", shown, reason)
        return
    if re.fullmatch(r"\d+\.\d+\.\d+-\d+", versions[0]):
        proposal.say("toolkit", "the one that is installed", version=versions[0])
    vendor = str(Toolkit.model_fields["repository"].default)
    if base := mirrors.mirror(found, r"libnvidia-container\b", vendor):
        mirrors.propose("toolkit", base, found, proposal)
