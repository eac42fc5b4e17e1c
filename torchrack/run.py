"""Run the stages on each host; what goes wrong on one host stops that host alone."""

from __future__ import annotations

from collections.abc import Callable

from pyinfra import host, logger, state
from pyinfra.api.exceptions import PyinfraError

from torchrack.context import current_host
from torchrack.errors import HostError, Problem, ProblemsError, TorchrackError
from torchrack.report import console

ALWAYS = ("preflight",)
"""Stages that run whatever ``--data only=...`` says; they change nothing."""


def run(*stages: Callable[[], object]) -> None:
    """Run the stages in order on the current host; called by ``deploy.py``.

    ``--data only=docker`` (or ``only=docker,toolkit``) limits a run to some stages.

    Args:
        stages: the public function of each module in ``tasks/``; the module's name is the stage's.

    Raises:
        TorchrackError: ``only`` names a stage that does not exist.
        ProblemsError: preflight found problems; nothing was changed on any host.
    """
    names = [stage.__module__.rpartition(".")[2] for stage in stages]
    only = _only(names)
    for name, stage in zip(names, stages, strict=True):
        if only and name not in only and name not in ALWAYS:
            continue
        if current_host() in state.failed_hosts:
            return
        try:
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
    console().print(message, style="red", markup=False)
    state.fail_hosts({current_host()})
