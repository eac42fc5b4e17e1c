"""The main job: bare servers become ready, a second run changes nothing, a reboot loses nothing."""

from __future__ import annotations

import json

from tests.lab.harness import BIN, INVENTORY, Deploy, Lab, wait_for

STAGES = ("base", "sshd", "driver", "docker", "toolkit", "images", "workloads", "stamp")
HOSTS = ("gpu01", "gpu02")


def test_bare_servers_become_ready(first_deploy: Deploy) -> None:
    for host in HOSTS:
        changed = {name.split(" | ")[0] for name in first_deploy.changed(host)}
        assert changed == set(STAGES), f"{host} was changed by {sorted(changed)}"


def test_the_state_is_as_declared(lab: Lab) -> None:
    done = lab.state_tests()
    assert done.rc == 0, done.output


def test_a_second_run_changes_nothing(lab: Lab) -> None:
    again = lab.deploy()
    assert {host: again.changed(host) for host in HOSTS} == {host: [] for host in HOSTS}


def test_a_dry_run_plans_nothing(lab: Lab) -> None:
    dry = lab.run(*(a for a in lab.deploy_command("--dry") if a != "-y"))
    planned = {op["name"]: op["hosts_with_change"] for op in json.loads(dry.stdout)["plan"]}
    assert planned, "the plan names the operations"
    assert {name: hosts for name, hosts in planned.items() if hosts} == {}


def test_one_stage_alone(lab: Lab) -> None:
    alone = lab.deploy("--data", "only=docker", "--limit", "gpu01")
    stages = {op["name"].split(" | ")[0] for op in alone.operations}
    assert stages <= {"preflight", "docker"}, stages
    assert "docker" in stages


def test_a_stage_that_does_not_exist(lab: Lab) -> None:
    done = lab.deploy("--data", "only=dokcer", check=False)
    assert done.rc != 0
    assert "only=dokcer: no such stage" in done.text
    assert "Traceback" not in done.output


def test_one_host_down(lab: Lab) -> None:
    lab.ssh("gpu01", "rm /etc/torchrack/deployed.json")
    lab.lab("stop", "gpu02")
    try:
        done = lab.deploy(check=False)
        seen = lab.state_tests()
    finally:
        lab.lab("start", "gpu02")
    assert done.rc != 0
    assert "[gpu02] Could not connect" in done.text, "the message names the host"
    assert done.changed("gpu01"), "the other host is finished"
    assert lab.ssh("gpu01", "cat /etc/torchrack/deployed.json").stdout
    assert seen.rc == 1
    failed = [line for line in seen.stdout.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1, failed
    assert "test_reachable[gpu02]" in failed[0], "it fails once, and the other host is looked at"


def test_everything_comes_back_after_a_reboot(lab: Lab) -> None:
    before = lab.boot_id("gpu01")
    lab.ssh("gpu01", "systemctl reboot", check=False)
    wait_for(lambda: _new_boot(lab, before), "gpu01 to be up again")
    done = lab.state_tests("--limit", "gpu01")
    assert done.rc == 0, done.output
    assert lab.deploy("--limit", "gpu01").changed("gpu01") == []
    checked = lab.run(BIN / "torchrack", "drift", INVENTORY, "--host", "gpu01", check=False)
    assert (checked.rc, "nothing differs" in checked.text) == (0, True), checked.output


def _new_boot(lab: Lab, before: str) -> bool:
    """The host runs another boot, and systemd and its units have settled."""
    answer = lab.ssh(
        "gpu01",
        "cat /proc/sys/kernel/random/boot_id; systemctl is-system-running --wait || true",
        check=False,
    )
    lines = answer.stdout.split()
    return len(lines) == 2 and lines[0] != before
