"""What came of servers, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType

from torchrack.onboard.model import Onboarded


def render(results: Sequence[Onboarded]) -> RenderableType:
    """Return a table, a row a server, then what is in the way, and the next commands.

    Args:
        results: what came of each server.
    """
    raise NotImplementedError
