"""What is in an image, as its labels and environment tell; what they do not tell is unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_VERSION = re.compile(r"\d+(\.\d+)+([-+.]?[0-9A-Za-z]+)*")

# Fact, variable or label, why. The first that is there and a version wins.
#  * io.torchrack.*: our own labels (lab/image/README.md); "none" for an image without CUDA.
#  * CUDA_VERSION, NV_CUDNN_VERSION, com.nvidia.cudnn.version: NVIDIA's CUDA images
#    (gitlab.com/nvidia/container-images/cuda, dist/*/Dockerfile; read 2026-11-21).
#  * CUDNN_VERSION, PYTORCH_VERSION, PYTORCH_BUILD_VERSION: NVIDIA's PyTorch images, whose
#    NVIDIA_PYTORCH_VERSION is the image's own release (25.04), not PyTorch's.
#  * PYTORCH_VERSION: pytorch/pytorch (Dockerfile, stage "official"; read 2026-11-21). That image
#    states its CUDA version nowhere but in its tag.
#  * Jupyter's docker-stacks (images/pytorch-notebook/*/Dockerfile) state neither; they set
#    NVIDIA_VISIBLE_DEVICES.
#  * PYTHON_VERSION: Docker's official Python images
#    (docker-library/python, Dockerfile-linux.template).
_ROWS: tuple[tuple[str, str, str], ...] = (
    ("cuda", "label", "io.torchrack.cuda"),
    ("cuda", "env", "CUDA_VERSION"),
    ("cudnn", "env", "NV_CUDNN_VERSION"),
    ("cudnn", "env", "CUDNN_VERSION"),
    ("cudnn", "label", "com.nvidia.cudnn.version"),
    ("torch", "label", "io.torchrack.torch"),
    ("torch", "env", "PYTORCH_VERSION"),
    ("torch", "env", "PYTORCH_BUILD_VERSION"),
    ("python", "label", "io.torchrack.python"),
    ("python", "env", "PYTHON_VERSION"),
)
# "2.9.0-cuda12.8-cudnn9-runtime" (pytorch/pytorch), "cuda12-..." (docker-stacks).
_TAG_HINTS = {
    "torch": re.compile(r"^(\d+\.\d+\.\d+)-cuda"),
    "cuda": re.compile(r"(?:^|-)cuda(\d+(?:\.\d+)*)(?:-|$)"),
    "cudnn": re.compile(r"(?:^|-)cudnn(\d+(?:\.\d+)*)(?:-|$)"),
}


@dataclass(frozen=True)
class ImageFacts:
    """What an image states about itself; None is unknown.

    Args:
        digest: what the reference stands for.
        architecture: "amd64" or "arm64".
        created: when it was built, as the configuration says it.
        torch: PyTorch's version.
        cuda: CUDA's version; "none" where a label says that there is none.
        cudnn: cuDNN's version.
        python: Python's version.
        require_cuda: NVIDIA_REQUIRE_CUDA, as it stands there.
        requires: the NVIDIA_REQUIRE_* variables that the toolkit checks; empty where
            NVIDIA_DISABLE_REQUIRE switches them off.
        nvidia_visible_devices: NVIDIA_VISIBLE_DEVICES.
        sources: fact to where it came from ("label io.torchrack.cuda", "env CUDA_VERSION").
        hints: fact to what the tag suggests, where the image itself says nothing: not a fact.
    """

    digest: str
    architecture: str | None = None
    created: str | None = None
    torch: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    python: str | None = None
    require_cuda: str | None = None
    requires: Mapping[str, str] = field(default_factory=dict)
    nvidia_visible_devices: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)


def image_facts(config: Mapping[str, Any], digest: str, tag: str | None = None) -> ImageFacts:
    """Return what an image's configuration states.

    Args:
        config: the configuration (OCI image-spec, config.md); parts of another shape are ignored.
        digest: what the reference stands for.
        tag: the tag, for hints alone.
    """
    inner = config.get("config")
    inner = inner if isinstance(inner, dict) else {}
    env, labels = _environment(inner.get("Env")), _labels(inner.get("Labels"))
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    for fact, kind, name in _ROWS:
        value = (labels if kind == "label" else env).get(name, "").strip()
        if fact not in values and _is_value(fact, kind, value):
            values[fact], sources[fact] = value, f"{kind} {name}"
    for fact, name in (
        ("require_cuda", "NVIDIA_REQUIRE_CUDA"),
        ("nvidia_visible_devices", "NVIDIA_VISIBLE_DEVICES"),
    ):
        if env.get(name):
            values[fact], sources[fact] = env[name], f"env {name}"
    for fact in ("architecture", "created"):
        if isinstance(config.get(fact), str) and config[fact]:
            values[fact], sources[fact] = config[fact], f"config {fact}"
    return ImageFacts(
        digest, **values, requires=_requires(env), sources=sources, hints=_hints(tag, values)
    )


def _is_value(fact: str, kind: str, value: str) -> bool:
    if fact == "cuda" and kind == "label" and value == "none":
        return True
    return _VERSION.fullmatch(value) is not None


def _requires(env: Mapping[str, str]) -> dict[str, str]:
    # NVIDIA Container Toolkit, internal/config/image/cuda_image.go: GetRequirements,
    # HasDisableRequire (strconv.ParseBool).
    if env.get("NVIDIA_DISABLE_REQUIRE") in ("1", "t", "T", "TRUE", "true", "True"):
        return {}
    return {
        k: v
        for k, v in sorted(env.items())
        if k.startswith("NVIDIA_REQUIRE_") and not k.startswith("NVIDIA_REQUIRE_JETPACK") and v
    }


def _hints(tag: str | None, known: Mapping[str, str]) -> dict[str, str]:
    found = {fact: pattern.search(tag or "") for fact, pattern in _TAG_HINTS.items()}
    return {fact: m[1] for fact, m in found.items() if m and fact not in known}


def _environment(listed: object) -> dict[str, str]:
    items = [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []
    return dict(item.split("=", 1) for item in items if "=" in item)


def _labels(there: object) -> dict[str, str]:
    pairs = there.items() if isinstance(there, dict) else ()
    return {k: v for k, v in pairs if isinstance(k, str) and isinstance(v, str)}
