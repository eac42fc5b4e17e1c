"""The PCI bus as files."""

import itertools
from pathlib import Path

from lab import pci, sysfs


def test_a_gpu_reads_as_the_kernel_shows_it(tmp_path: Path) -> None:
    sysfs.write(tmp_path / "pci", pci.functions(["h200:1"]))
    gpu = tmp_path / "pci/0000:3b:00.0"
    texts = {
        "vendor": "0x10de",
        "device": "0x2335",
        "class": "0x030200",
        "subsystem_vendor": "0x10de",
        "current_link_speed": "32.0 GT/s PCIe",
        "max_link_width": "16",
        "numa_node": "0",
        "boot_vga": "0",
        "modalias": "pci:v000010DEd00002335sv000010DEsd000018BEbc03sc02i00",
    }
    assert {name: (gpu / name).read_text() for name in texts} == {
        name: f"{text}\n" for name, text in texts.items()
    }
    assert "PCI_SLOT_NAME=0000:3b:00.0\n" in (gpu / "uevent").read_text()
    assert not (gpu / "driver").exists()


def test_configuration_space_agrees_with_the_text_files(tmp_path: Path) -> None:
    sysfs.write(tmp_path / "pci", pci.functions(["rtx4090:1"]))
    header = (tmp_path / "pci/0000:3b:00.0/config").read_bytes()
    assert header[:4] == bytes.fromhex("de108426")
    assert header[0x08:0x0C] == bytes.fromhex("a1000003")
    assert len(header) == 64


def test_regions_are_aligned_and_apart(tmp_path: Path) -> None:
    sysfs.write(tmp_path / "pci", pci.functions(["h200:8"]))
    regions = []
    for file in (tmp_path / "pci").glob("*/resource"):
        lines = file.read_text().splitlines()
        assert len(lines) == 13
        for line in lines:
            start, end, flags = (int(word, 16) for word in line.split())
            if flags:
                assert start % (end - start + 1) == 0
                regions.append((start, end))
    regions.sort()
    assert all(before[1] < after[0] for before, after in itertools.pairwise(regions))
