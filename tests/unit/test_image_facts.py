"""What an image's labels and environment tell; the configurations are written by hand.

They follow the public Dockerfiles that torchrack/images/facts.py names; none was recorded.
"""

from __future__ import annotations

from typing import Any

import pytest

from torchrack.images.facts import image_facts

DIGEST = f"sha256:{'a' * 64}"


def _config(*env: str, **labels: str) -> dict[str, Any]:
    named = {k.replace("__", "."): v for k, v in labels.items()}
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-11-01T10:00:00Z",
        "config": {"Env": list(env), "Labels": named},
    }


def test_our_labels() -> None:
    facts = image_facts(
        _config(io__torchrack__torch="2.13.0", io__torchrack__cuda="none"), DIGEST, "2.13.0-cpu"
    )
    assert (facts.torch, facts.cuda, facts.python) == ("2.13.0", "none", None)
    assert facts.sources["torch"] == "label io.torchrack.torch"
    assert (facts.architecture, facts.created) == ("amd64", "2026-11-01T10:00:00Z")
    assert facts.hints == {}


def test_nvidias_cuda_image_keeps_its_expression_as_text() -> None:
    require = "cuda>=12.2 brand=tesla,driver>=470,driver<471 brand=tesla,driver>=525,driver<526"
    facts = image_facts(
        _config(
            "NVARCH=x86_64",
            f"NVIDIA_REQUIRE_CUDA={require}",
            "CUDA_VERSION=12.2.2",
            "NV_CUDNN_VERSION=8.9.6.50",
            "NVIDIA_VISIBLE_DEVICES=all",
        ),
        DIGEST,
    )
    assert (facts.cuda, facts.cudnn, facts.torch) == ("12.2.2", "8.9.6.50", None)
    assert facts.require_cuda == require
    assert facts.requires == {"NVIDIA_REQUIRE_CUDA": require}
    assert facts.nvidia_visible_devices == "all"


def test_nvidias_pytorch_image() -> None:
    facts = image_facts(
        _config(
            "CUDA_VERSION=12.9.0.043",
            "CUDNN_VERSION=9.9.0.52",
            "PYTORCH_BUILD_VERSION=2.7.0a0+79aa174",
            "PYTORCH_VERSION=2.7.0a0+79aa174",
            "NVIDIA_PYTORCH_VERSION=25.04",
        ),
        DIGEST,
        "25.04-py3",
    )
    assert facts.torch == "2.7.0a0+79aa174"
    assert (facts.cuda, facts.cudnn) == ("12.9.0.043", "9.9.0.52")


def test_a_tag_is_a_hint_and_no_fact() -> None:
    facts = image_facts(_config("PYTORCH_VERSION=2.9.0"), DIGEST, "2.9.0-cuda12.8-cudnn9-runtime")
    assert (facts.torch, facts.cuda, facts.cudnn) == ("2.9.0", None, None)
    assert facts.hints == {"cuda": "12.8", "cudnn": "9"}
    stacks = image_facts(_config("NVIDIA_VISIBLE_DEVICES=all"), DIGEST, "cuda13-2026-11-01")
    assert (stacks.cuda, stacks.hints) == (None, {"cuda": "13"})


def test_our_label_wins_and_what_is_no_version_is_unknown() -> None:
    mixed = _config("CUDA_VERSION=12.4.1", "PYTORCH_VERSION=", io__torchrack__cuda="12.6.3")
    assert image_facts(mixed, DIGEST).cuda == "12.6.3"
    assert image_facts(mixed, DIGEST).torch is None
    assert image_facts(_config("CUDA_VERSION=none"), DIGEST).cuda is None


def test_disabled_and_foreign_requirements_are_left_out() -> None:
    env = ("NVIDIA_REQUIRE_CUDA=cuda>=12.4", "NVIDIA_REQUIRE_JETPACK=csv-mounts=all")
    assert image_facts(_config(*env), DIGEST).requires == {"NVIDIA_REQUIRE_CUDA": "cuda>=12.4"}
    off = image_facts(_config(*env, "NVIDIA_DISABLE_REQUIRE=true"), DIGEST)
    assert off.requires == {}
    assert off.require_cuda == "cuda>=12.4"


@pytest.mark.parametrize(
    "config",
    [{}, {"config": None}, {"config": {"Env": "x", "Labels": [1]}}, {"config": {"Env": [1, "x"]}}],
)
def test_other_shapes_state_nothing(config: dict[str, Any]) -> None:
    facts = image_facts(config, DIGEST)
    assert (facts.torch, facts.cuda, facts.sources) == (None, None, {})
