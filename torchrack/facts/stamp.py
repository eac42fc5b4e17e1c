"""What is installed, and what an earlier run wrote down about it."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase

from torchrack.docker.client import ENGINE
from torchrack.driver import read_loaded
from torchrack.stamp import STAMP


@dataclass(frozen=True)
class Installed:
    """Versions on a host, None for what is not there, and the stamp's text (empty without one).

    Args:
        driver: version of the loaded NVIDIA driver.
        docker: version of the running engine.
        toolkit: version of the package nvidia-container-toolkit.
        kernel: release of the running kernel.
        stamp: content of the stamp.
    """

    driver: str | None
    docker: str | None
    toolkit: str | None
    kernel: str | None
    stamp: str


class InstalledVersions(FactBase[Installed]):
    """Driver, engine, toolkit, kernel and the stamp, in one round trip."""

    def command(self) -> str:
        """Ask /proc, Docker and dpkg; a tool that is missing or hangs gives an empty answer."""
        return (
            f"{ENGINE}; echo kernel=$(uname -r); "
            'echo "driver=$(head -n 1 /proc/driver/nvidia/version 2>/dev/null)"; '
            "echo docker=$(timeout -k 5 30 docker version --format '{{.Server.Version}}' "
            "2>/dev/null); "
            "echo toolkit=$(dpkg-query -W -f='${Version}' nvidia-container-toolkit 2>/dev/null); "
            f"echo stamp=; cat {STAMP} 2>/dev/null; true"
        )

    def process(self, output: list[str]) -> Installed:
        """Parse ``key=value`` lines; what follows ``stamp=`` is the stamp."""
        if "stamp=" not in output:
            raise FactProcessError(f"unexpected answer about versions: {output!r}")
        end = output.index("stamp=")
        values = dict(line.split("=", 1) for line in output[:end] if "=" in line)
        module = read_loaded(values.get("driver", ""))
        return Installed(
            driver=module.version if module else None,
            docker=values.get("docker") or None,
            toolkit=values.get("toolkit") or None,
            kernel=values.get("kernel") or None,
            stamp="\n".join(output[end + 1 :]),
        )
