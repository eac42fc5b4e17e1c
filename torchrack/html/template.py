"""Templates of HTML pages, which may include ``style.css.j2`` from here.

The filter ``moment`` writes a time in ISO's form, in UTC, for people.
"""

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
    environment.filters["moment"] = lambda text: text[:16].replace("T", " ") + " UTC"
    return environment.get_template(name)
