"""A server that is in use is looked at, told as settings that match it, and not touched."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.harness import BIN, Done, Lab
from torchrack import hosts_file
from torchrack.onboard import pins
from torchrack.settings.load import load_folder

HOST = "inuse"
INVENTORY = """\
from torchrack.inventory import check_fleet, hosts_of
from torchrack.settings import Preflight

adopted = hosts_of(__file__, "adopted", preflight=Preflight(min_free_disk="1GiB"))
other = hosts_of(__file__, "other")
check_fleet(__file__, globals())
"""
DAEMON = {
    "data-root": "/srv/docker",
    "log-opts": {"max-size": "10m", "max-file": "3"},
    "features": {"cdi": True},
    "debug": False,
}
PACKAGES = (
    "docker.io docker-cli iptables nvidia-driver-pinning-580.105.08 nvidia-driver-cuda "
    "nvidia-kernel-open-dkms nvidia-persistenced nvidia-container-toolkit=1.18.1-1 "
    "nvidia-container-toolkit-base=1.18.1-1 libnvidia-container-tools=1.18.1-1 "
    "libnvidia-container1=1.18.1-1"
)
SNAPSHOT = (
    "find /etc /usr /opt /root /home /boot /srv /var/lib /run/torchrack -xdev "
    "-not -path '/srv/docker/*' -not -path '/var/lib/docker/*' -not -path '/var/lib/containerd/*' "
    "-not -path '/var/lib/systemd/*' "
    "-not -path '/var/lib/nvidia-lab/*' -printf '%p %i %m %u %g %s %T@ %C@\\n' 2>/dev/null | sort;"
    "dpkg -l; docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}'; ls /run /tmp"
)


def prepare(lab: Lab) -> str:
    """What somebody did to the server over the years."""
    state = lab.state
    registry, mirror = state["registry"], state["mirror"]
    address = registry["address"]
    password = Path(registry["pull_password_file"]).read_text().strip()
    image = state["images"]["tools"]["reference"]
    ca = Path(registry["ca_cert"]).read_text()
    key = Path(mirror["key_file"]).read_text()
    signed = "deb [signed-by=/etc/apt/keyrings/theirs.asc]"
    source = (
        f"{signed} {mirror['uri']}/compute/cuda/repos/debian13/x86_64/ /\n"
        f"{signed} {mirror['uri']}/libnvidia-container/stable/deb/amd64/ /\n"
    )
    return f"""set -eu
export DEBIAN_FRONTEND=noninteractive
mkdir -p /etc/docker/certs.d/{address} /etc/apt/keyrings
printf %s {shlex.quote(ca)} > /etc/docker/certs.d/{address}/ca.crt
printf %s {shlex.quote(ca)} > /usr/local/share/ca-certificates/Office_Root.crt
printf %s {shlex.quote(json.dumps(DAEMON))} > /etc/docker/daemon.json
printf %s {shlex.quote(key)} > /etc/apt/keyrings/theirs.asc
printf %s {shlex.quote(source)} > /etc/apt/sources.list.d/theirs.list
apt-get -q update
apt-get -q -y install --no-install-recommends linux-headers-amd64 || true
apt-get -q -y install --no-install-recommends nvidia-driver-pinning-580.105.08
apt-get -q -y install --no-install-recommends {PACKAGES}
systemctl restart nvidia-lab-module.service
systemctl restart nvidia-cdi-refresh.service || true
echo {shlex.quote(password)} | docker login --username {registry["pull_user"]} \\
    --password-stdin {address}
docker pull {image}
docker run -d --name trainer_1 --restart unless-stopped --memory 512m --cpus 0.5 \\
    --shm-size 128m -p 127.0.0.1:9000:9000 -v train-data:/data -e MODE=fast -e API_TOKEN=s3cr3t \\
    --user 1000:1000 {image} sleep infinity
docker run -d --name root-tool --privileged --network host {image} sleep infinity
"""


class Fleet:
    """A fleet of its own, in a folder of its own."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.inventory = folder / "rack.py"
        self.inventory.write_text(INVENTORY)

    def adopt(self, *arguments: str, name: str = HOST, user: str | None = None) -> Done:
        there = self.lab.state["hosts"][HOST]
        command = [
            *(BIN / "torchrack", "adopt", self.inventory, "--name", name),
            *("--address", there["address"], "--user", user or there["user"]),
            *("--key", there["key_file"], *arguments),
        ]
        return self.lab.run(*command, check=False)

    @property
    def trust(self) -> tuple[str, str]:
        return "--host-key", self.lab.state["hosts"][HOST]["host_key_sha256"]

    def files(self) -> list[str]:
        paths = (path.relative_to(self.folder) for path in self.folder.rglob("*"))
        return sorted(map(str, paths))


