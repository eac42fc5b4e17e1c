"""The pinned Python packages of the lab's image."""

import re
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.image import wheels


@pytest.mark.parametrize(
    ("requires", "cpu"),
    [
        # torch 2.13.0+cpu, and 2.8.0 and 2.11.0 as on PyPI.
        (["filelock", "typing-extensions>=4.10.0", "sympy>=1.13.3", "jinja2"], True),
        (["filelock", 'nvidia-cudnn-cu12==9.10.2.21; platform_system == "Linux"'], False),
        (["sympy>=1.13.3", 'triton==3.4.0; platform_system == "Linux"'], False),
        (["cuda-bindings==13.0.3; platform_system == 'Linux'", "jinja2"], False),
        ([], True),
    ],
)
def test_cpu_build(requires: list[str], cpu: bool) -> None:
    assert wheels.is_cpu_build(requires) is cpu


def _installed(name: str, version: str, sha256: str) -> dict[str, object]:
    return {
        "metadata": {"name": name, "version": version},
        "download_info": {"archive_info": {"hashes": {"sha256": sha256}}},
    }


def test_lock_text() -> None:
    report = [
        _installed("typing_extensions", "4.16.0", "aa"),
        _installed("torch", "2.13.0+cpu", "bb"),
        _installed("Jinja2", "3.1.6", "cc"),
    ]
    lines = wheels.lock_text(report).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "jinja2==3.1.6 \\",
        "    --hash=sha256:cc",
        "typing-extensions==4.16.0 \\",
        "    --hash=sha256:aa",
    ]


def test_the_lock_holds_what_is_asked_for_with_hashes() -> None:
    text = wheels.LOCK.read_text()
    names = re.findall(r"^([a-z0-9-]+)==\S+ \\$", text, re.MULTILINE)
    assert len(names) == len(re.findall(r"^    --hash=sha256:[0-9a-f]{64}$", text, re.MULTILINE))
    assert {"jupyterlab", "numpy", "sympy", "filelock"} <= set(names)
    assert "torch" not in names
    assert names == sorted(names)


def test_torch_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", wheels.torch_version())
    loose = tmp_path / "requirements.in"
    loose.write_text("torch>=2\n")
    monkeypatch.setattr(wheels, "REQUIREMENTS", loose)
    with pytest.raises(LabError, match="no line torch==VERSION"):
        wheels.torch_version()
