"""Templates of HTML pages, which may include ``style.css.j2`` from here and show moments."""

from __future__ import annotations

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template


@cache
def template(package: str, folder: str, name: str) -> Template:
    """Return a template that escapes what is put into it.

    Args:
        package: the package that it belongs to ("torchrack.drift").
        folder: where it lies in the package.
        name: its file.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, folder), PackageLoader("torchrack", "html")]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["moment"] = moment
    return environment.get_template(name)


def moment(text: str) -> str:
    """Return a time in UTC for people ("2026-11-25 23:20 UTC").

    Args:
        text: ISO 8601, as JSON has it.
    """
    return text[:16].replace("T", " ") + " UTC"
