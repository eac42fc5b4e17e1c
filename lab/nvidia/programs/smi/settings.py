"""The forms that change a GPU's settings: persistence mode, power limit, MIG mode, reset."""

from gpus import state

from smi import fields
from smi.nvml import Gpu, Nvml, Stop

EARLY = "Terminating early due to previous errors."


def _change(what: str, gpu: Gpu, **values: object) -> None:
    try:
        state.change_gpu(gpu.device.minor, **values)
    except OSError as error:
        refusal = f"Unable to {what} for GPU {gpu.device.bus_id}: Insufficient Permissions"
        raise Stop(4, f"{refusal}\n{EARLY}") from error


def persistence_mode(nvml: Nvml, wanted: str) -> None:
    """Apply -pm."""
    if wanted not in ("0", "1", "DISABLED", "ENABLED"):
        raise Stop(2, f"'{wanted}' is not a valid value for persistence mode.\n")
    on = wanted in ("1", "ENABLED")
    word = "Enabled" if on else "Disabled"
    for gpu in nvml.gpus:
        if gpu.persistence == on:
            print(f"Persistence mode is already {word} for GPU {gpu.device.bus_id}.")
        else:
            _change("set persistence mode", gpu, persistence=on)
            print(f"{word} persistence mode for GPU {gpu.device.bus_id}.")
    print("All done.")


def power_limit(nvml: Nvml, wanted: str) -> None:
    """Apply -pl, in W."""
    watts = float(wanted)
    for gpu in nvml.gpus:
        _, _, lowest, highest = gpu.model.power
        if not lowest <= watts <= highest:
            raise Stop(
                2,
                f"Provided power limit {watts:.2f} W is not a valid power limit which should be "
                "between "
                f"{lowest:.2f} W and {highest:.2f} W for GPU {gpu.device.bus_id}\n{EARLY}",
            )
        before = fields.power_limit(gpu)
        _change("set power limit", gpu, power_limit=watts)
        print(
            f"Power limit for GPU {gpu.device.bus_id} was set to {watts:.2f} W from {before:.2f} W."
        )
        if not gpu.persistence:
            print(
                "\nWarning: persistence mode is disabled on device "
                f"{gpu.device.bus_id}. See the Known Issues section of the nvidia-smi(1) man page "
                "for more information."
            )
    print("\nAll done.")


def mig_mode(nvml: Nvml, wanted: str) -> None:
    """Apply -mig."""
    on = wanted == "1"
    for gpu in nvml.gpus:
        if not gpu.model.mig:
            print(
                f"Unable to {'enable' if on else 'disable'} MIG Mode "
                f"for GPU {gpu.device.bus_id}: Not Supported"
            )
            print("Treating as warning and moving on.")
            continue
        _change("set MIG mode", gpu, mig=on)
        print(f"{'Enabled' if on else 'Disabled'} MIG Mode for GPU {gpu.device.bus_id}")
    print("All done.")


def reset(nvml: Nvml) -> None:
    """Apply --gpu-reset: refused while a process uses the GPU, otherwise a lost GPU comes back."""
    for gpu in nvml.gpus:
        if any(gpu.device.minor in process["gpus"] for process in nvml.processes):
            raise Stop(
                19,
                f"GPU {gpu.device.bus_id} is currently in use by one or more other processes "
                "(e.g., Fabric Manager, CUDA application, graphics application such as an X "
                "server, or a monitoring application such as another instance of nvidia-smi). "
                "Please first kill all processes using this GPU and all compute applications "
                "running in the system.\n"
                f"{EARLY}",
            )
        _change("reset", gpu, lost=False)
        print(f"GPU {gpu.device.bus_id} was successfully reset.")
    print("All done.")
