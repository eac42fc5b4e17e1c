"""The settings' reference: ``python -m torchrack.settings.docs > docs/settings.md``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from pydantic.fields import FieldInfo

from torchrack.settings import images, workloads
from torchrack.settings.model import SECTIONS
from torchrack.settings.secret import Secret
from torchrack.settings.section import Section

_INTRODUCTION = """\
# Settings

Made from `torchrack/settings/` by `python -m torchrack.settings.docs > docs/settings.md`: do not
edit.

Settings stand in `group_data/` (a file a group; `all.py` is for every host) and in the inventory,
as one object a stage:

```python
# group_data/all.py
from torchrack.settings import Docker, Driver

driver = Driver(version="580.159.04")
docker = Docker(log_max_size="100MiB")
```

Files are merged field by field, the more specific one wins: `all.py`, then the groups of the host,
then its entry in the inventory (`host("gpu01", ..., driver=Driver(...))`). A list or a dict
replaces the more general one whole. Everything is checked before the first connection.

`group_data/` is found from the inventory, whatever the current folder is, and relative paths begin
in the same folder ([the fleet's folder](inventory.md#the-fleets-folder)).

Sizes (`Bytes`) are numbers of bytes or texts as `"512MiB"`, `"16GiB"`, `"1TB"`; times (`Seconds`)
are numbers of seconds or texts as `"90s"`, `"5min"`, `"2h"`. Secrets are never written down:
`env("NAME")` names an environment variable, `file("PATH")` a private file (mode 0600) and
`command("pass", "show", "NAME")` a command of the machine that runs pyinfra
([secrets](secrets.md)).
"""
_PARTS: dict[str, tuple[type[Section], ...]] = {
    "images": (images.Registry,),
    "workloads": (workloads.Workload, workloads.Port, workloads.Mount),
}
"""Further classes that a section is made of."""


def reference() -> str:
    """Return the text of docs/settings.md."""
    parts = [_INTRODUCTION]
    for name, section in SECTIONS.items():
        parts.append("\n".join(_section(f"## `{name} = {section.__name__}(...)`", section)))
        for part in _PARTS.get(name, ()):
            parts.append("\n".join(_section(f"### `{part.__name__}(...)`", part)))
    return "\n".join(parts)


def _section(heading: str, section: type[Section]) -> Iterator[str]:
    yield heading
    yield ""
    yield " ".join((section.__doc__ or "").split())
    yield ""
    yield "| field | type | default | what it is |"
    yield "|---|---|---|---|"
    for name, field in section.model_fields.items():
        kind = section.__annotations__[name]  # the text in the source: aliases keep their names
        cells = (f"`{name}`", f"`{_plain(kind)}`", _default(kind, field), field.description or "")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _plain(kind: str) -> str:
    """A type as a reader needs it: ``Annotated[str, ...]`` is a ``str``."""
    return re.sub(r"Annotated\[([^,\[\]]+),.*?\](?=\]|$)", r"\1", kind)


def _default(kind: str, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "unset"
    if kind == "Bytes":
        return f'`"{_size(value)}"`'
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{value!r}`" if not isinstance(value, Secret) else "a secret"


def _size(value: int) -> str:
    for unit, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value and value % unit == 0:
            return f"{value // unit}{name}"
    return f"{value}B"


if __name__ == "__main__":
    sys.stdout.write(reference())
