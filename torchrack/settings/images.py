"""Settings of the ``images`` stage: registry, images, pruning."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from torchrack.settings.secret import Secret
from torchrack.settings.section import Section

REFERENCE = r"^(?P<name>[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+)(:[\w.-]{1,128})?@sha256:[0-9a-f]{64}$"
"""An image reference pinned by digest: registry/name[:tag]@sha256:..."""


class Registry(Section):
    """A private registry: where it is, whom to trust, who pulls."""

    address: str = Field(
        pattern=r"^[A-Za-z0-9.-]+(:\d+)?$", description="host or host:port of the registry"
    )
    ca_file: str | None = Field(
        None, description="PEM file on the controller with the CA that signed its certificate"
    )
    username: str | None = Field(None, description="a pull-only account")
    password: Secret | None = Field(None, description="its password: env(NAME) or file(PATH)")


class Images(Section):
    """The images a host keeps, all pinned by digest."""

    stage: ClassVar[str] = "images"

    registries: list[Registry] = Field(
        default_factory=list, description="private registries that images come from"
    )
    catalog: dict[str, str] = Field(
        default_factory=dict,
        description="name to reference pinned by digest; workloads name one of these",
    )
    keep: list[str] = Field(
        default_factory=list, description="further references that pruning leaves alone"
    )
    prune: Literal["never", "unused"] = Field(
        "unused",
        description="unused removes images from our registries that no catalog or container names",
    )
