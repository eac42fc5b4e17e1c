"""Stage ``toolkit``."""

from __future__ import annotations

from pyinfra.api import deploy

from torchrack import driver, toolkit
from torchrack.context import locked_packages, settings
from torchrack.operations import apt, cdi
from torchrack.operations.repository import repository
from torchrack.survey import survey


@deploy("toolkit")
def install() -> None:
    """The NVIDIA Container Toolkit is installed at one version, and its CDI spec is current.

    Containers get GPUs through ``--device nvidia.com/gpu=...``. The spec is made again at each boot
    and when a driver is installed. daemon.json belongs to the docker stage: ``nvidia-ctk runtime
    configure``, which loses keys of it, is never run.
    """
    wanted = settings().toolkit
    declared = toolkit.repository(wanted, survey())
    repository(
        name="Add the NVIDIA Container Toolkit's repository",
        declared=declared,
        key_file=wanted.key_file,
    )
    apt.packages(
        name=f"Install the NVIDIA Container Toolkit {wanted.version}",
        versions={package: locked_packages()[package] for package in toolkit.PACKAGES},
        # NVIDIA's CUDA repository has the toolkit's packages as well.
        sources=(declared.uri, driver.repository(settings().driver, survey()).uri),
        hold=True,
        allow_downgrade=True,
    )
    cdi.current(name="Keep the CDI spec in step with the driver")
