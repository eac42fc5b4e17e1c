"""A check's result for people and machines: one module a format."""

from __future__ import annotations

import json as json_text
from collections.abc import Callable, Mapping
from typing import Literal

from torchrack.drift.history import Seen
from torchrack.drift.output import json, junit, markdown, prometheus
from torchrack.drift.waivers import Waived

Format = Literal["json", "junit", "markdown", "prometheus"]


def _json(checked: Waived, seen: Mapping[tuple[str, str], Seen]) -> str:
    return json_text.dumps(json.as_data(checked, seen), indent=2) + "\n"


FORMATS: dict[Format, Callable[[Waived, Mapping[tuple[str, str], Seen]], str]] = {
    "json": _json,
    "junit": junit.render,
    "markdown": markdown.render,
    "prometheus": prometheus.render,
}
"""Format to what makes the text; the table for people is a console's, not a text."""
