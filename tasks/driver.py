"""Stage ``driver``."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from torchrack import driver
from torchrack.context import locked_packages, settings
from torchrack.operations import driver as drivers
from torchrack.operations import gpus, persistence, pinning
from torchrack.operations.repository import repository
from torchrack.operations.units import unit
from torchrack.persistence import DROP_IN, UNIT
from torchrack.survey import survey


@deploy("driver")
def install() -> None:
    """The declared NVIDIA driver is installed, held and loaded, and nvidia-smi shows every GPU.

    It comes from NVIDIA's repository alone, in the flavour that the GPUs need. Persistence mode is
    on. Where NVSwitches are on the bus, and nowhere else, Fabric Manager of the same version runs.
    The host reboots only when another module than the declared one is loaded.
    """
    wanted = settings().driver
    choice = driver.choose(
        wanted,
        survey(),
        host=host.name,
        exact=locked_packages(),
        known=settings().knowledge.tables(),
    )
    declared = driver.repository(wanted, survey())
    repository(
        name="Add NVIDIA's driver repository",
        declared=declared,
        key_file=wanted.key_file,
    )
    drivers.install(
        name=f"Install the NVIDIA driver {choice.module}",
        choice=choice,
        on_busy=wanted.on_busy_gpu,
        sources=(declared.uri,),
    )
    pinning.intact(name="Keep apt at this driver", package=choice.pinning)
    if wanted.persistence:
        persistence.switch_on(name="Make nvidia-persistenced keep the GPUs initialised")
    drivers.load(
        name=f"Load the NVIDIA module {choice.module}",
        module=choice.module,
        on_busy=wanted.on_busy_gpu,
        allow_reboot=wanted.allow_reboot,
        timeout=wanted.reboot_timeout,
    )
    unit(
        name=f"{'Run' if wanted.persistence else 'Stop'} nvidia-persistenced",
        unit=UNIT,
        running=wanted.persistence,
        enabled=wanted.persistence,
        inputs=(DROP_IN,),
    )
    if wanted.persistence:
        persistence.in_force(name="Keep persistence mode on")
    switches = bool(survey().nvswitches)
    unit(
        name=f"{'Run' if switches else 'Leave out'} the Fabric Manager",
        unit="nvidia-fabricmanager.service",
        running=switches,
        enabled=switches,
    )
    gpus.all_visible(
        name="See every GPU in nvidia-smi",
        addresses=tuple(function.address for function in survey().gpus),
        version=wanted.version,
    )
