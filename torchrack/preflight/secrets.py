"""Secrets that the settings name: whether this machine has them."""

from __future__ import annotations

from torchrack.errors import Problem, TorchrackError
from torchrack.settings.model import Settings


def unreadable(host: str, settings: Settings) -> list[Problem]:
    """Return a problem for each secret that a later stage would miss; they are not kept here.

    Args:
        host: the host's name.
        settings: its settings.
    """
    secrets = [(f"Password of {r.address}", r.password) for r in settings.images.registries]
    secrets += [(f"Token of {w.name}", w.token) for w in settings.workloads.containers]
    problems = []
    for what, secret in secrets:
        try:
            if secret is not None:
                secret.read()
        except TorchrackError as error:
            found, _, fix = str(error).rpartition(": ")
            problems.append(Problem(host, what, found, "a secret that can be read", fix))
    return problems
