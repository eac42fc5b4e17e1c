"""What all sections of the settings share: strict types, and problems collected, not raised.

A group data file is Python. If the first wrong value raised, a reader would mend one mistake a run.
While :func:`collecting` is active a wrong section therefore notes its problems, with file and line,
and the file goes on loading.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from torchrack.errors import Problem, TorchrackError

_collector: list[Problem] | None = None
S = TypeVar("S", bound="Section")


class SettingsError(TorchrackError, ValueError):
    """A section with wrong values, made where nobody collects problems: in an inventory file."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n    ".join(["wrong settings", *map(str, problems)]))
        self.problems = problems


class Section(BaseModel):
    """One typed group of settings; ``stage`` is the name it has in ``group_data/``.

    ``origins`` says of each field that was named where that was: "file:line".
    """

    __slots__ = ("origins",)
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, strict=False)
    stage: ClassVar[str] = ""

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            problems = _problems(type(self), error, _calling_line())
            if _collector is None:
                raise SettingsError(problems) from None
            _collector.extend(problems)
        else:
            # Sections of defaults alone are made by the hundred when settings are merged.
            self.note_origins(dict.fromkeys(data, _calling_line()) if data else {})

    def note_origins(self, origins: dict[str, str]) -> None:
        """Keep where each field was named; no part of the value, so that equality is of values."""
        object.__setattr__(self, "origins", origins)

    def where(self, field: str) -> str | None:
        """Return the file and line that named a field, or None where that isn't known."""
        origins: dict[str, str] = getattr(self, "origins", {})
        return origins.get(field)

    def changed(self: S, **values: Any) -> S:
        """Return the same section with other values, which are not checked again."""
        section = self.model_copy(update=values)
        section.note_origins(getattr(self, "origins", {}))
        return section

    def to_json(self) -> dict[str, Any]:
        """The values, as ``pyinfra INVENTORY debug-inventory --json`` shows them."""
        return self.model_dump(mode="json")


def _problems(section: type[Section], error: ValidationError, where: str) -> list[Problem]:
    return [
        Problem(
            where=where,
            what=".".join([section.__name__, *map(str, detail["loc"])]),
            found=_shown(detail["input"]),
            needed=detail["msg"].removeprefix("Value error, "),
            fix=_fix(section, detail["type"], detail["loc"]),
        )
        for detail in error.errors()
    ]


def _fix(section: type[Section], kind: str, location: tuple[int | str, ...]) -> str:
    if kind == "extra_forbidden":
        return f"use one of: {', '.join(section.model_fields)}"
    field = section.model_fields.get(str(location[0])) if location else None
    if field is not None and field.description:
        return f"{location[0]}: {field.description}"
    return "correct the value; docs/settings.md lists every field"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _calling_line() -> str:
    """The file and line of the group data or inventory file that made the section."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


@cache
def _is_ours(file: str) -> bool:
    path = Path(file)
    return Path(__file__).parent in path.parents or "pydantic" in path.parts


@contextmanager
def collecting(problems: list[Problem]) -> Iterator[None]:
    """While active, wrong sections add to ``problems`` in place of raising."""
    global _collector  # noqa: PLW0603 - group data files have no other way to reach the caller
    previous, _collector = _collector, problems
    try:
        yield
    finally:
        _collector = previous
