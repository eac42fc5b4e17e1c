"""Hosts that are ill in ways of their own, and bad input: named, the rest checked, status 1."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import impostor
from tests.lab.harness import BIN, INVENTORY, ROOT, Lab
from torchrack.drift import history

HEALTHY = "gpu01"
ILL = "gpu02"


@pytest.fixture(scope="module")
def calm(lab: Lab) -> Lab:
    """The lab after a deploy that changed nothing any more, so that the stamps are of now."""
    lab.deploy()
    return lab


def check(lab: Lab, inventory: str, *arguments: str) -> tuple[dict[str, Any], str]:
    """The JSON of a check that could not check all, and what it said beside."""
    done = lab.run(BIN / "torchrack", "drift", inventory, "--json", *arguments, check=False)
    assert done.rc == 1, done.output
    assert "Traceback" not in done.output
    return json.loads(done.stdout), done.stderr


BAD = {
    "garbage": (impostor.garbage, "cut off"),
    "gigabyte": (impostor.gigabyte, "more than 8 MiB"),
    "hangs": (impostor.silence, "time limit"),
    "no sudo": (impostor.no_sudo, "a password is required"),
    "cut off": (impostor.cut_off, ""),
    "other host key": (impostor.garbage, "another host key than the pinned one"),
}


@pytest.mark.parametrize("illness", BAD)
def test_an_ill_host_is_named_and_the_other_is_checked(
    calm: Lab, tmp_path: Path, illness: str
) -> None:
    behaviour, said = BAD[illness]
    known = tmp_path / "known_hosts"
    with impostor.impostor(behaviour, known, pinned=illness != "other host key") as port:
        own = {"ssh_hostname": "127.0.0.1", "ssh_port": port, "ssh_known_hosts_file": str(known)}
        inventory = calm.variant(tmp_path, f"lab_hosts[1][1].update({own!r})\n")
        limit = ("--time-limit", "10") if illness == "hangs" else ()
        result, _ = check(calm, inventory, *limit)

    assert result["verdict"] == "incomplete"
    (finding,) = result["findings"]
    assert (finding["host"], finding["class"]) == (ILL, "unreachable")
    assert said in finding["actual"]
    assert finding["fix"]
    healthy, ill = result["hosts"]
    assert (healthy["name"], healthy["checked"]) == (HEALTHY, result["stages"])
    assert (ill["name"], ill["checked"]) == (ILL, [])


def test_a_program_that_hangs_on_a_host_is_unknown(calm: Lab) -> None:
    """nvidia-smi of a GPU that hangs in the driver never returns."""
    calm.ssh(
        HEALTHY,
        "printf '#!/bin/sh\\nexec sleep 600\\n' > /run/hang; chmod 755 /run/hang; "
        "mount --bind /run/hang /usr/bin/nvidia-smi",
    )
    try:
        result, _ = check(calm, INVENTORY)
    finally:
        calm.ssh(HEALTHY, "umount /usr/bin/nvidia-smi; rm /run/hang")
    unknown = {one["id"] for one in result["findings"] if one["class"] == "unknown"}
    assert "host.gpus" in unknown, result["findings"]
    assert {one["host"] for one in result["findings"]} == {HEALTHY}


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system that has no room."""
    folder = tmp_path / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], check=True)
    try:
        (folder / "filler").write_bytes(b"x" * 4096)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_no_room_for_a_report(calm: Lab, full: Path) -> None:
    result, said = check(calm, INVENTORY, "--format", f"html:{full}/page.html")
    assert (result["verdict"], result["findings"]) == ("in_sync", [])
    assert f"{full}/page.html can't be written" in said
    assert "No space left" in said
    assert [path.name for path in full.iterdir()] == ["filler"]


def test_a_waiver_file_with_errors(calm: Lab, tmp_path: Path) -> None:
    inventory = calm.variant(tmp_path, "")
    (tmp_path / "lab.waivers.yml").write_text(
        "- {id: sshd.x, reason: because, owner: ann, expires: 2099-01-01}\n"
        "- {id: docker.x, reason: because}\n"
        "- {id: '', owner: bob, reason: because, expires: soon}\n"
    )
    result, said = check(calm, inventory)
    wrong = {
        one["id"].rpartition(":")[2]: one for one in result["findings"] if one["class"] == "unknown"
    }
    assert set(wrong) == {"2", "3"}, result["findings"]
    assert "expires" in wrong["2"]["actual"]
    assert "owner" in wrong["2"]["actual"]
    assert "waivers.yml:3" in said
    assert [one["id"] for one in result["findings"] if one["class"] == "drift"] == [
        "waivers.unmatched:sshd.x"
    ]
    assert all(host["checked"] == result["stages"] for host in result["hosts"])


def test_a_history_that_can_not_be_kept(calm: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged, it is moved aside; the check itself is as good as ever."""
    monkeypatch.setenv("XDG_STATE_HOME", calm.environment["XDG_STATE_HOME"])
    file = history.path_of(ROOT / INVENTORY)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"no database at all" * 100)
    done = calm.run(BIN / "torchrack", "drift", INVENTORY)
    assert "nothing differs" in done.text
    assert "it was moved to" in done.stderr
    calm.run(BIN / "torchrack", "drift", INVENTORY)
    assert file.with_suffix(".damaged").exists()


def test_a_host_that_is_not_locked_yet(calm: Lab, tmp_path: Path) -> None:
    """As one whose onboarding was ended: nothing can be said of it, all of the others."""
    other = "lab_hosts[0][1] | {'ssh_hostname': '192.0.2.99'}"
    inventory = calm.variant(tmp_path, f"lab_hosts.append(('gpu99', {other}))\n")
    result, _ = check(calm, inventory)
    (finding,) = result["findings"]
    assert (finding["host"], finding["id"], finding["class"]) == (
        "gpu99",
        "host.unlocked",
        "unknown",
    )
    assert "torchrack lock" in finding["fix"]
    assert [one["name"] for one in result["hosts"] if one["checked"] == result["stages"]] == [
        HEALTHY,
        ILL,
    ]
