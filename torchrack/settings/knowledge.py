"""Rows of a fleet's own for the tables that contracts are resolved from."""

from __future__ import annotations

import json
from typing import ClassVar

from pydantic import Field, JsonValue

from torchrack.knowledge.load import extended
from torchrack.knowledge.tables import Knowledge as Tables
from torchrack.settings.section import Section


class Knowledge(Section):
    """What the fleet knows and the tables that ship do not: a new GPU, driver or release."""

    stage: ClassVar[str] = "knowledge"

    rows: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="table to rows, as in torchrack/knowledge/*.yml; gpus: PCI device id to "
        "[chip, product]; a row takes the place of one with the same name",
    )

    def tables(self) -> Tables:
        """Return the tables with these rows in them.

        Raises:
            KnowledgeError: a row is not what its table takes.
        """
        return extended(json.dumps(self.rows, sort_keys=True))
