"""The command torchrack."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from torchrack.cli import app
from torchrack.gpu_names import GpuNameError, find
from torchrack.gpus import lookup


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def test_an_impossible_combination_is_told_with_reasons_and_a_way_out():
    result = run("explain", "--gpu", "10de:2901", "--torch", "2.6", "--cuda", "12.6")
    assert result.exit_code == 2
    assert result.stdout.startswith("conflict: B200 on ubuntu2404\n")
    assert "CUDA 12.6 has no code for B200: 12.8 is the first that has" in result.stdout
    assert "https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/" in result.stdout
    assert "R580 open from cuda-repo (dkms), torch 2.7+cu128" in result.stdout
    assert "\x1b[" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "verdict"),
    [
        (["--gpu", "B200"], 0, "ok"),
        (["--gpu", "H100", "--driver", "570"], 0, "warn"),
        (["--gpu", "H100", "--driver", "R570", "--cuda", "13.0"], 2, "conflict"),
        (["--gpu", "V100", "--torch", "2.14"], 0, "ok"),
        (["--gpu", "4090", "--gpu", "V100", "--torch", "2.14", "--cuda", "13.0"], 2, "conflict"),
        (["--gpu", "4090", "--source", "ubuntu", "--driver", "570"], 2, "conflict"),
        (["--gpu", "4090", "--secure-boot", "--modules", "dkms"], 2, "conflict"),
        (["--gpu", "H100", "--nvswitches", "4", "--no-fabric-manager"], 2, "conflict"),
        (["--gpu", "H100", "--offered", "595.71.05", "--driver", "580"], 2, "conflict"),
        (["--gpu", "H100", "--torch", "none", "--require", "cuda>=13.0"], 0, "ok"),
        (["--gpu", "A100", "--mig", "--os", "debian13"], 0, "ok"),
    ],
)
def test_verdict_and_exit_status(arguments, status, verdict):
    result = run("explain", *arguments, "--json")
    assert result.exit_code == status, result.output
    data = json.loads(result.stdout)
    assert data["verdict"] == verdict
    assert (data["contract"] is None) == (verdict == "conflict")
    assert run("explain", *arguments).exit_code == status


def test_json_has_rules_with_their_sources():
    data = json.loads(run("explain", "--gpu", "H100", "--gpu", "10de:22a3", "--json").stdout)
    assert data["host"]["nvswitches"] == 1
    assert data["contract"]["fabric_manager"] == "nvidia-fabricmanager"
    assert data["rules"]["fabric-manager"]["url"].startswith("https://")
    assert all(choice["rule"] in data["rules"] for choice in data["choices"])


def test_wrong_input_is_named_all_at_once_without_a_traceback():
    result = run(
        "explain", "--gpu", "Voodoo 2", "--gpu", "zzzz", "--os", "hurd", "--machine", "z80"
    )
    assert result.exit_code == 1
    for part in ("'Voodoo 2' is no GPU", "'zzzz' is no GPU", "--os 'hurd'", "--machine 'z80'"):
        assert part in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "status"), [(["explain"], 1), (["explain", "--gpu", "B200", "--cuda", "x"], 2)]
)
def test_no_question_is_no_conflict(arguments, status):
    result = run(*arguments)
    assert result.exit_code == status
    assert "Traceback" not in result.output


def test_data_check_and_version():
    assert "The tables are consistent: " in run("data", "check").stdout
    assert run("--version").stdout.startswith("torchrack ")


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("B200", "B200"),
        ("b200", "B200"),
        ("10DE:2901", "B200"),
        ("2901", "B200"),
        ("0x2335", "H200 SXM 141GB"),
        ("RTX 5090", "GeForce RTX 5090"),
        ("GeForce RTX 4090", "GeForce RTX 4090"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("T4", "Tesla T4"),
    ],
)
def test_a_gpu_by_name(name, product):
    assert lookup(find(name)).product == product


@pytest.mark.parametrize(
    ("name", "words"), [("Radeon", "no GPU"), ("", "no GPU"), ("Ti", "say which")]
)
def test_a_name_that_does_not_decide(name, words):
    with pytest.raises(GpuNameError, match=words):
        find(name)
