"""Settings of the ``images`` stage: registry, images, pruning."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from torchrack.settings.secret import Secret
from torchrack.settings.section import Section
from torchrack.settings.units import Seconds

_NAME = r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+"
_TAG = r":[A-Za-z0-9_.-]{1,128}"  # \w, all letters of the world, takes 60 ms to compile
REFERENCE = rf"^(?P<name>{_NAME})({_TAG})?@sha256:[0-9a-f]{{64}}$"
"""An image reference pinned by digest: registry/name[:tag]@sha256:..."""
TAGGED = rf"^{_NAME}{_TAG}$"
"""One whose digest the lock file has: registry/name:tag."""


class Registry(Section):
    """A private registry: where it is, whom to trust, who pulls."""

    address: str = Field(
        pattern=r"^[A-Za-z0-9.-]+(:\d+)?$", description="host or host:port of the registry"
    )
    ca_file: str | None = Field(
        None, description="PEM file on the controller with the CA that signed its certificate"
    )
    username: str | None = Field(
        None,
        pattern=r"^[^:\s]+$",
        description="a pull-only account; unset for a registry that asks for none",
    )
    password: Secret | None = Field(
        None, description="its password: env(NAME), file(PATH) or command(WORDS)"
    )

    @model_validator(mode="after")
    def _account_is_whole(self) -> Registry:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password together, or neither")
        return self


class Images(Section):
    """The images a host keeps, all pinned by digest: here, or in the lock file."""

    stage: ClassVar[str] = "images"

    registries: list[Registry] = Field(
        default_factory=list, description="private registries that images come from"
    )
    catalog: dict[str, str] = Field(
        default_factory=dict,
        description="name to registry/name:tag, whose digest the lock file keeps, or to one with "
        "its digest; workloads name one of these",
    )
    keep: list[Annotated[str, Field(pattern=REFERENCE)]] = Field(
        default_factory=list, description="further references that pruning leaves alone"
    )
    prune: Literal["never", "unused"] = Field(
        "unused",
        description="unused removes images that Torchrack pulled and that neither the catalog, "
        "keep nor a container names; images that others brought stay",
    )
    pull_timeout: Seconds = Field(1800, ge=1, description="time to pull one image, seconds")
