"""Read group data files the way pyinfra does, but with all their problems at once."""

from __future__ import annotations

import difflib
import runpy
from pathlib import Path
from types import ModuleType
from typing import Any

from torchrack.errors import Problem
from torchrack.settings.model import SECTIONS
from torchrack.settings.section import Section, collecting


def load_folder(folder: Path) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """Return the data of all groups with a file in ``folder``, and the problems found there.

    The data are sections, and what pyinfra itself takes from a group: ``ssh_...`` and ``_...``.
    """
    data: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for path in [folder] if folder.is_file() else sorted(folder.glob("*.py")):
        with collecting(problems):
            try:
                names = runpy.run_path(str(path))
            except Exception as error:
                problems.append(_broken_file(path, error))
                continue
        data[path.stem] = {k: v for k, v in names.items() if _is_data(k, v)}
        problems += _wrong_names(path, names)
    return data, problems


def _wrong_names(path: Path, names: dict[str, Any]) -> list[Problem]:
    """Sections under a name that nobody reads, and plain values that nobody reads."""
    problems = []
    for name, value in names.items():
        section = SECTIONS.get(name)
        if section is None and isinstance(value, Section):
            close = difflib.get_close_matches(name, SECTIONS, 1)
            fix = f"did you mean {close[0]}?" if close else f"the names are {', '.join(SECTIONS)}"
            problems.append(Problem(str(path), f"Setting {name}", name, "the name of a stage", fix))
        elif section is not None and not isinstance(value, section):
            problems.append(
                Problem(
                    str(path),
                    f"Setting {name}",
                    type(value).__name__,
                    section.__name__,
                    f"write {name} = {section.__name__}(...)",
                )
            )
        elif section is None and _is_plain_data(name, value):
            problems.append(
                Problem(
                    str(path),
                    f"Setting {name}",
                    repr(value)[:60],
                    "a section",
                    f"nothing reads it: prefix it with _ or use one of {', '.join(SECTIONS)}",
                )
            )
    return problems


def _is_data(name: str, value: Any) -> bool:
    own = name.startswith(("_", "ssh_")) and not name.startswith("__")
    return isinstance(value, Section) or (own and not isinstance(value, ModuleType))


def _is_plain_data(name: str, value: Any) -> bool:
    return not name.startswith(("_", "ssh_")) and isinstance(
        value, (str, int, float, list, tuple, dict)
    )


def _broken_file(path: Path, error: Exception) -> Problem:
    line = error.lineno if isinstance(error, SyntaxError) else None
    if line is None:
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == str(path):
                line = trace.tb_lineno
            trace = trace.tb_next
    return Problem(
        where=f"{path}:{line}" if line else str(path),
        what="Group data",
        found=f"{type(error).__name__}: {error}",
        needed="a file that loads",
        fix="correct it",
    )