@pytest.fixture(scope="module")
def in_use(bare_lab: Lab) -> Iterator[Lab]:
    bare_lab.lab("remove", HOST, check=False)
    bare_lab.lab("new", HOST, "--gpus", "h200:2", "--newcomer")
    bare_lab.ssh(HOST, prepare(bare_lab), timeout=600)
    yield bare_lab
    bare_lab.lab("remove", HOST)


@pytest.fixture(scope="module")
def fleet(in_use: Lab, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(in_use, tmp_path_factory.mktemp("fleet"))


@pytest.fixture(scope="module")
def looked_at(fleet: Fleet) -> tuple[dict[str, Any], str, str]:
    """What a look says, with a snapshot of the server before it and after."""
    before = fleet.lab.ssh(HOST, SNAPSHOT).stdout
    done = fleet.adopt("--group", "adopted", *fleet.trust, "--json")
    assert done.rc == 0, done.output
    assert fleet.files() == ["rack.py"]
    return json.loads(done.stdout), before, fleet.lab.ssh(HOST, SNAPSHOT).stdout


def test_nothing_is_changed_anywhere(looked_at: tuple[dict[str, Any], str, str]) -> None:
    """Nor in the fleet's folder, as was seen right after."""
    _, before, after = looked_at
    assert after == before


def test_it_is_told_what_is_there(looked_at: tuple[dict[str, Any], str, str]) -> None:
    facts = looked_at[0]["facts"]
    assert facts["driver, loaded"] == "580.105.08 (open)"
    assert facts["GPUs on the PCI bus"] == "2"
    assert facts["Docker's data"] == "/srv/docker"
    assert facts["containers"] == "2 running, 0 not"


@pytest.mark.parametrize(
    "line",
    [
        'version="580.105.08"',
        'flavour="open"',
        "allow_reboot=False",
        'source="distro"',
        'version="1.18.1-1"',
        'log_driver="json-file"',
        'log_max_size="10m"',
        "log_max_file=3",
        "live_restore=False",
        '"data-root": "/srv/docker"',
        '"userland-proxy": true',
        '"userland-proxy-path": "/usr/sbin/docker-proxy"',
        "key_fingerprint=",
        '"office_root": ',
        'name="trainer-1"',
        'memory="512MiB"',
        'shm_size="128MiB"',
        'Mount(source="train-data", target="/data", external=True)',
    ],
)
def test_settings_match_it(looked_at: tuple[dict[str, Any], str, str], line: str) -> None:
    settings = looked_at[0]["settings"].replace(": True", ": true")
    assert line in settings


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("Container root-tool", "it is privileged, which a workload never is"),
        ("Container root-tool", "its network is host"),
        ("Container trainer_1: environment", "their values were left there"),
        ("Account at ", "its password was not read"),
        ("permitrootlogin", "the stage sshd sets it to no"),
    ],
)
def test_what_no_setting_says_has_its_reason(
    looked_at: tuple[dict[str, Any], str, str], what: str, reason: str
) -> None:
    told = looked_at[0]["unexpressed"]
    assert [one for one in told if one["what"].startswith(what) and reason in one["reason"]]


def test_no_secret_leaves_the_server(looked_at: tuple[dict[str, Any], str, str]) -> None:
    text = json.dumps(looked_at[0])
    assert "s3cr3t" not in text
    assert "API_TOKEN" in text


def test_it_is_told_where_a_deploy_would_stop(
    looked_at: tuple[dict[str, Any], str, str],
) -> None:
    ahead = looked_at[0]["ahead"]
    fixes = [one["fix"] for one in ahead["stops"]]
    assert [fix for fix in fixes if "sudo mv /etc/apt/sources.list.d/theirs.list " in fix] == fixes
    assert "2 running container(s)" in ahead["docker"]


