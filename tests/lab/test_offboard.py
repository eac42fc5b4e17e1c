"""Servers leave the fleet: what we brought is gone, what is their users' is there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.harness import BIN, INVENTORY, ROOT, Deploy, Done, Lab
from tests.lab.story import Story
from torchrack import hosts_file
from torchrack.hosts_file import Entry
from torchrack.lock import file as lock_file
from torchrack.onboard import pins

HOST = "leaver"
OURS = (
    "find / -xdev -iname '*torchrack*' -not -path '/proc/*' -not -path '/var/lib/docker/*' "
    "2>/dev/null;"
    "grep -rIli torchrack /etc /usr/local; true"
)
"""All that still bears our name."""
ACCESS = {
    "/etc/ssh/sshd_config.d/00-torchrack.conf",
    "/etc/sudoers.d/90-torchrack",
}
THEIRS = """set -eu
python3 - <<'END'
import json
path = "/etc/docker/daemon.json"
settings = json.load(open(path))
settings["labels"] = ["rack=7"]
json.dump(settings, open(path, "w"))
END
systemctl restart docker
echo precious > /var/lib/docker/volumes/notebook-home/_data/work.txt
image=$(docker images -q | head -n 1)
docker run -d --name theirs --restart always --entrypoint sleep "$image" infinity >/dev/null
"""
BUSY = """mkdir -p /run/nvidia-lab
echo '{"processes": [{"pid": 4242, "name": "python3", "memory": 1234, "gpus": [0]}]}' \
    > /run/nvidia-lab/state.json"""


class Leaver:
    """A deployed server that stands in the fleet's hosts file."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.hosts_file = lab.folder / "lab.hosts.yml"
        self.known_hosts = lab.folder / "lab.known_hosts"

    @property
    def address(self) -> str:
        return self.lab.state["hosts"][HOST]["address"]

    def start(self) -> None:
        """Be a deployed server on which others have something, too."""
        self.lab.lab("restore", "deployed", f"{HOST}=gpu01")
        if self.is_listed():
            hosts_file.remove(self.hosts_file, HOST)
        self.join()
        self.ssh(THEIRS)

    def join(self, *stages: str) -> None:
        """Write it down, pin its key, and deploy."""
        there = self.lab.state["hosts"][HOST]
        entry = Entry(address=self.address, user=there["user"], key=there["key_file"])
        hosts_file.add(self.hosts_file, "lab_hosts", HOST, entry)
        for key in pins.pinned(Path(self.lab.state["known_hosts"]), self.address, 22):
            pins.pin(self.known_hosts, self.address, 22, key)
        self.lab.lock()
        only = ["--data", f"only={','.join(stages)}"] if stages else []
        self.lab.deploy("--limit", HOST, *only)

    def offboard(self, *arguments: str, name: str = HOST) -> Done:
        command = [BIN / "torchrack", "offboard", INVENTORY, name, *arguments]
        return self.lab.run(*command, check=False)

    def ssh(self, script: str) -> str:
        return self.lab.ssh(HOST, script).stdout

    def is_listed(self) -> bool:
        return HOST in hosts_file.read(self.hosts_file).get("lab_hosts", {})

    def is_locked(self) -> bool:
        lock = lock_file.read(self.lab.lock_file)
        return lock is not None and lock.group(HOST) is not None

    def is_pinned(self) -> bool:
        return bool(pins.pinned(self.known_hosts, self.address, 22))


@pytest.fixture(scope="module")
def leaver(bare_lab: Lab, first_deploy: Deploy) -> Iterator[Leaver]:
    leaver = Leaver(bare_lab)
    yield leaver
    bare_lab.lab("remove", HOST)
    if leaver.is_listed():
        hosts_file.remove(leaver.hosts_file, HOST)
    bare_lab.lock()


@pytest.fixture(scope="module")
def story(leaver: Leaver) -> Story:
    """How it joins, leaves, joins again, and leaves for good."""
    return Story(
        {
            "joined": leaver.start,
            "killed": lambda: _killed(leaver),
            "left": lambda: leaver.offboard("--yes", "--confirm", HOST),
            "left for good": lambda: _for_good(leaver),
        }
    )


@pytest.fixture
def joined(leaver: Leaver, story: Story) -> Leaver:
    story.at("joined")
    return leaver


@pytest.fixture
def left(leaver: Leaver, story: Story) -> Leaver:
    """After a run that was killed, and a second one that finished its work."""
    assert story.at("left").rc == 0
    return leaver


def test_a_plan_changes_nothing(joined: Leaver) -> None:
    snapshot = "find /etc /usr/local /var/lib/torchrack -printf '%p %C@\\n' | sort; docker ps -aq"
    before = joined.ssh(snapshot)
    done = joined.offboard("--dry-run", "--purge", "--delete-data", "--unharden", "--force")
    assert done.rc == 0, done.output
    assert "DELETE the volume notebook-home with its data" in done.stdout
    assert "stays: container theirs, which is not ours, running" in done.stdout
    assert joined.ssh(snapshot) == before
    assert joined.is_listed()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--unreachable",), "leaver can be logged in to: leave"),
        (
            ("--purge",),
            "Running containers that are not ours theirs none, because Docker is removed",
        ),
    ],
)
def test_refuses_what_is_not_meant(
    joined: Leaver, arguments: tuple[str, ...], message: str
) -> None:
    done = joined.offboard("--yes", "--confirm", HOST, *arguments)
    assert done.rc == 1
    assert message in done.text
    assert joined.is_listed()
    assert "notebook" in joined.ssh("docker ps --format '{{.Names}}'")


