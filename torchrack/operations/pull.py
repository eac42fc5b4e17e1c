"""The command that pulls images: it shows how far it is, and explains what went wrong."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.util import CommandOutput, OutputLine

from torchrack.facts.images import PULLED
from torchrack.images.policy import Reference
from torchrack.images.pull_failure import explain
from torchrack.operations import files
from torchrack.settings.images import Registry

PARALLEL = 3
"""Images pulled at once; Docker itself fetches three layers of each at a time."""

_REPORT_EVERY = 15.0  # seconds


class Pull(StringCommand):
    """Pull several images at once.

    Args:
        images: what to pull.
        tags: tag to ``name@digest``, set when all are there.
        registries: settings of the registries, for messages.
        seconds: time for one image.
        arguments: pyinfra's own (``_timeout``).
    """

    def __init__(
        self,
        *,
        images: Sequence[Reference],
        tags: Mapping[str, str],
        registries: Sequence[Registry],
        seconds: int,
        **arguments: Any,
    ) -> None:
        self.images = images
        self.accounts = {registry.address: registry for registry in registries}
        self.seconds = seconds
        self.scratch = f"/run/torchrack/pull-{uuid.uuid4().hex[:12]}"
        script = files.render(
            "images/pull.sh.j2",
            images=list(enumerate(images)),
            tags=tags,
            scratch=self.scratch,
            seconds=seconds,
            pulled=PULLED,
            parallel=PARALLEL,
        )
        super().__init__(script, **arguments)

    def execute(self, state: Any, host: Any, connector_arguments: Any) -> Any:
        """Run it, report now and then, and put a message in the place of Docker's output."""
        done = threading.Event()
        reporter = threading.Thread(
            target=self._report, args=(host, done, dict(connector_arguments)), daemon=True
        )
        reporter.start()
        try:
            ok, output = super().execute(state, host, connector_arguments)
        finally:
            done.set()
            reporter.join()
        return ok, output if ok else self._explained(host.name, output)

    def _report(self, host: Any, done: threading.Event, arguments: dict[str, Any]) -> None:
        start = time.monotonic()
        # Docker prints a line a layer and state when its output is no terminal.
        count = (
            f"cd {self.scratch} 2>/dev/null && for f in *.log; do echo ${{f%.log}} "
            "$(grep -cE ': (Pull complete|Already exists)' $f) "
            "$(grep -cE ': (Pulling fs layer|Already exists)' $f); done; true"
        )
        while not done.wait(_REPORT_EVERY):
            try:
                _, output = host.run_shell_command(
                    StringCommand(count), **(arguments | {"_timeout": 10})
                )
            except (PyinfraError, OSError, TimeoutError):
                continue  # the pull itself tells what is wrong
            for number, ready, layers in (line.split() for line in output.stdout_lines):
                image = self.images[int(number)]
                if ready != layers:
                    seconds = time.monotonic() - start
                    host.log(
                        f"pulling {image.tagged or image.pinned}: {ready} of {layers} layers, "
                        f"{seconds:.0f} s"
                    )

    def _explained(self, host: str, output: CommandOutput) -> CommandOutput:
        rows = [line.split("\t", 3) for line in output.stdout_lines if line.startswith("failed\t")]
        if not rows:
            return output
        problems = [
            explain(
                host=host,
                image=self.images[int(number)],
                registry=self.accounts.get(self.images[int(number)].registry),
                status=int(status),
                output=text,
                seconds=self.seconds,
            )
            for _, number, status, text in rows
        ]
        return CommandOutput([OutputLine("stderr", str(problem)) for problem in problems])
