"""The settings of a fleet in the lab: ones that the product takes."""

import runpy
from pathlib import Path

import pytest

from lab import ca, settings
from lab.errors import LabError
from lab.state import ImageRef, Lab, Mirror, Registry
from torchrack.settings.check import check_settings
from torchrack.settings.model import merge
from torchrack.settings.section import Section


def test_they_are_settings(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no mirror or no images yet"):
        settings.text(lab)
    ca.ensure(lab)
    password, key = tmp_path / "password", tmp_path / "key.asc"
    for file in (password, key):
        file.write_text("x\n")
        file.chmod(0o600)
    lab.mirror = Mirror(uri="http://10.86.7.1:8080", key_file=key, key_fingerprint="0" * 40)
    lab.registry = Registry(
        address="10.86.7.1:5000",
        ca_cert=lab.ca_cert,
        pull_user="puller",
        pull_password_file=password,
    )
    reference = "10.86.7.1:5000/torchrack/pytorch:1"
    lab.images["pytorch"] = ImageRef(reference=reference, digest="sha256:" + "0" * 64)
    path = tmp_path / "all.py"
    path.write_text(settings.text(lab))
    found = {
        name: value
        for name, value in runpy.run_path(str(path)).items()
        if isinstance(value, Section)
    }
    assert set(found) == {
        "preflight",
        "base",
        "sshd",
        "docker",
        "driver",
        "toolkit",
        "images",
        "workloads",
    }
    assert list(check_settings("gpu01", merge([found]))) == []
    assert "x\n" not in path.read_text().splitlines(keepends=True), "no password stands in it"
