"""The simulated nvidia-ctk against the genuine one's recorded specification and known behaviour."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.lab.simulated import H200, Server

VERSION = "580.105.08"
RECORDED = Path(__file__).parent / "fixtures/cdi-h200x2-580.105.08.yaml"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    server = Server(tmp_path)
    server.plug(H200, "1a:00.0", "1b:00.0")
    server.install(VERSION)
    server.put_library(VERSION, "libcuda")
    return server


def _generate(server: Server) -> tuple[str, dict[str, Any]]:
    result = server.run("ctk", "cdi", "generate")
    assert result.status == 0, result.stderr
    return result.stdout, yaml.safe_load(result.stdout)


def _shape(value: Any) -> Any:
    """Reduce a specification to its keys, and each list to what its items have in common."""
    if isinstance(value, dict):
        # The stand-ins for device nodes are files, whose minor number is 0 and so left out.
        return {key: _shape(item) for key, item in value.items() if key != "minor"}
    if isinstance(value, list):
        merged: dict[str, Any] = {}
        for item in value:
            if isinstance(item, dict):
                merged.update(_shape(item))
        return merged or type(value[0]).__name__
    return type(value).__name__


def test_the_specification_has_the_recorded_shape(server: Server) -> None:
    server.load()

    _, specification = _generate(server)

    assert _shape(specification) == _shape(yaml.safe_load(RECORDED.read_text()))


def test_it_is_laid_out_as_the_recorded_one(server: Server) -> None:
    server.load()

    text, _ = _generate(server)

    recorded = RECORDED.read_text().splitlines()
    heads = ("---", "kind:", "devices:", '    - name: "0"', "      containerEdits:")
    for head in (*heads, "        deviceNodes:", "            - path: /dev/nvidia0"):
        assert next(line for line in recorded if line.startswith(head)) in text.splitlines()


def test_devices_are_named_by_index_uuid_and_all(server: Server) -> None:
    server.load()

    _, specification = _generate(server)

    names = [device["name"] for device in specification["devices"]]
    assert (names[:2], names[-1], len(names)) == (["0", "1"], "all", 5)
    assert all(name.startswith("GPU-") for name in names[2:4])


def test_links_and_libraries_are_those_on_the_disk(server: Server) -> None:
    server.load()

    _, specification = _generate(server)

    links = specification["containerEdits"]["hooks"][0]["args"]
    library = f"/usr/lib/x86_64-linux-gnu/libcuda.so.{VERSION}"
    mounted = [mount["hostPath"] for mount in specification["containerEdits"]["mounts"]]
    assert links[:2] == ["nvidia-cdi-hook", "create-symlinks"]
    assert f"libcuda.so.{VERSION}::/usr/lib/x86_64-linux-gnu/libcuda.so.1" in links
    assert library in mounted


def _not_loaded(server: Server) -> None:
    """Leave it as it is: installed and not loaded."""


def _lose_library(server: Server) -> None:
    (server.root / "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1").unlink()


def _upgrade(server: Server) -> None:
    server.load()
    server.install("580.159.04")


@pytest.mark.parametrize(
    ("prepare", "error"),
    [
        (_not_loaded, "ERROR_DRIVER_NOT_LOADED"),
        (_lose_library, "ERROR_LIBRARY_NOT_FOUND"),
        (_upgrade, "ERROR_LIB_RM_VERSION_MISMATCH"),
    ],
)
def test_a_driver_that_does_not_work_gives_nvmls_error(
    server: Server, prepare: Any, error: str
) -> None:
    prepare(server)

    result = server.run("ctk", "cdi", "generate")

    assert result.status == 1
    assert result.stderr.splitlines()[-1] == f"failed to initialize NVML: {error}"


def test_mig_without_instances_leaves_no_specification(server: Server) -> None:
    server.load()
    server.set(gpus={"*": {"mig": True}})

    result = server.run("ctk", "cdi", "generate")

    assert (result.status, "empty device edits" in result.stderr) == (1, True)


def test_list_names_what_is_in_the_specifications(server: Server) -> None:
    server.load()
    output = server.root / "var/run/cdi/nvidia.yaml"
    server.run("ctk", "cdi", "generate", "--output", str(output))

    result = server.run("ctk", "cdi", "list")

    assert result.stdout.splitlines()[-1] == "nvidia.com/gpu=all"
    assert "Found 5 CDI devices" in result.stderr


def test_list_without_a_specification_succeeds(server: Server) -> None:
    result = server.run("ctk", "cdi", "list")

    assert (result.status, result.stdout) == (0, "")
    assert "Found 0 CDI devices" in result.stderr


def test_configure_loses_the_other_features(server: Server, tmp_path: Path) -> None:
    config = tmp_path / "daemon.json"
    config.write_text('{"features": {"containerd-snapshotter": false}, "icc": false}')

    result = server.run(
        "ctk", "runtime", "configure", "--runtime=docker", f"--config={config}", "--cdi.enabled"
    )

    assert result.status == 0
    assert json.loads(config.read_text()) == {
        "features": {"cdi": True},
        "icc": False,
        "runtimes": {"nvidia": {"args": [], "path": "nvidia-container-runtime"}},
    }


def test_a_dry_run_prints_and_writes_nothing(server: Server, tmp_path: Path) -> None:
    config = tmp_path / "daemon.json"

    result = server.run("ctk", "runtime", "configure", f"--config={config}", "--dry-run")

    assert json.loads(result.stdout)["runtimes"]["nvidia"]["args"] == []
    assert not config.exists()


def test_configure_refuses_what_is_not_json(server: Server, tmp_path: Path) -> None:
    config = tmp_path / "daemon.json"
    config.write_text("{not json")

    result = server.run("ctk", "runtime", "configure", f"--config={config}")

    assert (result.status, config.read_text()) == (1, "{not json")
