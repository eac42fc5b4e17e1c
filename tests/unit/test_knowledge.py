"""The tables: consistent as they ship, and the check sees what is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from torchrack import contract
from torchrack.gpus import lookup, nvswitch
from torchrack.knowledge import KnowledgeError, builtin, load
from torchrack.knowledge.check import problems, unchecked
from torchrack.knowledge.versions import numbers

KNOWN = builtin()


def test_the_tables_are_consistent():
    assert problems(KNOWN) == []


def test_rows_that_nobody_compared_with_their_source_are_listed():
    row = {"branch": 700, "source": "driver-guide", "checked": False}
    assert "branches: 700" in unchecked(load({"branches": [row]}))
    assert not any(line.startswith("branches: 580") for line in unchecked(KNOWN))


def test_every_rule_of_the_code_is_in_the_table():
    code = "".join(
        path.read_text(encoding="utf-8") for path in Path(contract.__file__).parent.glob("*.py")
    )
    named = set(re.findall(r'\.conflict\(\s*"([a-z-]+)"', code))
    assert named
    assert named <= KNOWN.rules.keys()


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ({"branches": [{"branch": 700, "source": "hearsay"}]}, "'hearsay' is not in sources"),
        (
            {"branches": [{"branch": 700, "versions": ["699.1"], "source": "driver-guide"}]},
            "version 699.1 stands in branch 700",
        ),
        (
            {"branches": [{"branch": 700, "cuda": "12.0", "source": "driver-guide"}]},
            "700 ships with an older CUDA",
        ),
        (
            {"majors": [{"major": 13, "floor": 581, "source": "cuda-notes"}]},
            "the floor of CUDA 13 is in no row",
        ),
        (
            {"toolkits": [{"cuda": "14.0", "source": "cuda-notes"}]},
            "CUDA 14.0 has no row in majors",
        ),
        (
            {"toolkits": [{"cuda": "13.9", "driver": "575.1", "source": "cuda-notes"}]},
            "below its floor",
        ),
        (
            {"capabilities": [{"capability": "9.0", "first": "11.9", "source": "cuda-notes"}]},
            "names CUDA 11.9",
        ),
        ({"chips": [{"chip": "ZZ", "source": "pci-ids"}]}, "ZZ belongs to no architecture"),
        (
            {"chips": [{"chip": "GR", "capability": "13.0", "source": "pci-ids"}]},
            "capability 13.0, which is not in capabilities",
        ),
        (
            {"sets": {"turing-on": ["7.0"]}},
            "claims code for 7.0, which that CUDA can't build",
        ),
        (
            {
                "transitional": [
                    {
                        "channel": "ubuntu",
                        "branch": 580,
                        "becomes": 595,
                        "package": "p",
                        "source": "driver-guide",
                    }
                ]
            },
            "is a real branch of ubuntu too",
        ),
        (
            {
                "container_toolkits": [
                    {
                        "toolkit": "1.21.0-1",
                        "docker": "28.0",
                        "default": True,
                        "source": "toolkit-notes",
                    }
                ]
            },
            "one row is the default, found 2",
        ),
        (
            {
                "sources": {
                    "unread": {"title": "t", "url": "https://a.example", "date": "2026-01-01"}
                }
            },
            "no row names 'unread'",
        ),
    ],
)
def test_an_inconsistency_is_seen(extra, problem):
    assert any(problem in found for found in problems(load(extra)))


def test_rows_of_the_wrong_shape_are_named_all_at_once():
    with pytest.raises(KnowledgeError) as raised:
        load({"branches": [{"branch": "new"}, {"branch": 700}], "colours": [], "majors": {}})
    text = "\n".join(raised.value.problems)
    assert "colours: no such table" in text
    assert "branches, row 1: branch" in text
    assert "branches, row 2: source" in text
    assert "majors: a list of rows is needed" in text


def test_a_row_of_the_same_name_takes_its_place():
    known = load({"branches": [{"branch": 580, "kind": "PB", "source": "driver-guide"}]})
    assert known.branches[580].kind == "PB"
    assert builtin().branches[580].kind == "LTSB"


@pytest.mark.parametrize(
    ("device", "capability"),
    [
        ("1db5", "7.0"),
        ("15f8", "6.0"),
        ("1b06", "6.1"),
        ("20b2", "8.0"),
        ("2230", "8.6"),
        ("2684", "8.9"),
        ("2335", "9.0"),
        ("2901", "10.0"),
        ("3182", "10.3"),
        ("2b85", "12.0"),
        ("2e12", "12.1"),
        ("2b00", "11.0"),
        ("3002", None),
    ],
)
def test_capability_of_a_gpu(device, capability):
    assert KNOWN.capability(lookup(device)) == capability


def test_packages_that_go_with_a_driver():
    assert KNOWN.fabric_manager_package("cuda-repo", 570) == "nvidia-fabricmanager-570"
    assert KNOWN.fabric_manager_package("cuda-repo", 580) == "nvidia-fabricmanager"
    assert KNOWN.fabric_manager_package("ubuntu", 580) == "nvidia-fabricmanager-580"
    assert KNOWN.dcgm_package(575) == "datacenter-gpu-manager-4-cuda12"


def test_nvswitches_are_told_from_gpus():
    assert nvswitch("22A3") == "H100 NVSwitch"
    assert nvswitch("2330") is None


def test_versions_are_numbers():
    assert numbers("580.105.08") < numbers("580.159.04")
    with pytest.raises(ValueError, match="no version"):
        numbers("12.x")
