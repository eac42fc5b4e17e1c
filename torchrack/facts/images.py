"""Facts about images, who uses them, and how a host gets at its registries."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api.facts import FactBase

from torchrack.docker.client import CONFIG, ENGINE
from torchrack.facts.files import Files, FileState

PULLED = "/var/lib/torchrack/pulled-images"
"""The images that we pulled, ``name@digest`` a line: no other one is ever removed."""


@dataclass(frozen=True)
class ImageStore:
    """The images of a host.

    Args:
        tags: ``name:tag`` to image id ("sha256:...").
        digests: ``name@digest`` to image id.
        pulled: the images that we pulled, as ``name@digest``.
    """

    tags: dict[str, str]
    digests: dict[str, str]
    pulled: tuple[str, ...]


class Images(FactBase[ImageStore]):
    """All images by tag and digest, and our record of pulls; nothing where there is no Docker."""

    def command(self) -> str:
        """``docker image ls`` and the record."""
        form = r"{{.ID}}\t{{.Repository}}\t{{.Tag}}\t{{.Digest}}"
        return (
            f"{ENGINE}; if command -v docker >/dev/null; then timeout -k 5 60 "
            f"docker image ls --no-trunc --digests --format '{form}' || exit 1; fi; "
            f"sed 's/^/pulled\\t/' {PULLED} 2>/dev/null || true"
        )

    def process(self, output: list[str]) -> ImageStore:
        """Parse lines of two fields (pulls) and of four (a tag, a digest or both of an image)."""
        rows = [line.split("\t") for line in output]
        images = [row for row in rows if len(row) == 4]
        return ImageStore(
            tags={f"{n}:{tag}": id_ for id_, n, tag, _ in images if "<none>" not in (n, tag)},
            digests={f"{n}@{d}": id_ for id_, n, _, d in images if "<none>" not in (n, d)},
            pulled=tuple(row[1] for row in rows if len(row) == 2),
        )

    @staticmethod
    def default() -> ImageStore:
        """No image: pyinfra asks this when the output is empty."""
        return ImageStore({}, {}, ())


class UsedImages(FactBase[set[str]]):
    """The ids of the images that containers were made from, running or not."""

    def command(self) -> str:
        """``docker inspect`` of all containers."""
        return (
            f"{ENGINE}; timeout -k 5 60 docker ps -aq --no-trunc | "
            "xargs -r timeout -k 5 60 docker container inspect -f '{{.Image}}'"
        )

    def process(self, output: list[str]) -> set[str]:
        """One id a line."""
        return {line.strip() for line in output if line.strip()}

    @staticmethod
    def default() -> set[str]:
        """No container."""
        return set()


@dataclass(frozen=True)
class AccessState:
    """The files for the registries, and permission bits and owner of :data:`CONFIG`."""

    files: dict[str, FileState | None]
    folder: str


class Access(FactBase[AccessState]):
    """Several files and the client's folder, in one round trip."""

    def command(self, paths: list[str]) -> str:
        """The files' state, then one line of stat."""
        return f"{Files().command(paths)}; stat -c '%a %U' {CONFIG} 2>/dev/null || echo none"

    def process(self, output: list[str]) -> AccessState:
        """Parse the files and the last line."""
        return AccessState(Files().process(output[:-1]), output[-1])
