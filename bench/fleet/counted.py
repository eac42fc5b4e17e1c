"""Run a program of Python and count what it has hosts run: ``counted.py FILE PROGRAM [ARGS]``.

Each command over paramiko, and each start of ssh that connects, adds a line to the file.
"""

from __future__ import annotations

import os
import runpy
import sys
import tempfile
from pathlib import Path
from shutil import which
from typing import Any

_SHIM = """#!/bin/sh
case " $* " in *" -O "* | *" -G "*) ;; *) echo ssh >> '{file}' ;; esac
exec '{ssh}' "$@"
"""


def main() -> None:
    """Count, and run the program as if it had been started itself."""
    file, program = Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        shim = Path(folder) / "ssh"
        shim.write_text(_SHIM.format(file=file, ssh=which("ssh")))
        shim.chmod(0o755)
        os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
        if Path(program).name == "pyinfra":
            from gevent import monkey  # noqa: PLC0415 - before anything else, as pyinfra does it

            monkey.patch_all()
        from paramiko import SSHClient  # noqa: PLC0415 - after gevent's patches

        run = SSHClient.exec_command

        def counted(self: SSHClient, *args: Any, **kwargs: Any) -> Any:
            with file.open("a") as lines:
                lines.write("exec\n")
            return run(self, *args, **kwargs)

        SSHClient.exec_command = counted  # type: ignore[method-assign]  # that is what counts
        sys.argv = sys.argv[2:]
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
