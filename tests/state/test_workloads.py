"""The declared containers run, with their limits and GPUs, and nothing else of ours does."""

from __future__ import annotations

import json

from tests.state import workload_probes as probes
from tests.state.target import Target
from tests.state.workload_probes import found_containers, is_done, parts, running
from torchrack.settings import Workload
from torchrack.workloads.diff import differences
from torchrack.workloads.workload import container_spec

PROBES = {
    "workload_units": probes.units,
    "workload_containers": probes.containers,
    "workload_entrypoints": probes.entrypoints,
    "workload_inside": probes.inside,
    "workload_gpus": probes.gpus,
    "workload_listening": probes.listening,
}


def _units(target: Target) -> dict[str, dict[str, str]]:
    blocks = target.probe("workload_units").stdout.strip().split("\n\n")
    units = [dict(line.split("=", 1) for line in block.splitlines()) for block in blocks if block]
    return {unit["Id"]: unit for unit in units}


def _inside(target: Target, workload: Workload) -> dict[str, str]:
    lines = parts(target, "workload_inside")[workload.name]
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    assert "memory" in values, f"{workload.name} can't be looked into: {lines}"
    return values


def test_units_are_active(target: Target) -> None:
    units, found = _units(target), found_containers(target)
    for workload in target.settings.workloads.containers:
        unit = units[f"torchrack-{workload.name}.service"]
        state = (unit["ActiveState"], unit["Result"])
        container = found.get(workload.name)
        done = container is not None and is_done(workload, container)
        wanted = ("inactive", "success") if done else ("active", "success")
        assert state == wanted, f"{workload.name}: its unit is {state}, needed {wanted}"


def test_units_start_at_boot(target: Target) -> None:
    states = {name: unit["UnitFileState"] for name, unit in _units(target).items()}
    names = [f"torchrack-{w.name}.service" for w in target.settings.workloads.containers]
    assert states == dict.fromkeys(names, "enabled")


def test_containers_are_healthy(target: Target) -> None:
    found = found_containers(target)
    for workload in running(target):
        state = found[workload.name]["State"]
        health = (state.get("Health") or {}).get("Status", "without a health check")
        assert state["Status"] == "running", f"{workload.name} is {state['Status']}"
        assert health in ("healthy", "without a health check"), f"{workload.name} is {health}"


def test_containers_are_as_declared(target: Target) -> None:
    found = found_containers(target)
    lines = target.probe("workload_entrypoints").lines
    entrypoints = {name: json.loads(value) for name, value in (x.split(" ", 1) for x in lines)}
    wrong = []
    for workload in target.settings.workloads.containers:
        reference = target.settings.images.catalog[workload.image]
        entrypoint = entrypoints[probes.by_name_and_digest(reference)] or ()
        spec = container_spec(workload, reference, tuple(entrypoint))
        assert workload.name in found, f"no container {workload.name}"
        wrong += [f"{workload.name}: {d}" for d in differences(spec, found[workload.name])]
    assert not wrong, "; ".join(wrong)


def test_nothing_undeclared_runs(target: Target) -> None:
    declared = {workload.name for workload in target.settings.workloads.containers}
    assert set(found_containers(target)) == declared


def test_nothing_is_privileged(target: Target) -> None:
    for name, container in found_containers(target).items():
        host = container["HostConfig"]
        assert not host["Privileged"], f"{name} is privileged"
        modes = {key: host.get(key) or "" for key in ("PidMode", "IpcMode", "UTSMode")}
        assert "host" not in [*modes.values(), host["NetworkMode"]], f"{name} shares the host's"
        sources = [mount["Source"] for mount in container["Mounts"]]
        assert not [s for s in sources if s.endswith("docker.sock")], f"{name} has Docker's socket"


def test_memory_is_limited(target: Target) -> None:
    for workload in running(target):
        found = _inside(target, workload)["memory"]
        assert found == str(workload.memory), f"{workload.name}: {found}, needed {workload.memory}"


def test_cpus_are_limited(target: Target) -> None:
    for workload in running(target):
        quota, period = map(int, _inside(target, workload)["cpu"].split())
        assert quota / period == workload.cpus, f"{workload.name}: {quota} us of {period} us"


def test_processes_are_limited(target: Target) -> None:
    for workload in running(target):
        found = _inside(target, workload)["pids"]
        assert found == str(workload.pids), f"{workload.name}: {found}, needed {workload.pids}"


def test_shared_memory_has_its_size(target: Target) -> None:
    for workload in running(target):
        blocks, size = map(int, _inside(target, workload)["shm"].split())
        assert blocks * size == workload.shm_size, f"{workload.name}: {blocks * size} bytes"


def test_ulimits_are_set(target: Target) -> None:
    for workload in running(target):
        inside = _inside(target, workload)
        found = {name: inside[name] for name in ("memlock", "stack", "nofile")}
        memlock = "unlimited" if workload.memlock == -1 else str(workload.memlock)
        wanted = {"memlock": memlock, "stack": str(workload.stack), "nofile": str(workload.nofile)}
        assert found == wanted, workload.name


def test_runs_as_the_declared_user(target: Target) -> None:
    for workload in running(target):
        assert _inside(target, workload)["uid"] == workload.user, workload.name


def test_ports_listen_where_declared(target: Target) -> None:
    """On declared addresses only; that something answers there is proven by kind."""
    listening = [line.split()[3] for line in target.probe("workload_listening").lines]
    for workload in running(target):
        for port in workload.ports:
            found = {a.rpartition(":")[0] for a in listening if a.endswith(f":{port.host}")}
            wide = {"0.0.0.0", "[::]", "*"}  # noqa: S104
            allowed = wide if port.address in ("0.0.0.0", "::") else {port.address}  # noqa: S104
            assert found <= allowed, f"{workload.name}: port {port.host} on {sorted(found)}"


def _wanted_gpus(workload: Workload, on_the_bus: int) -> int:
    return on_the_bus if workload.gpus == "all" else len(workload.gpus)


def test_gpus_are_visible(target: Target) -> None:
    on_the_bus = int(target.probe("workload_gpus").lines[0])
    seen = parts(target, "workload_gpus")
    for workload in running(target):
        if workload.gpus != "none":
            gpus = [line for line in seen[workload.name] if line.startswith("GPU ")]
            wanted = _wanted_gpus(workload, on_the_bus)
            assert len(gpus) == wanted, f"{workload.name}: needed {wanted}: {seen[workload.name]}"


def test_gpus_survive_daemon_reload(target: Target) -> None:
    """In the very same containers: legacy injection loses the GPU here, CDI does not."""
    names = [workload.name for workload in running(target) if workload.gpus != "none"]
    look = "\n".join(
        f"docker inspect -f '{{{{.Name}}}} {{{{.Id}}}} {{{{.State.StartedAt}}}}' {name}; "
        f"docker exec {name} nvidia-smi -L 2>&1"
        for name in names
    )
    answer = target.run(f"{look}\necho; systemctl daemon-reload; echo\n{look}\n")
    before, _, after = answer.stdout.partition("\n\n")
    assert answer.stdout.count("GPU ") >= 2 * len(names), answer.stdout
    assert after.strip() == before.strip()
