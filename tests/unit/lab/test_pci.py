"""What stands on a server's PCI bus."""

import pytest

from lab import pci
from lab.errors import LabError


def gpus(*spec: str) -> list[tuple[str, int, int]]:
    return [(f.address, f.device, f.class_) for f in pci.functions(list(spec)) if f.is_nvidia_gpu]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (["h200:2"], [("0000:3b:00.0", 0x2335, 0x030200), ("0000:4c:00.0", 0x2335, 0x030200)]),
        (["rtx4090"], [("0000:3b:00.0", 0x2684, 0x030000)]),
        (
            ["v100:1", "b200"],
            [("0000:3b:00.0", 0x1DB5, 0x030200), ("0000:4c:00.0", 0x2901, 0x030200)],
        ),
        ([], []),
    ],
)
def test_gpus_fill_the_slots_in_order(
    spec: list[str], expected: list[tuple[str, int, int]]
) -> None:
    assert gpus(*spec) == expected


def test_a_server_without_gpus_has_a_display_that_is_none() -> None:
    display = [f for f in pci.functions([]) if f.class_ >> 16 == 0x03]
    assert [f.vendor for f in display] == [0x1A03]
    assert not display[0].is_nvidia_gpu


def test_a_geforce_brings_its_audio_function() -> None:
    audio = [f for f in pci.functions(["rtx4090"]) if f.class_ == 0x040300]
    assert [(f.address, f.vendor) for f in audio] == [("0000:3b:00.1", 0x10DE)]


def test_switches_are_bridges_beside_eight_gpus() -> None:
    found = pci.functions(["h200:8+nvswitch:4"])
    assert sum(f.is_nvidia_gpu for f in found) == 8
    assert [f.class_ for f in found if f.model == "nvswitch"] == [0x068000] * 4
    assert {f.numa_node for f in found if f.is_nvidia_gpu} == {0, 1}


def test_addresses_are_unique_and_sorted() -> None:
    addresses = [f.address for f in pci.functions(["rtx4090:4", "h200:2", "nvswitch:2"])]
    assert addresses == sorted(set(addresses))


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (["h300"], "'h300' is no GPU of the lab"),
        (["h200:0"], "'h200:0' is no GPU"),
        (["h200:x"], "MODEL:COUNT"),
        (["h200:2+"], "'' is no GPU"),
        (["h200:11"], "10 slots"),
        (["nvswitch:5"], "4 slots"),
    ],
)
def test_a_wrong_order_is_refused_with_what_there_is(spec: list[str], found: str) -> None:
    with pytest.raises(LabError, match=found):
        pci.functions(spec)