def test_who_uses_the_gpus_is_not_interrupted(joined: Leaver) -> None:
    joined.ssh(BUSY)
    try:
        for more in ((), ("--wait", "1s")):
            done = joined.offboard("--yes", "--confirm", HOST, *more)
            assert done.rc == 1
            assert "4242 (python3)" in done.text
            assert "none but those of our containers" in done.text
            assert "notebook" in joined.ssh("docker ps --format '{{.Names}}'")
    finally:
        joined.ssh("rm /run/nvidia-lab/state.json")


def _killed(leaver: Leaver) -> list[str]:
    """What a run said that was killed in the middle."""
    command = [BIN / "torchrack", "offboard", INVENTORY, HOST, "--yes", "--confirm", HOST]
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        env=leaver.lab.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    heard = []
    for line in process.stderr:
        heard.append(line)
        if "Docker is without our keys" in line:
            break
    process.kill()
    process.wait()
    process.stderr.close()
    return heard


def test_a_run_that_is_killed_in_the_middle(leaver: Leaver, story: Story) -> None:
    heard = story.at("killed")
    assert "Docker is without our keys" in heard[-1], heard
    assert leaver.is_listed(), "it has not left yet"


def test_the_same_command_goes_on_from_there(story: Story) -> None:
    done = story.at("left")
    assert done.rc == 0, done.output
    assert "workloads stopped" not in done.text, "that was done before"
    assert "leaver has left the fleet" in done.text


def test_nothing_of_ours_is_left_but_the_way_in(left: Leaver) -> None:
    assert set(left.ssh(OURS).split()) == ACCESS
    assert not left.ssh("apt-mark showhold; docker ps -aq --filter label=io.torchrack.workload")
    assert "passwordauthentication no" in left.ssh("sshd -T")
    assert left.ssh("systemctl --failed --no-legend") == ""


def test_what_is_theirs_goes_on(left: Leaver) -> None:
    assert json.loads(left.ssh("cat /etc/docker/daemon.json")) == {"labels": ["rack=7"]}
    assert left.ssh("docker ps --format '{{.Names}} {{.Status}}'").startswith("theirs Up")
    path = "/var/lib/docker/volumes/notebook-home/_data/work.txt"
    assert left.ssh(f"cat {path}") == "precious\n"
    assert "nvidia-driver-cuda" in left.ssh("dpkg -l | grep ^ii")


def test_it_is_out_of_the_fleets_files(left: Leaver) -> None:
    assert not left.is_listed()
    assert not left.is_locked()
    assert not left.is_pinned()


def _for_good(leaver: Leaver) -> Done:
    """Let it join again, and leave with all that a deploy brought."""
    leaver.ssh("docker rm -f theirs; docker volume create theirs; rm -f /etc/docker/daemon.json")
    leaver.ssh("docker volume create --label io.torchrack.workload=notebook notebook-home")
    leaver.join("base", "sshd", "driver", "docker", "toolkit")
    arguments = ("--purge", "--delete-data", "--unharden", "--json")
    return leaver.offboard("--yes", "--confirm", HOST, *arguments)


def test_it_may_join_again_and_leave_for_good(leaver: Leaver, story: Story) -> None:
    """The stack, the data and the hardening go; the data of others does not."""
    done = story.at("left for good")
    assert done.rc == 0, done.output
    told = json.loads(done.stdout)["hosts"][0]
    assert told["by_hand"] == [
        "reboot the host: the module of the driver that is gone is still loaded"
    ]
    assert leaver.ssh(OURS) == ""
    installed = leaver.ssh("dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n' | grep ' ii'")
    for name in ("docker.io", "containerd", "nvidia-driver-cuda", "nvidia-container-toolkit"):
        assert f"\n{name} " not in installed
    volumes = leaver.ssh("ls /var/lib/docker/volumes").split()
    assert "theirs" in volumes
    assert "notebook-home" not in volumes
    assert "allowgroups" not in leaver.ssh("sshd -T")


def test_a_server_that_is_gone_leaves_the_fleets_files(leaver: Leaver, story: Story) -> None:
    story.after("left")
    there = leaver.lab.state["hosts"][HOST]
    entry = Entry(address=free_address(there["address"]), user=there["user"], key=there["key_file"])
    hosts_file.add(leaver.hosts_file, "lab_hosts", HOST, entry)
    refused = leaver.offboard("--yes", "--confirm", HOST)
    assert refused.rc == 1
    assert "a server that is gone: --unreachable" in refused.text
    assert leaver.is_listed()
    done = leaver.offboard("--yes", "--confirm", HOST, "--unreachable")
    assert done.rc == 0, done.output
    assert not leaver.is_listed()


def free_address(address: str) -> str:
    """An address of the lab's network that nobody has."""
    return address.rpartition(".")[0] + ".250"
