"""Which images a host lacks, which tags, and which images it no longer needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from torchrack.facts.images import ImageStore


@dataclass(frozen=True)
class Reference:
    """An image reference pinned by digest, with the names that Docker shows.

    Args:
        text: as it was declared; that is what is pulled.
        name: registry and repository, in Docker's short form.
        tag: the tag, for people; None without one.
        digest: "sha256:...".
    """

    text: str
    name: str
    tag: str | None
    digest: str

    @property
    def pinned(self) -> str:
        """``name@digest``."""
        return f"{self.name}@{self.digest}"

    @property
    def tagged(self) -> str | None:
        """``name:tag``."""
        return f"{self.name}:{self.tag}" if self.tag else None

    @property
    def registry(self) -> str:
        """Host and port, or "docker.io"."""
        first = self.name.partition("/")[0]
        return first if "." in first or ":" in first or first == "localhost" else "docker.io"


def reference(text: str) -> Reference:
    """Read ``registry/name[:tag]@sha256:...``, which the settings have checked."""
    rest, _, digest = text.partition("@")
    path, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        path, tag = rest, ""
    return Reference(text, _familiar(path), tag or None, digest)


def _familiar(name: str) -> str:
    """Docker shows and stores its own registry's images without its address."""
    for prefix in ("index.docker.io/", "docker.io/"):
        name = name.removeprefix(prefix)
    return name.removeprefix("library/")


def missing(wanted: Iterable[Reference], store: ImageStore) -> list[Reference]:
    """Return the references whose digest the host does not have, each digest once."""
    lacking = {ref.pinned: ref for ref in wanted if ref.pinned not in store.digests}
    return list(lacking.values())


def tags(wanted: Iterable[Reference], store: ImageStore) -> dict[str, str]:
    """Return the tags that are missing or stand for another image: tag to ``name@digest``.

    An image that is still to be pulled has no id yet; its tag is among them.
    """
    declared = {ref.tagged: ref.pinned for ref in wanted if ref.tagged}
    return {
        tag: pinned
        for tag, pinned in declared.items()
        if pinned not in store.digests or store.tags.get(tag) != store.digests[pinned]
    }


def prunable(kept: Iterable[Reference], store: ImageStore) -> list[str]:
    """Return the images that we pulled and that are no longer declared, as ``name@digest``."""
    stay = {ref.pinned for ref in kept}
    ids = {store.digests[pinned] for pinned in stay if pinned in store.digests}
    return [
        pinned
        for pinned in store.pulled
        if pinned not in stay and pinned in store.digests and store.digests[pinned] not in ids
    ]


def removals(pinned: str, store: ImageStore, used: Collection[str]) -> list[str]:
    """Return the names to remove for one image: tags of the same repository, then the digest.

    Nothing for an image that a container uses. Names that others gave it are not among them, so
    that the image itself stays under those.
    """
    id_ = store.digests[pinned]
    if id_ in used:
        return []
    name = pinned.partition("@")[0]
    own = [
        tag for tag, image in store.tags.items() if image == id_ and tag.rpartition(":")[0] == name
    ]
    return [*own, pinned]
