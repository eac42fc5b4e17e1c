"""The images of a fleet: what their registries say of them, and what they ask of each host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torchrack.contract.model import ImageWish
from torchrack.contract.question import image_wish
from torchrack.errors import Problem
from torchrack.images.facts import ImageFacts
from torchrack.images.resolve import Architecture, registries_of, resolve_images
from torchrack.inventory import FleetHost


class FleetImages:
    """Each image of the fleet's catalogs, asked of its registry once.

    Args:
        hosts: the hosts whose images are asked for.
        machines: host to dpkg's name of its architecture; hosts that are not in it are left out.
        pinned: what to ask a registry for in the place of a reference (the digest of a lock).
    """

    def __init__(
        self,
        hosts: Sequence[FleetHost],
        machines: Mapping[str, str],
        pinned: Callable[[str], str] = str,
    ) -> None:
        self._pinned = pinned
        self._machines = {name: _architecture(machine) for name, machine in machines.items()}
        there = [host for host in hosts if host.name in machines]
        self._answers = resolve_images(
            {
                (pinned(reference), self._machines[host.name])
                for host in there
                for reference in host.settings.images.catalog.values()
            },
            registries_of(host.settings.images.registries for host in there),
        )

    @property
    def problems(self) -> list[Problem]:
        """What could not be asked, each once."""
        return list(
            dict.fromkeys(one for one in self._answers.values() if isinstance(one, Problem))
        )

    def of(self, host: FleetHost) -> dict[str, ImageFacts | Problem]:
        """Return the host's images by their names in its catalog."""
        machine = self._machines[host.name]
        return {
            name: self._answers[self._pinned(reference), machine]
            for name, reference in host.settings.images.catalog.items()
        }

    def wishes(self, host: FleetHost) -> tuple[ImageWish, ...] | Problem:
        """Return what the host's images ask of it, or why one of them could not be asked."""
        wishes = []
        for name, facts in self.of(host).items():
            if isinstance(facts, Problem):
                return facts
            wishes.append(image_wish(name, facts))
        return tuple(wish for wish in wishes if wish is not None)

    def facts(self, reference: str) -> ImageFacts | None:
        """Return what a reference is on one of the architectures, None where nobody said."""
        for (asked, _), answer in self._answers.items():
            if asked == self._pinned(reference) and isinstance(answer, ImageFacts):
                return answer
        return None


def _architecture(machine: str) -> Architecture:
    return "arm64" if machine == "arm64" else "amd64"
