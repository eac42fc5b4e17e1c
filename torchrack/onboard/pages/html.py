"""A verdict as one HTML file that needs nothing else; it can be printed and filed."""

from __future__ import annotations

from torchrack.html.template import template
from torchrack.onboard.pages.content import Page


def render(page: Page) -> str:
    """Return the text of a page."""
    return template("torchrack.onboard", "pages", "verdict.html.j2").render(page=page)
