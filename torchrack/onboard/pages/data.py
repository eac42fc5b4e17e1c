"""What came of servers as data for programs; docs/onboard.schema.json describes it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from torchrack.onboard.model import Onboarded

SCHEMA = 1


def as_data(
    results: Sequence[Onboarded], *, inventory: str, finished: dt.datetime
) -> dict[str, Any]:
    """Return plain data for json.dumps.

    Args:
        results: what came of each server.
        inventory: the fleet's inventory file, as it was named.
        finished: when the run ended, with a time zone.
    """
    raise NotImplementedError
