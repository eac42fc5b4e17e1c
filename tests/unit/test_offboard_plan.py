"""What offboarding does to a host, from a recorded look at one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from torchrack.facts.packages import Package
from torchrack.inventory import FleetHost
from torchrack.nvidia_smi import Process
from torchrack.offboard.daemon_json import without_ours
from torchrack.offboard.look import parse
from torchrack.offboard.model import Container, Options, Plan, Presence
from torchrack.offboard.plan import plan
from torchrack.settings import Workload, Workloads
from torchrack.settings.model import merge

RECORDED = (Path(__file__).parent / "fixtures" / "offboard" / "gpu01.txt").read_text()
LINES = RECORDED.splitlines()


def workload(name: str) -> Workload:
    return Workload(name=name, kind="container", image="pytorch", restart="no")


HOST = FleetHost(
    "gpu01",
    {"ssh_user": "debian"},
    merge([{"workloads": Workloads(containers=[workload("notebook"), workload("shell")])}]),
)
THEIRS = Container("c" * 64, "theirs", "", True, "sha256:other", volumes=("their-data",))


def made(now: Presence, **options: bool | int) -> Plan:
    return plan(HOST, now, Options(**options))  # type: ignore[arg-type]


def does(found: Plan, step: str) -> list[str]:
    return [sentence for one in found.steps if one.name == step for sentence in one.does]


def script(found: Plan, step: str) -> str:
    return next((one.script for one in found.steps if one.name == step), "")


@pytest.fixture
def now() -> Presence:
    return parse(LINES)


def test_reads_a_recorded_host(now: Presence) -> None:
    assert now.user == "debian"
    assert [(u.workload, u.active, u.stop_seconds) for u in now.units] == [
        ("notebook", "active", 150),
        ("shell", "active", 150),
    ]
    assert [v.name for v in now.volumes] == [
        "notebook-home",
        "shell-home",
        "torchrack-shell-host-keys",
    ]
    assert len(now.own_processes) == 4
    assert now.packages["docker.io"].held
    assert len(now.images.pulled) == 2
    assert "/etc/modprobe.d/torchrack-nouveau.conf" in now.files
    assert now.original_json is None


@pytest.mark.parametrize("cut", [5, 40, len(LINES) - 2])
def test_an_answer_that_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(ValueError, match="cut off"):
        parse(LINES[:cut])


def test_workloads_stop_in_the_reverse_order_of_their_start(now: Presence) -> None:
    drain = script(made(now), "drain")
    shell, notebook = "stop torchrack-shell.service 180", "stop torchrack-notebook.service 180"
    assert drain.index(shell) < drain.index(notebook)


def test_data_and_the_way_in_stay_and_are_told(now: Presence) -> None:
    found = made(now)
    assert [step.name for step in found.steps] == [
        "drain",
        "containers",
        "images",
        "docker",
        "packages",
        "files",
        "rest",
    ]
    stays = " | ".join(found.stays)
    assert "volume notebook-home of notebook, 32 KiB (--delete-data removes it)" in stays
    assert "who gets in: /etc/ssh/sshd_config.d/00-torchrack.conf" in stays
    assert "driver 580.159.04" in stays
    assert "docker volume rm" not in script(found, "containers")
    everything = "\n".join(step.script for step in found.steps)
    for path in ("/etc/ssh/sshd_config.d/00-torchrack.conf", "/etc/sudoers.d/90-torchrack"):
        assert path not in everything


def test_data_goes_only_when_that_is_said(now: Presence) -> None:
    found = made(now, delete_data=True)
    assert "DELETE the volume shell-home with its data" in does(found, "containers")
    assert "docker volume rm notebook-home shell-home" in script(found, "containers")
    assert not [one for one in found.stays if one.startswith("volume")]


def test_anonymous_volumes_of_ours_go_with_the_data_and_those_of_others_never(
    now: Presence,
) -> None:
    mine, shared = "a" * 64, "b" * 64
    ours = replace(now.containers[0], volumes=(mine, shared, "made-by-hand"))
    theirs = replace(THEIRS, volumes=(shared,))
    with_volumes = replace(now, containers=(ours, theirs))
    text = script(made(with_volumes, delete_data=True), "containers")
    assert mine in text
    assert shared not in text
    assert "made-by-hand" not in text
    assert "volume made-by-hand, which Torchrack has not made" in made(with_volumes).stays


def test_the_packages_go_with_purge_alone(now: Presence) -> None:
    kept = made(now)
    assert does(kept, "packages")[0] == "remove the packages nvidia-driver-pinning-580.159.04"
    gone = does(made(now, purge=True), "packages")[0]
    for name in ("docker.io", "libcuda1", "nvidia-container-toolkit", "nvidia-kernel-open-dkms"):
        assert name in gone
    assert "linux-image" not in gone
    assert "linux-image-amd64" in does(made(now, purge=True), "packages")[1]


def test_a_package_that_is_not_held_is_not_ours(now: Presence) -> None:
    theirs = Package("1.20.0-1", installed=True, held=False)
    changed = replace(now, packages={**now.packages, "nvidia-container-toolkit": theirs})
    found = made(changed, purge=True)
    assert "nvidia-container-toolkit," not in does(found, "packages")[0]
    assert "packages that are not held, so not ours: nvidia-container-toolkit" in found.stays


def test_an_interrupted_removal_knows_what_was_ours(now: Presence) -> None:
    half = {n: replace(p, held=False) for n, p in now.packages.items() if n != "docker.io"}
    changed = replace(now, packages=half, purging=frozenset({"libcuda1", "docker.io"}))
    found = made(changed, purge=True)
    assert does(found, "packages") == ["remove the packages libcuda1, nvidia-driver-pinning-"
                                       "580.159.04"]  # fmt: skip


def test_others_containers_keep_docker_running_and_their_image(now: Presence) -> None:
    image = next(iter(now.images.digests.values()))
    theirs = replace(THEIRS, image=image)
    found = made(replace(now, containers=(*now.containers, theirs)))
    assert "restart Docker" in does(made(now), "docker")
    assert "restart Docker" not in does(found, "docker")
    assert "systemctl restart docker" not in script(found, "docker")
    stays = " | ".join(found.stays)
    assert "container theirs, which is not ours, running" in stays
    assert "at its next restart" in stays
    assert "tools" in stays
    assert len([one for one in does(found, "images") if one.startswith("remove the image")]) == 1


@pytest.mark.parametrize(
    ("change", "options", "what"),
    [
        ({"gpu_processes": (Process(7, "python3"),)}, {}, "Processes on the GPUs"),
        ({"armed": True}, {}, "sshd"),
        ({"dead_docker": "Cannot connect"}, {}, "Docker"),
        ({"daemon_json": "{"}, {}, "/etc/docker/daemon.json"),
        ({"networks": {"torchrack-x": "../x"}}, {}, "Containers with our label"),
        ({"containers": (THEIRS,)}, {"purge": True}, "Running containers that are not ours"),
    ],
)
def test_refuses_before_anything_is_changed(
    now: Presence, change: dict[str, object], options: dict[str, bool], what: str
) -> None:
    found = made(replace(now, **change), **options)  # type: ignore[arg-type]
    assert [problem.what for problem in found.problems] == [what]
    assert not found.steps


def test_processes_in_our_containers_are_no_reason_to_refuse(now: Presence) -> None:
    ours = Process(next(iter(now.own_processes)), "python3")
    assert not made(replace(now, gpu_processes=(ours,))).problems


@pytest.mark.parametrize("options", [{"force": True}, {"wait": 60}])
def test_foreign_processes_may_be_waited_for_or_passed_over(
    now: Presence, options: dict[str, bool | int]
) -> None:
    busy = replace(now, gpu_processes=(Process(7, "python3"),))
    assert not made(busy, **options).problems


def test_an_original_comes_back_in_place_of_ours(now: Presence) -> None:
    path = next(one for one in now.files if one.startswith("/etc/docker/certs.d/"))
    found = made(replace(now, originals=frozenset({path})))
    assert f"bring back the {path} from before Torchrack" in does(found, "files")
    assert f"back {path}" in script(found, "files")
    assert f"rm -f -- {path}" not in script(found, "files")


def test_nothing_is_left_to_do_on_a_host_that_was_never_ours() -> None:
    assert made(Presence(user="debian", docker="active")).steps == ()


def test_unharden_takes_the_access_back(now: Presence) -> None:
    found = made(now, unharden=True)
    assert [step.name for step in found.steps][-2:] == ["sshd", "rest"]
    assert "systemctl restart torchrack-sshd-rollback.timer" in script(found, "sshd")
    assert "/etc/sudoers.d/90-torchrack" in script(found, "rest")
    assert not [one for one in found.stays if one.startswith("who gets in")]


OURS = '{"docker": {"log-driver": "local", "features": {"cdi": true}, "icc": false}}'


@pytest.mark.parametrize(
    ("current", "owned", "original", "left"),
    [
        # Only ours in it, and there was no file.
        ('{"log-driver": "local", "features": {"cdi": true}, "icc": false}', OURS, None, None),
        # Theirs stay, also beside ours in one object.
        (
            '{"log-driver": "local", "features": {"cdi": true, "x": 1}, "icc": false, "mtu": 9}',
            OURS,
            None,
            {"features": {"x": 1}, "mtu": 9},
        ),
        # What ours replaced comes back.
        (
            '{"log-driver": "local", "features": {"cdi": true}, "icc": false, "mtu": 9}',
            OURS,
            '{"log-driver": "json-file", "mtu": 9}',
            {"log-driver": "json-file", "mtu": 9},
        ),
        # A value that somebody has changed since is theirs, whatever was there before.
        (
            '{"log-driver": "syslog", "features": {"cdi": true}}',
            OURS,
            '{"log-driver": "json-file"}',
            {"log-driver": "syslog"},
        ),
        # An empty file of theirs stays a file.
        ('{"icc": false}', OURS, "{}", {}),
        # Nothing of ours.
        ('{"mtu": 9}', None, None, {"mtu": 9}),
        (None, OURS, None, None),
        # A damaged record or original is none.
        ('{"icc": false}', "{", None, {"icc": False}),
        ('{"icc": false, "mtu": 9}', OURS, "{", {"mtu": 9}),
    ],
)
def test_daemon_json_without_our_keys(
    current: str | None, owned: str | None, original: str | None, left: object
) -> None:

    text = without_ours(current, owned, original)
    assert (json.loads(text) if text is not None else None) == left
