"""The operating systems a simulated server can run or be dressed as."""

from dataclasses import dataclass

from lab.errors import LabError


@dataclass(frozen=True)
class System:
    """An operating system of the lab.

    `suites` names the release its packages come from, by the control machine's own distribution:
    the lab installs from the mirrors this machine has. `flavour` is the kernel's meta package.
    """

    name: str
    distribution: str
    suites: dict[str, str]
    user: str
    flavour: str


SYSTEMS = {
    system.name: system
    for system in (
        System("debian13", "debian", {"debian": "trixie", "ubuntu": "noble"}, "debian", "amd64"),
        System("debian12", "debian", {"debian": "bookworm", "ubuntu": "jammy"}, "debian", "amd64"),
        System(
            "ubuntu2404", "ubuntu", {"debian": "trixie", "ubuntu": "noble"}, "ubuntu", "generic"
        ),
        # For those who have to say that they don't support it.
        System("debian11", "debian", {"debian": "trixie", "ubuntu": "noble"}, "debian", "amd64"),
    )
}


def find(name: str) -> System:
    """Return the system called `name`, or say which there are."""
    try:
        return SYSTEMS[name]
    except KeyError:
        raise LabError(f"no operating system {name!r}; the lab has {', '.join(SYSTEMS)}") from None
