"""The stamp on the host says what is deployed there."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from tests.state.target import Target

PROBES = {
    "stamp": "cat /etc/torchrack/deployed.json",
    "stamp_file": "stat -c '%a %U %G' /etc/torchrack/deployed.json",
    "stamp_versions": (
        "cat /proc/driver/nvidia/version | head -n 1; uname -r; "
        "docker version --format '{{.Server.Version}}'; "
        "dpkg-query -W -f='${Version}\\n' nvidia-container-toolkit"
    ),
}


def _stamp(target: Target) -> dict[str, Any]:
    answer = target.probe("stamp")
    assert answer.rc == 0, f"no stamp: {answer.stderr}"
    stamp: dict[str, Any] = json.loads(answer.stdout)
    return stamp


def test_settings_are_the_deployed_ones(target: Target) -> None:
    found, wanted = _stamp(target)["settings_sha256"], target.settings.sha256()
    assert found == wanted, f"deployed with settings {found[:12]}, this inventory has {wanted[:12]}"


def test_versions_are_the_running_ones(target: Target) -> None:
    module, kernel, docker, toolkit = target.probe("stamp_versions").lines
    found = _stamp(target)["versions"]
    assert found["driver"], "the stamp names no driver"
    assert f" {found['driver']} " in module, f"stamp: {found['driver']}, loaded: {module}"
    running = {"kernel": kernel, "docker": docker, "toolkit": toolkit}
    assert {key: found[key] for key in running} == running


def test_images_are_the_catalog(target: Target) -> None:
    assert _stamp(target)["images"] == target.settings.images.catalog


def test_says_who_and_when(target: Target) -> None:
    stamp = _stamp(target)
    assert "@" in stamp["who"], f"who: {stamp['who']!r}, needed user@machine"
    when = datetime.fromisoformat(stamp["when"])
    assert when.utcoffset() is not None, f"when: {stamp['when']} has no time zone"
    assert when <= datetime.now(timezone.utc), f"when: {stamp['when']} is in the future"


def test_only_root_writes_it(target: Target) -> None:
    assert target.probe("stamp_file").stdout.split() == ["644", "root", "root"]
