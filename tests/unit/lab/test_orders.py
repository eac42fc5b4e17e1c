"""What a person asks for: names, systems, addresses, the way in."""

import pytest

from lab import access, lifecycle, machine, network, pci, requirements, systems
from lab.errors import LabError
from lab.state import Host, Lab


@pytest.mark.parametrize("name", ["", "GPU", "1gpu", "gpu_1", "gpu-", "a" * 33, "gpu/..", "gpu 1"])
def test_names_that_are_no_host_names(lab: Lab, name: str) -> None:
    with pytest.raises(LabError, match="is no host name"):
        machine.check_name(lab, name)


def test_a_taken_name(lab: Lab, host: Host) -> None:
    lab.hosts["gpu01"] = host
    with pytest.raises(LabError, match=r"gpu01 exists already \(10.86.7.11\)"):
        machine.check_name(lab, "gpu01")
    machine.check_name(lab, "gpu02")


def test_addresses_are_given_in_order_and_reused(lab: Lab, host: Host) -> None:
    assert network.free_address(lab) == "10.86.7.11"
    lab.hosts["gpu01"] = host
    assert network.free_address(lab) == "10.86.7.12"
    lab.hosts["gpu03"] = host.model_copy(update={"address": "10.86.7.13"})
    assert network.free_address(lab) == "10.86.7.12"


def test_a_full_subnet(lab: Lab, host: Host) -> None:
    for number in range(11, 255):
        lab.hosts[f"h{number}"] = host.model_copy(update={"address": f"10.86.7.{number}"})
    with pytest.raises(LabError, match="no address left"):
        network.free_address(lab)


def test_the_fleet_is_one_that_can_be_made() -> None:
    for order in lifecycle.FLEET.values():
        systems.find(order.os)
        assert any(function.is_nvidia_gpu for function in pci.functions(list(order.gpus)))


def test_an_unknown_system_is_answered_with_those_there_are() -> None:
    with pytest.raises(LabError, match="debian13, debian12, ubuntu2404"):
        systems.find("centos")


def test_ssh_trusts_the_pinned_key_alone(lab: Lab, host: Host) -> None:
    lab.hosts["gpu01"] = host
    words = access.ssh_command(lab, "gpu01")
    assert f"UserKnownHostsFile={lab.own_known_hosts}" in words
    assert "StrictHostKeyChecking=yes" in words
    assert words[-1] == "debian@10.86.7.11"
    with pytest.raises(LabError, match="it has gpu01"):
        access.ssh_command(lab, "gpu09")


def test_a_package_list_is_names_without_comments() -> None:
    assert requirements.packages("# why\niproute2\n\nbuildah\n") == ["iproute2", "buildah"]
    assert "systemd-container" in requirements.packages(requirements.PACKAGES.read_text())
