"""What a finding is about, read from its id."""

from __future__ import annotations

from dataclasses import dataclass

from torchrack.drift.model import Finding


@dataclass(frozen=True)
class Resource:
    """A thing on a host: "file", "/etc/docker/daemon.json", and what about it: "content"."""

    kind: str
    name: str
    aspect: str

    @property
    def path(self) -> str | None:
        """The file it is; None for what is no file."""
        if self.kind == "file":
            return self.name
        return f"/etc/sudoers.d/{self.name}" if self.kind == "sudoers" else None


def resource_of(finding: Finding) -> Resource:
    """Return what a finding is about: its id is stage, kind, name and aspect."""
    rest = finding.id.removeprefix(f"{finding.stage}.")
    kind, _, named = rest.partition(":")
    if kind in ("sudoers", "socket"):  # no aspect: the thing itself should not be there
        return Resource(kind, named, "")
    name, _, aspect = named.rpartition(".")
    return Resource(kind, name or named, aspect if name else "")
