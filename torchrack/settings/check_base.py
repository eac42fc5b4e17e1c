"""Problems of the ``base`` section that only reading the files it names shows."""

from __future__ import annotations

from collections.abc import Iterator

from torchrack.base.certificates import read_ca
from torchrack.errors import Problem, TorchrackError
from torchrack.fleet_folder import here
from torchrack.settings.model import Settings


def ca_certificates(host: str, settings: Settings) -> Iterator[Problem]:
    """Yield the problems of certificate files that exist; missing ones are told elsewhere.

    Args:
        host: the host's name, for the messages.
        settings: its merged settings.
    """
    for name, path in settings.base.ca_certificates.items():
        if not here(path).is_file():
            continue
        try:
            read_ca(path)
        except TorchrackError as error:
            yield Problem(
                settings.base.where("ca_certificates") or host,
                f"base.ca_certificates[{name!r}]",
                str(error),
                "one CA certificate in PEM form that is valid now",
                "ask whoever runs the proxy or the registry for it",
            )
