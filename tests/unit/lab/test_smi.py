"""What the recordings don't show: containers, flavours, settings, and what only some cards have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.lab.simulated import H200, P100, RTX4090, RTX5090, UNKNOWN, Server

NOT_LOADED = "couldn't communicate with the NVIDIA driver"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_an_installed_driver_works_only_once_it_is_loaded(server: Server) -> None:
    server.plug(H200, "3b:00.0", "4c:00.0")
    server.install("580.105.08")

    before = server.run("smi", "-L")
    server.load()
    after = server.run("smi", "-L")

    assert (before.status, NOT_LOADED in before.stdout) == (9, True)
    assert (after.status, len(after.stdout.splitlines())) == (0, 2)


def test_an_upgrade_does_not_reach_the_loaded_module(server: Server) -> None:
    server.plug(H200, "3b:00.0")
    server.install("580.105.08")
    server.load()
    server.install("580.159.04")

    again = server.load()
    result = server.run("smi")

    assert (again.status, result.status) == (0, 18)
    assert result.stdout.endswith("mismatch\nNVML library version: 580.159\n")


@pytest.mark.parametrize(
    ("device", "driver", "status", "words"),
    [
        (P100, ("580.105.08", "open"), 9, NOT_LOADED),
        (P100, ("580.105.08", "proprietary"), 0, "Tesla P100"),
        (P100, ("590.48.01", "proprietary"), 9, NOT_LOADED),
        (RTX5090, ("580.105.08", "proprietary"), 6, "No devices were found"),
        (RTX5090, ("580.105.08", "open"), 0, "RTX 5090"),
        (H200, ("580.105.08", "proprietary"), 0, "NVIDIA H200"),
        (UNKNOWN, ("580.105.08", "open"), 9, NOT_LOADED),
    ],
)
def test_the_module_drives_what_its_flavour_and_branch_allow(
    server: Server, device: str, driver: tuple[str, str], status: int, words: str
) -> None:
    server.plug(device, "3b:00.0")
    server.install(*driver)
    server.load()

    result = server.run("smi", "-L")

    assert (result.status, words in result.stdout) == (status, True)


def test_each_flavour_says_its_own_in_proc(server: Server) -> None:
    server.plug(H200, "3b:00.0")
    server.install("580.105.08", "proprietary")
    server.load()

    text = (server.root / "run/nvidia-lab/driver/nvidia/version").read_text()

    assert text.startswith("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.105.08  ")


def test_a_refused_module_is_not_loaded(server: Server) -> None:
    server.plug(H200, "3b:00.0")
    server.install("580.105.08")
    lasting = server.root / "var/lib/nvidia-lab/state.json"
    lasting.parent.mkdir(parents=True)
    lasting.write_text('{"load": {"error": "Key was rejected by service"}}')

    loaded = server.load()

    assert (loaded.status, "Key was rejected by service" in loaded.stderr) == (1, True)
    assert server.run("smi").status == 9


def test_a_container_sees_the_gpus_whose_nodes_it_has(server: Server) -> None:
    server.plug(H200, "3b:00.0", "4c:00.0")
    server.install("580.105.08")
    server.load()
    (server.root / "dev/nvidia0").unlink()

    result = server.run("smi", "--query-gpu=index,pci.bus_id", "--format=csv,noheader")

    assert result.stdout == "0, 00000000:4C:00.0\n"


def test_the_persistence_daemon_shows_in_the_query(server: Server) -> None:
    server.plug(H200, "3b:00.0")
    server.install("580.105.08")
    server.load()
    mode = server.root / "run/nvidia-lab/persistence/daemon"
    mode.parent.mkdir()
    asked = ("smi", "--query-gpu=persistence_mode", "--format=csv,noheader")

    off = server.run(*asked)
    mode.write_text("on")
    on = server.run(*asked)

    assert (off.stdout, on.stdout) == ("Disabled\n", "Enabled\n")


def test_settings_are_kept_until_the_module_is_loaded_anew(server: Server) -> None:
    server.plug(H200, "3b:00.0")
    server.install("580.105.08")
    server.load()

    changed = server.run("smi", "-i", "0", "-pl", "500")
    limit = server.run("smi", "--query-gpu=power.limit", "--format=csv,noheader,nounits")

    assert "was set to 500.00 W from 700.00 W." in changed.stdout
    assert limit.stdout == "500.00\n"


def test_mig_can_only_be_switched_on_where_the_gpu_has_it(server: Server) -> None:
    server.plug(RTX4090, "3b:00.0", class_="0x030000")
    server.install("580.105.08")
    server.load()

    refused = server.run("smi", "-mig", "1")

    assert (refused.status, "Not Supported" in refused.stdout) == (0, True)
    assert server.run("smi", "--query-gpu=mig.mode.current", "--format=csv,noheader").stdout == (
        "[N/A]\n"
    )


def test_a_busy_gpu_is_not_reset_and_a_lost_one_comes_back(server: Server) -> None:
    server.plug(H200, "3b:00.0")
    server.install("580.105.08")
    server.load()
    server.set(processes=[{"pid": 7, "name": "python3", "memory": 1, "gpus": [0]}])
    busy = server.run("smi", "--gpu-reset")
    server.set(gpus={"0": {"lost": True}})

    reset = server.run("smi", "--gpu-reset")

    assert (busy.status, "currently in use" in busy.stdout) == (19, True)
    assert (reset.status, server.run("smi").status) == (0, 0)


def test_the_fabric_completes_where_its_manager_runs(server: Server) -> None:
    server.plug(H200, "3b:00.0")
    server.plug("22a3", "05:00.0", class_="0x068000")
    server.install("580.105.08")
    server.load()
    asked = ("smi", "--query-gpu=fabric.state", "--format=csv,noheader")

    waiting = server.run(*asked)
    completed = server.root / "run/nvidia-lab/fabric/completed"
    completed.parent.mkdir()
    completed.touch()

    assert (waiting.stdout, server.run(*asked).stdout) == ("In Progress\n", "Completed\n")


def test_the_whole_report_names_the_gpu_and_its_fabric(server: Server) -> None:
    server.plug(H200, "3b:00.0")
    server.install("580.105.08")
    server.load()

    report = server.run("smi", "-q").stdout

    assert "    Product Name                                       : NVIDIA H200\n" in report
    assert "    Fabric\n        State                                          : N/A\n" in report
    assert "{" not in report
