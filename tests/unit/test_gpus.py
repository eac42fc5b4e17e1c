"""The GPU table, its rules, and how it is derived."""

import pytest
import yaml

from torchrack.errors import TorchrackError
from torchrack.gpus import best_flavour, flavours, last_branch, lookup, obstacle
from torchrack.gpus_derive import table

PCI_IDS = """\
#
#	Version: 2026.10.24
#
10dd  NEC
	2684  AD102 [Not a card of NVIDIA]
10de  NVIDIA Corporation
	0fb9  GP107GL High Definition Audio Controller
	11fa  GK106GLM [Quadro K4000M]
	1ad7  TU102 USB Type-C UCSI Controller
	1db5  GV100GL [Tesla V100 SXM2 32GB]
		10de 1249  a board, not a device
	22a3  GH100 [H100 NVSwitch]
	22d0  GB10 GEN4 X1 PCIe host
	2302  GH100
	25ac  GA107BM / GN20-P0-R-K2 [GeForce RTX 3050 6GB Laptop GPU]
	2684  AD102 [GeForce RTX 4090]
C 03  Display controller
	00  VGA compatible controller
"""


@pytest.mark.parametrize(
    ("device", "chip", "product", "architecture", "modules"),
    [
        ("2335", "GH100", "H200 SXM 141GB", "hopper", {"open", "proprietary"}),
        ("2342", "GH100", "GH200 120GB / 480GB", "hopper", {"open"}),
        ("2901", "GB100", "B200", "blackwell", {"open"}),
        ("2684", "AD102", "GeForce RTX 4090", "ada", {"open", "proprietary"}),
        ("1EB8", "TU104GL", "Tesla T4", "turing", {"open", "proprietary"}),
        ("1db5", "GV100GL", "Tesla V100 SXM2 32GB", "volta", {"proprietary"}),
        ("1b06", "GP102", "GeForce GTX 1080 Ti", "pascal", {"proprietary"}),
        ("20b4", "GA100", "GA100", "ampere", {"open", "proprietary"}),
    ],
)
def test_known_gpus(device, chip, product, architecture, modules):
    gpu = lookup(device)
    assert (gpu.chip, gpu.product, gpu.architecture) == (chip, product, architecture)
    assert gpu.flavours == modules


@pytest.mark.parametrize("device", ["22a3", "22ba", "1ad7", "3fff", "0000", ""])
def test_what_is_no_gpu_is_not_found(device):
    assert lookup(device) is None


@pytest.mark.parametrize(
    ("devices", "flavour"),
    [
        (["2335", "2335"], "open"),
        (["2684", "2901"], "open"),
        (["1db5"], "proprietary"),
        (["1db5", "2684"], "proprietary"),
    ],
)
def test_best_flavour(devices, flavour):
    assert best_flavour([lookup(device) for device in devices]) == flavour


def test_an_impossible_mix_is_named():
    with pytest.raises(TorchrackError, match=r"V100 SXM2 32GB needs proprietary; B200 needs open"):
        best_flavour([lookup("1db5"), lookup("2901")])


def test_no_gpu_has_no_flavour():
    with pytest.raises(TorchrackError, match="no NVIDIA GPU"):
        best_flavour([])


@pytest.mark.parametrize(
    ("device", "branch", "flavour", "reason"),
    [
        ("2335", 580, "open", None),
        ("2335", 610, "proprietary", None),
        ("2335", 620, "proprietary", "no proprietary"),
        ("1db5", 580, "proprietary", None),
        ("1db5", 590, "proprietary", "R580 is the last branch"),
        ("1db5", 580, "open", "needs the proprietary"),
        ("2901", 580, "open", None),
        ("2901", 565, "open", "R570 is the first branch"),
        ("2901", 580, "proprietary", "needs the open"),
    ],
)
def test_obstacle(device, branch, flavour, reason):
    found = obstacle(lookup(device), branch, flavour)
    assert (found is None) if reason is None else (reason in found)


def test_rules_of_architectures():
    assert last_branch("volta") == 580
    assert last_branch("hopper") is None
    assert flavours("blackwell") == {"open"}
    with pytest.raises(TorchrackError, match="fermi"):
        flavours("fermi")


def test_the_table_is_derived_from_pci_ids():
    derived = yaml.safe_load(table(PCI_IDS))
    assert derived["source"] == "pci.ids 2026.10.24"
    assert derived["gpus"] == {
        "1db5": ["GV100GL", "Tesla V100 SXM2 32GB"],
        "2302": ["GH100", ""],
        "25ac": ["GA107BM", "GeForce RTX 3050 6GB Laptop GPU"],
        "2684": ["AD102", "GeForce RTX 4090"],
    }


def test_a_file_without_a_version_is_refused():
    with pytest.raises(ValueError, match=r"not a pci\.ids file"):
        table("10de  NVIDIA Corporation\n")
