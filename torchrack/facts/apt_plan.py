"""What apt would do."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase

from torchrack.apt.transaction import Plan, parse

_SCRIPT = Path(__file__).parents[2] / "files" / "apt" / "plan.sh"


class AptPlan(FactBase[Plan]):
    """apt's plan to install packages, with what it takes to judge it, in one round trip."""

    def command(
        self, packages: Sequence[str], options: Sequence[str] = (), pinning: str = ""
    ) -> str:
        """Simulate; apt's refusal is part of the answer.

        Args:
            packages: what to tell apt ("docker.io=26.1.5*", "nvidia-dkms-").
            options: apt's options.
            pinning: a pinning package with its version, that counts as if it were there already.
        """
        words = {"packages": " ".join(packages), "options": " ".join(options), "pinning": pinning}
        head = [f"{name}={shlex.quote(value)}" for name, value in words.items()]
        return "\n".join([*head, _SCRIPT.read_text(encoding="utf-8")])

    def process(self, output: list[str]) -> Plan:
        """Parse the sections."""
        try:
            return parse(output)
        except ValueError as error:
            raise FactProcessError(f"unexpected plan of apt: {error}") from error