def test_the_next_deploy_would_move_no_package(
    looked_at: tuple[dict[str, Any], str, str],
) -> None:
    ahead = looked_at[0]["ahead"]
    stages = {one["stage"] for one in ahead["changes"]}
    assert "sshd" in stages, "it is not hardened yet"
    assert not [one for one in ahead["changes"] if one["actual"] == "not installed"
                and one["stage"] in ("driver", "docker", "toolkit")]  # fmt: skip
    moved = [one["id"] for one in ahead["changes"] if one["id"].endswith(".version")]
    assert not [one for one in moved if "nvidia" in one or "docker" in one]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--group", "adopted"), "a host key that nobody has verified"),
        (
            ("--group", "adopted", "--host-key", "SHA256:" + "A" * 43),
            "as --host-key says",
        ),
        (("--group", "nowhere"), "no group nowhere in"),
        ((), "2 groups to choose from in"),
    ],
)
def test_refuses_what_is_not_meant(
    in_use: Lab, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    fleet = Fleet(in_use, tmp_path)
    done = fleet.adopt(*arguments)
    assert done.rc == 1
    assert message in done.text
    assert fleet.files() == ["rack.py"]


@pytest.fixture(scope="module")
def written(fleet: Fleet, looked_at: tuple[dict[str, Any], str, str]) -> Fleet:
    """The fleet after it was written down, which nobody does before a look."""
    done = fleet.adopt("--group", "adopted", *fleet.trust, "--write")
    assert done.rc == 0, done.output
    return fleet


def test_is_written_down_when_that_is_asked(written: Fleet) -> None:
    fleet = written
    there = fleet.lab.state["hosts"][HOST]
    data, problems = load_folder(fleet.folder / "group_data")
    assert not problems
    assert data["adopted"]["driver"].version == "580.105.08"
    entry = hosts_file.read(fleet.folder / "rack.hosts.yml")["adopted"][HOST]
    assert (entry.address, entry.user) == (there["address"], there["user"])
    assert pins.pinned(fleet.folder / "rack.known_hosts", there["address"], 22)


@pytest.fixture(scope="module")
def locked(written: Fleet) -> tuple[Fleet, Done]:
    """The same, locked, after a person has added what was not read: the registry's account."""
    fleet = written
    registry = fleet.lab.state["registry"]
    settings = fleet.folder / "group_data" / "adopted.py"
    address = f'address="{registry["address"]}",'
    account = (
        f'username="{registry["pull_user"]}", password=file("{registry["pull_password_file"]}"),'
    )
    text = settings.read_text().replace(address, f"{address} {account}")
    settings.write_text(text.replace("Toolkit\n", "Toolkit, file\n", 1))
    return fleet, fleet.lab.lock(inventory=str(fleet.inventory))


def test_what_was_written_can_be_locked(locked: tuple[Fleet, Done]) -> None:
    assert "580.105.08" in locked[1].output


def test_a_deploy_with_it_leaves_alone_what_runs(locked: tuple[Fleet, Done]) -> None:
    """After what the look ahead has asked for: one source a repository, and live-restore."""
    running = (
        "docker ps --no-trunc --format '{{.ID}}' | xargs docker inspect -f "
        "'{{.Name}} {{.Id}} {{.State.StartedAt}}'; cat /proc/sys/kernel/random/boot_id; "
        "dpkg-query -W -f '${Package} ${Version}\\n' '*nvidia*' 'docker*' 'containerd*' 'libcuda*'"
    )
    fleet, _ = locked
    settings = fleet.folder / "group_data" / "adopted.py"
    settings.write_text(settings.read_text().replace("live_restore=False", "live_restore=True"))
    fleet.lab.ssh(HOST, "rm /etc/apt/sources.list.d/theirs.list")
    before = fleet.lab.ssh(HOST, running).stdout
    fleet.lab.lock(inventory=str(fleet.inventory))
    fleet.lab.run(BIN / "torchrack", "deploy", fleet.inventory, "--yes")
    assert fleet.lab.ssh(HOST, running).stdout == before
    assert "/trainer_1" in before


def test_a_second_time_it_is_a_host_of_the_fleet(locked: tuple[Fleet, Done]) -> None:
    fleet, _ = locked
    files = {name: (fleet.folder / name).stat().st_mtime_ns for name in fleet.files()}
    done = fleet.adopt("--group", "adopted", "--write")
    assert done.rc == 1
    assert "a host of that name in" in done.text
    again = fleet.adopt("--group", "adopted", "--write", name="other-name")
    assert again.rc == 1
    assert "which is inuse's" in again.text
    assert {n: (fleet.folder / n).stat().st_mtime_ns for n in fleet.files()} == files
