"""Our ``@operation``: an error stops one host with a message, never the fleet with a traceback."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import wraps
from typing import Any, cast

from pyinfra import host, logger, state
from pyinfra.api import operation as pyinfra_operation
from pyinfra.api.arguments_typed import PyinfraOperation
from pyinfra.api.command import PyinfraCommand, StringCommand
from pyinfra.api.exceptions import NestedOperationError, PyinfraError
from pyinfra.api.operation import OperationMeta
from pyinfra.connectors.util import CommandOutput, OutputLine
from typing_extensions import ParamSpec

from torchrack import difference
from torchrack.context import current_host
from torchrack.operations import declared

P = ParamSpec("P")
Commands = Generator[str | PyinfraCommand, None, None]


class Refusal(StringCommand):
    """A command that runs nothing, says why, and fails this host's operation."""

    def __init__(self, error: Exception | str) -> None:
        super().__init__("false", "#", str(error))
        self.message = str(error)
        self.error = error if isinstance(error, Exception) else None

    def execute(self, state: Any, host: Any, connector_arguments: Any) -> Any:
        """Fail with the message as the command's error output."""
        return False, CommandOutput([OutputLine("stderr", self.message)])


def operation(function: Callable[P, Commands]) -> PyinfraOperation[P]:
    """Make an operation of a generator of commands.

    An exception in a plain pyinfra operation ends the run for all hosts; here it becomes a failed
    operation of the one host it happened on. ``name=`` is required: pyinfra prints all arguments
    of an operation without one, contents and secrets included.
    """

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Commands:
        try:
            yield from function(*args, **kwargs)
        except NestedOperationError:
            raise
        except PyinfraError as error:
            yield Refusal(error)
        except Exception as error:
            logger.debug("operation failed", exc_info=True)
            yield Refusal(
                f"{host.name}: {function.__name__} failed with {type(error).__name__}: {error}. "
                "This is a fault of Torchrack: run again with --debug and report it"
            )

    planned: Callable[..., OperationMeta] = pyinfra_operation()(guarded)

    @wraps(planned)
    def named(*args: Any, **kwargs: Any) -> OperationMeta | None:
        if not kwargs.get("name"):
            raise TypeError(f"{function.__name__}: an operation needs a name")
        arguments = {name: value for name, value in kwargs.items() if name != "name"}
        one = declared.Declared(kwargs["name"], guarded, arguments)
        collected = declared.collector()
        if collected is not None:
            collected.append(one)
            return None
        declared.note(current_host(), one)
        if state.is_executing:
            return planned(*args, **kwargs)
        with difference.collecting() as said:
            meta = planned(*args, **kwargs)
        difference.keep(current_host(), meta._hash, said)
        return meta

    return cast("PyinfraOperation[P]", named)
