"""A check's result for people and machines: one module a format."""

from __future__ import annotations

import json as json_text
from collections.abc import Callable, Mapping
from typing import Literal

from torchrack.drift.history import History, Seen
from torchrack.drift.output import html, json, junit, markdown, prometheus
from torchrack.drift.waivers import Waived

Format = Literal["json", "junit", "markdown", "html", "prometheus"]


def _json(checked: Waived, seen: Mapping[tuple[str, str], Seen]) -> str:
    return json_text.dumps(json.as_data(checked, seen), indent=2) + "\n"


FORMATS: dict[Format, Callable[[Waived, Mapping[tuple[str, str], Seen], History], str]] = {
    "json": lambda checked, seen, _: _json(checked, seen),
    "junit": lambda checked, seen, _: junit.render(checked, seen),
    "markdown": lambda checked, seen, _: markdown.render(checked, seen),
    "html": html.render,
    "prometheus": lambda checked, seen, past: prometheus.render(checked, past),
}
"""Format to what makes the text; the table for people is a console's, not a text."""
