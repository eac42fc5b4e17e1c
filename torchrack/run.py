"""Run the stages on each host; what goes wrong on one host stops that host alone."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from weakref import WeakKeyDictionary

from pyinfra import host, logger, state
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host

from torchrack import ordering
from torchrack.context import current_host
from torchrack.errors import HostError, Problem, ProblemsError, TorchrackError
from torchrack.report import console

Stage = Callable[[], object]

ALWAYS = ("preflight",)
"""Stages that run whatever ``--data only=...`` says; they change nothing."""


failures: WeakKeyDictionary[Host, tuple[str, str]] = WeakKeyDictionary()
"""Host to the stage that could not be planned, and why."""

_collected: ContextVar[list[Stage] | None] = ContextVar("torchrack_stages", default=None)


def name_of(stage: Stage) -> str:
    """Return a stage's name: that of its module in ``tasks/``."""
    return stage.__module__.rpartition(".")[2]


def stages_of(deploy_file: Path) -> tuple[Stage, ...]:
    """Return the stages that a deploy file runs, without running one.

    Args:
        deploy_file: path of ``deploy.py``.

    Raises:
        TorchrackError: it can't be loaded, or runs none.
    """
    found: list[Stage] = []
    folder = str(deploy_file.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # stages of a fleet's own stand beside its deploy file
    token = _collected.set(found)
    try:
        runpy.run_path(str(deploy_file))
    except (Exception, SystemExit) as error:  # a deploy file is a program: it can fail in any way
        said = f"{type(error).__name__}: {error}"
        raise TorchrackError(f"{deploy_file} can't be loaded: {said}") from error
    finally:
        _collected.reset(token)
    if not found:
        raise TorchrackError(f"{deploy_file} runs no stage: it has to call run(...)")
    return tuple(found)


def run(*stages: Stage) -> None:
    """Run the stages in order on the current host; called by ``deploy.py``.

    ``--data only=docker`` (or ``only=docker,toolkit``) limits a run to some stages.

    Args:
        stages: the public function of each module in ``tasks/``; the module's name is the stage's.

    Raises:
        TorchrackError: ``only`` names a stage that does not exist.
        ProblemsError: preflight found problems; nothing was changed on any host.
    """
    collected = _collected.get()
    if collected is not None:
        collected.extend(stages)
        return
    names = [name_of(stage) for stage in stages]
    only = _only(names)
    for number, (name, stage) in enumerate(zip(names, stages, strict=True)):
        if only and name not in only and name not in ALWAYS:
            continue
        if current_host() in state.failed_hosts:
            return
        try:
            with ordering.stage(number):
                stage()
        except ProblemsError:
            raise
        except Exception as error:
            _fail(name, error)
            return


def _only(names: list[str]) -> set[str]:
    chosen = {part for part in str(host.data.get("only") or "").split(",") if part}
    unknown = chosen - set(names)
    if unknown:
        raise TorchrackError(
            f"only={','.join(sorted(unknown))}: no such stage; the stages are {', '.join(names)}"
        )
    return chosen


def _fail(stage: str, error: Exception) -> None:
    """Take the current host out of the run and say why; the others go on."""
    if isinstance(error, HostError):
        message = str(error)
    elif isinstance(error, PyinfraError):
        message = f"{host.name}: {error}"
    else:
        logger.debug("stage failed", exc_info=error)
        message = str(
            Problem(
                where=host.name,
                what=f"Stage {stage}",
                found=f"{type(error).__name__}: {error}",
                needed="a stage that plans its changes",
                fix="check the host's data; with --debug the place in the code is shown",
            )
        )
    failures[current_host()] = stage, message
    console().print(message, style="red", markup=False)
    state.fail_hosts({current_host()})
