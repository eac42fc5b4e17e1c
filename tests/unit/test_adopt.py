"""Settings that match a server in use, from a recorded look at one and variations of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from torchrack.adopt import text
from torchrack.adopt.ahead import after_merge
from torchrack.adopt.candidate import with_proposal
from torchrack.adopt.containers import gpus
from torchrack.adopt.found import Found, parse
from torchrack.adopt.model import Proposal
from torchrack.adopt.propose import propose, sections
from torchrack.docker.engine import configuration
from torchrack.driver import Module
from torchrack.facts.packages import Package
from torchrack.inventory import FleetHost
from torchrack.preflight.facts import parse as parse_facts
from torchrack.settings import Docker, Driver, Images, Sshd
from torchrack.settings.load import load_folder
from torchrack.settings.model import merge

FIXTURES = Path(__file__).parent / "fixtures" / "adopt"
LOOK = (FIXTURES / "inuse.look").read_text().splitlines()
FACTS = parse_facts((FIXTURES / "inuse.facts").read_text().splitlines(), [])


@pytest.fixture
def found() -> Found:
    return parse(LOOK, FACTS, "debian")


def docker(daemon: Mapping[str, Any] | str, found: Found) -> Proposal:
    content = daemon if isinstance(daemon, str) else json.dumps(daemon)
    return propose(replace(found, daemon_json=content))


def reasons(proposal: Proposal, what: str) -> list[str]:
    return [one.reason for one in proposal.unexpressed if one.what.startswith(what)]


def test_reads_a_recorded_server(found: Found) -> None:
    assert found.module == Module("580.105.08", "open")
    assert found.memory > 2**30
    assert found.gpus is not None
    assert len(found.gpus.gpus) == 2
    assert sorted(one["Name"] for one in found.containers) == ["/root-tool", "/trainer_1"]
    assert found.info["DockerRootDir"] == "/srv/docker"
    assert list(found.registry_cas) == list(found.registry_logins)
    assert found.installed["nvidia-container-toolkit"] == "1.18.1-1"
    assert found.sshd["passwordauthentication"] == ["yes"]
    assert found.sudo.endswith("NOPASSWD: ALL")
    assert not found.deployed


def test_an_answer_that_is_cut_off_is_refused() -> None:
    with pytest.raises(ValueError, match="cut off"):
        parse(LOOK[:-2], FACTS, "debian")


def test_proposes_what_is_there(found: Found, tmp_path: Path) -> None:
    proposal = propose(found)
    for name, content in proposal.files.items():
        (tmp_path / name).write_text(content)
    made = sections(proposal, lambda name: tmp_path / name)
    driver, engine, images = made["driver"], made["docker"], made["images"]
    assert isinstance(driver, Driver)
    assert (driver.version, driver.flavour, driver.allow_reboot) == ("580.105.08", "open", False)
    assert driver.repository != "https://developer.download.nvidia.com"
    assert driver.key_file == str(tmp_path / "driver-repository.asc")
    assert "BEGIN PGP PUBLIC KEY BLOCK" in proposal.files["driver-repository.asc"]
    assert isinstance(engine, Docker)
    assert engine.source == "distro"
    assert engine.log_driver == "json-file"
    assert engine.extra == {
        "icc": True,
        "userland-proxy": True,
        "userland-proxy-path": "/usr/sbin/docker-proxy",
        "data-root": "/srv/docker",
    }
    assert isinstance(images, Images)
    assert list(images.catalog) == ["tools"]
    assert "@sha256:" in images.catalog["tools"]


def test_the_text_is_what_was_proposed(found: Found, tmp_path: Path) -> None:
    """What a person reads, loaded as group data, is the same as what was checked."""
    proposal = propose(found)
    folder = tmp_path / "group_data"
    folder.mkdir()
    for name, content in proposal.files.items():
        (tmp_path / name).write_text(content)
    written = text.settings(
        proposal, name="inuse", day="2026-11-25", place=lambda name: tmp_path / name
    )
    (folder / "adopted.py").write_text(written)
    data, problems = load_folder(folder)
    assert not problems
    made = sections(proposal, lambda name: tmp_path / name)
    assert data["adopted"] == made
    uncommented = written.replace("\n# ", "\n").replace("\n#\n", "\n\n")
    start = uncommented.index("from torchrack.settings import Mount")
    (folder / "adopted.py").write_text(written + uncommented[start:])
    data, problems = load_folder(folder)
    assert not problems
    assert data["adopted"]["workloads"].containers[0].name == "trainer-1"  # type: ignore[attr-defined]
    code = [line for line in written.splitlines() if not line.startswith("#")]
    assert all(
        len(line) <= 100 for line in code if "sha256:" not in line and str(tmp_path) not in line
    )


def test_no_value_of_the_environment_is_told(found: Found) -> None:
    proposal = propose(found)
    told = repr(proposal) + text.settings(proposal, name="x", day="", place=str)
    assert "s3cr3t" not in told
    assert "API_TOKEN" in told


@pytest.mark.parametrize(
    ("daemon", "field", "value"),
    [
        ({}, "log_driver", "json-file"),
        ({"log-driver": "journald"}, "log_driver", "journald"),
        ({"live-restore": True}, "live_restore", True),
        ({"log-opts": {"max-size": "5g", "max-file": "9"}}, "log_max_size", "5g"),
        (
            {"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 4096, "Hard": 4096}}},
            "nofile",
            4096,
        ),
        (
            {"default-address-pools": [{"base": "10.200.0.0/16", "size": 24}]},
            "address_pools",
            ["10.200.0.0/16"],
        ),
    ],
)
def test_keys_of_daemon_json_that_a_setting_stands_for(
    daemon: dict[str, Any], field: str, value: object, found: Found
) -> None:
    assert docker(daemon, found).sections["docker"][field] == value


@pytest.mark.parametrize(
    ("daemon", "what", "reason"),
    [
        ({"log-driver": "gelf"}, "log-driver", "a deploy changes it"),
        ({"hosts": ["tcp://0.0.0.0:2375"]}, "daemon.json hosts", "root for whoever asks"),
        ({}, "features.cdi", "restarts Docker"),
        ({}, "log-opts max-size", "a deploy limits logs"),
        ('{"icc": 1, "icc": 2}', "/etc/docker/daemon.json", "is a JSON object"),
        (
            {"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 4096}}},
            "default-ulimits nofile",
            "one value for both",
        ),
    ],
)
def test_keys_of_daemon_json_that_none_does(
    daemon: dict[str, Any] | str, what: str, reason: str, found: Found
) -> None:
    assert any(reason in one for one in reasons(docker(daemon, found), what))


def test_a_proxy_whose_program_is_not_found_is_told(found: Found) -> None:
    proposal = propose(replace(found, proxy=""))
    assert reasons(proposal, "userland-proxy")
    assert "userland-proxy" not in proposal.sections["docker"]["extra"]  # type: ignore[operator]


def test_keys_of_others_are_left_alone(found: Found) -> None:
    proposal = docker({"labels": ["a"], "exec-opts": []}, found)
    assert "daemon.json's exec-opts, labels: a deploy leaves them alone" in proposal.notes


def change(found: Found, **packages: str | None) -> Found:
    now = {name.replace("_", "-"): version for name, version in packages.items()}
    there = {n: p for n, p in found.packages.items() if now.get(n, "") is not None}
    there |= {n: Package(v, installed=True, held=False) for n, v in now.items() if v}
    return replace(found, packages=there)


CASES: list[tuple[Callable[[Found], Found], str, str]] = [
    (
        lambda f: replace(f, facts=replace(f.facts, foreign_docker=("/snap/bin/docker",))),
        "Docker",
        "no Debian package owns it",
    ),
    (
        lambda f: replace(
            f, facts=replace(f.facts, unowned_driver_files=("/usr/bin/nvidia-installer",))
        ),
        "NVIDIA driver",
        "sudo nvidia-uninstall",
    ),
    (
        lambda f: replace(f, module=Module("570.211.01", "proprietary")),
        "Loaded module",
        "reboots into the installed one",
    ),
    (
        lambda f: replace(
            f,
            facts=replace(
                f.facts,
                driver_origins=dict.fromkeys(
                    f.facts.driver_origins, ("http://archive.ubuntu.com/ubuntu",)
                ),
            ),
        ),
        "Source of the driver",
        "NVIDIA's repository alone",
    ),
    (
        lambda f: change(f, libnvidia_container1="1.19.1-1"),
        "Container Toolkit",
        "all four packages to one version",
    ),
    (lambda f: replace(f, user="root"), "Login", "torchrack onboard makes an account"),
    (lambda f: replace(f, sudo="(ALL : ALL) ALL"), "sudo", "needs sudo without one"),
    (
        lambda f: replace(f, sshd={**f.sshd, "allowusers": ["ann bob"]}),
        "allowusers",
        "has to pass both",
    ),
    (
        lambda f: replace(f, sshd={**f.sshd, "allowgroups": ["one two"]}),
        "AllowGroups",
        "one group in",
    ),
    (lambda f: replace(f, cas={"x": "no PEM"}), "CA x", "no certificate"),
]


@pytest.mark.parametrize(("made", "what", "reason"), CASES, ids=[c[1] for c in CASES])
def test_what_no_setting_says_has_a_reason(
    made: Callable[[Found], Found], what: str, reason: str, found: Found
) -> None:
    assert any(reason in one for one in reasons(propose(made(found)), what))


def test_one_group_that_may_log_in_is_kept(found: Found) -> None:
    theirs = replace(
        found, sshd={**found.sshd, "allowgroups": ["staff"]}, groups=("debian", "staff")
    )
    assert propose(theirs).sections["sshd"]["admin_group"] == "staff"


def test_docker_ce_with_its_containerd(found: Found) -> None:
    there = {
        "docker-ce": Package("5:29.6.1-1~debian.13~trixie", installed=True, held=False),
        "containerd.io": Package("2.1.0-1", installed=True, held=False),
    }
    proposal = propose(replace(found, packages=there))
    assert proposal.sections["docker"]["source"] == "docker-ce"
    assert proposal.sections["docker"]["containerd_version"] == "2.1.0-1"
    assert "no driver package is installed: a deploy brings the driver" in proposal.notes


@pytest.mark.parametrize(
    ("host", "env", "expected"),
    [
        ({"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=all"]}]}, [], "all"),
        ({"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=1"]}]}, [], ["1"]),
        ({"DeviceRequests": [{"Driver": "nvidia", "Count": -1}]}, [], "all"),
        ({"DeviceRequests": [{"Count": 2, "DeviceIDs": None}]}, [], ["0", "1"]),
        ({"Runtime": "nvidia"}, ["NVIDIA_VISIBLE_DEVICES=0,2"], ["0", "2"]),
        ({"Runtime": "nvidia"}, ["NVIDIA_VISIBLE_DEVICES=all"], "all"),
        ({"Runtime": "runc"}, ["NVIDIA_VISIBLE_DEVICES=all"], "none"),
        ({}, [], "none"),
    ],
)
def test_gpus_in_all_the_ways_that_docker_has(
    host: dict[str, Any], env: list[str], expected: object
) -> None:
    assert gpus({"HostConfig": host, "Config": {"Env": env}}) == expected


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("HostConfig.Privileged", True, "privileged"),
        ("HostConfig.NetworkMode", "host", "its network is host"),
        ("HostConfig.PidMode", "host", "its PidMode is host"),
        ("HostConfig.SecurityOpt", ["seccomp=unconfined"], "seccomp=unconfined"),
        ("HostConfig.Devices", [{"PathOnHost": "/dev/kvm"}], "/dev/kvm"),
        ("HostConfig.PortBindings", {"53/udp": [{"HostPort": "53"}]}, "53/udp"),
        ("Config.Entrypoint", ["/other"], "entrypoint"),
        ("Config.User", "ann", "its user is ann"),
        ("Image", "sha256:0", "no digest"),
        ("Name", "/2fast", "its name"),
        (
            "Mounts",
            [{"Type": "bind", "Source": "/var/run/docker.sock", "Destination": "/d", "RW": True}],
            "not one that belongs to the system",
        ),
    ],
)
def test_containers_that_no_workload_can_be_like(
    path: str, value: object, reason: str, found: Found
) -> None:
    one = json.loads(json.dumps(found.containers[1]))
    assert one["Name"] == "/trainer_1"
    *parents, key = path.split(".")
    inner = one
    for parent in parents:
        inner = inner[parent]
    inner[key] = value
    proposal = propose(replace(found, containers=(one,)))
    assert not proposal.workloads
    assert any(reason in one for one in reasons(proposal, "Container"))


def test_the_inventorys_own_sections_stand_above_the_proposal(tmp_path: Path) -> None:
    own = Sshd(max_auth_tries=2)
    host = FleetHost("x", {"sshd": own}, merge([{"sshd": own, "docker": Docker(nofile=2048)}]))
    proposed = {"sshd": Sshd(max_auth_tries=6, login_grace_time=60), "docker": Docker(nofile=4096)}
    settings, lost = with_proposal(host, proposed, tmp_path / "rack.py")
    assert settings.docker.nofile == 4096
    assert settings.sshd.login_grace_time == 60
    assert settings.sshd.max_auth_tries == 2
    assert lost == ["sshd.max_auth_tries = 2"]


@pytest.mark.parametrize(
    ("daemon", "settings", "said"),
    [
        ({}, {"live_restore": False}, "and its 2 running container(s) with it"),
        ({}, {"live_restore": True}, "2 running container(s) live through it"),
        ({"live-restore": False}, {"live_restore": True}, "live through it"),
        (
            {},
            {"live_restore": True, "extra": {"userland-proxy": True}},
            "and its 2 running container(s) with it",
        ),
        (
            {"live-restore": True},
            {"live_restore": True, "extra": {"userland-proxy": True}},
            "2 running container(s) live through it",
        ),
    ],
)
def test_what_a_deploy_does_to_the_engine(
    daemon: dict[str, Any], settings: dict[str, Any], said: str, found: Found
) -> None:
    now = replace(found, daemon_json=json.dumps(daemon))
    assert said in after_merge(now, Docker(**settings))


def test_an_engine_that_has_all_of_it_goes_on(found: Found) -> None:
    wanted = Docker(live_restore=False, nofile=4096)
    there = json.dumps(configuration(wanted))
    assert after_merge(replace(found, daemon_json=there), wanted) == ""
    assert after_merge(replace(found, daemon_json="{}", info={}), wanted) == ""
    more = json.dumps({**configuration(wanted), "live-restore": True})
    again = after_merge(replace(found, daemon_json=more), wanted)
    assert again.startswith("Docker reloads because of live-restore")
