"""Where a secret comes from. The secret itself never stands in settings, data or logs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from torchrack.errors import TorchrackError


class Secret(BaseModel):
    """A reference to a secret on the machine that runs pyinfra.

    Args:
        source: ``env`` for an environment variable, ``file`` for a file's first line.
        name: the variable's name or the file's path.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: Literal["env", "file"]
    name: str

    def read(self) -> str:
        """Return the secret.

        Raises:
            TorchrackError: the variable is unset, or the file is missing, empty or open to others.
        """
        return self._from_environment() if self.source == "env" else self._from_file()

    def _from_environment(self) -> str:
        value = os.environ.get(self.name, "")
        if not value:
            raise TorchrackError(
                f"the environment variable {self.name} is not set: export it and run again"
            )
        return value

    def _from_file(self) -> str:
        path = Path(self.name).expanduser()
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TorchrackError(f"the secret file {path} can't be read: {error}") from None
        if mode & 0o077:
            raise TorchrackError(
                f"the secret file {path} is open to others (mode {mode & 0o777:04o}): "
                f"run chmod 600 {path}"
            )
        value = text.split("\n", 1)[0]
        if not value:
            raise TorchrackError(f"the secret file {path} is empty: write the secret in line 1")
        return value


def env(name: str) -> Secret:
    """A secret from the environment variable ``name``."""
    return Secret(source="env", name=name)


def file(path: str) -> Secret:
    """A secret from the first line of the file ``path``, which must be private (0600)."""
    return Secret(source="file", name=path)
