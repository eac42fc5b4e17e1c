"""NVIDIA_REQUIRE_* as the container toolkit reads it."""

from __future__ import annotations

import pytest

from torchrack.contract.requirements import Factor, RequirementError, parse, satisfied

CUDA_12_6 = (
    "cuda>=12.6 brand=unknown,driver>=470,driver<471 brand=tesla,driver>=470,driver<471 "
    "brand=tesla,driver>=535,driver<536 brand=geforce,driver>=535,driver<536"
)
"""The beginning of what nvidia/cuda:12.6 images have."""


def test_space_is_or_and_comma_is_and():
    assert parse("cuda>=12.6 brand=tesla,driver>=535") == (
        (Factor("cuda", ">=", "12.6"),),
        (Factor("brand", "=", "tesla"), Factor("driver", ">=", "535")),
    )


@pytest.mark.parametrize(
    ("properties", "verdict"),
    [
        ({"cuda": "12.6"}, True),
        ({"cuda": "13.0"}, True),
        ({"cuda": "12.2", "brand": "tesla", "driver": "535.183.01"}, True),
        ({"cuda": "12.2", "brand": "tesla", "driver": "535"}, True),
        ({"cuda": "12.4", "brand": "tesla", "driver": "550.54.15"}, False),
        ({"cuda": "12.2", "brand": "quadro", "driver": "535"}, False),
        ({"cuda": "12.2", "driver": "535"}, None),
        ({"cuda": "12.4", "driver": "550"}, False),
        ({}, None),
    ],
)
def test_what_images_of_cuda_12_6_accept(properties, verdict):
    assert satisfied(parse(CUDA_12_6), properties) is verdict


@pytest.mark.parametrize(
    ("text", "have", "verdict"),
    [
        ("driver>=580.82.07", "580.159.04", True),
        ("driver>=580.82.07", "580.65.06", False),
        ("driver>=580.82.07", "580", None),
        ("driver>=580", "580", True),
        ("driver<581", "580", True),
        ("driver!=580.65.06", "580.65.06", False),
        ("driver=580.65.06", "580.65.06", True),
        ("driver<=580.65.06", "580.65.06", True),
        ("driver>580.65.06", "580.65.06", False),
        ("driver>=99", "535", True),
    ],
)
def test_versions_compare_as_numbers(text, have, verdict):
    assert satisfied(parse(text), {"driver": have}) is verdict


@pytest.mark.parametrize("text", ["", " ", ",", "cpu=amd", "cpu=amd,gpu>=1"])
def test_nothing_that_is_known_is_no_requirement(text):
    assert satisfied(parse(text), {}) is True


@pytest.mark.parametrize("text", ["cuda", "cuda>=twelve", "cuda>=", "driver>=1.2.3.4"])
def test_what_the_toolkit_refuses_is_refused(text):
    with pytest.raises(RequirementError, match=r"no (requirement|version)"):
        parse(text)
