"""Bad states end in a clear message and an unharmed host; what is the user's is never removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.harness import Deploy, Lab

DAEMON_JSON = "/etc/docker/daemon.json"


def refused(done: Deploy, *sentences: str) -> None:
    """The run failed, and the message says so without a traceback."""
    assert done.rc != 0, done.output
    for sentence in sentences:
        assert sentence in done.text, done.output
    assert "Traceback" not in done.output


@pytest.fixture
def daemon_json(lab: Lab) -> str:
    """The content of gpu01's daemon.json."""
    return lab.ssh("gpu01", f"cat {DAEMON_JSON}").stdout


def only(stage: str, host: str = "gpu01") -> tuple[str, ...]:
    return ("--data", f"only={stage}", "--limit", host)


def test_a_changed_host_key(lab: Lab, tmp_path: Path) -> None:
    other = lab.state["hosts"]["gpu02"]
    pins = tmp_path / "known_hosts"
    pins.write_text(f"{other['address']} {lab.state['hosts']['gpu01']['host_key']}\n")
    inventory = lab.variant(
        tmp_path, f"for _, data in lab_hosts:\n    data['ssh_known_hosts_file'] = {str(pins)!r}\n"
    )
    done = lab.deploy("--limit", "gpu02", inventory=inventory, check=False)
    refused(done, "[gpu02]", f"Host key for {other['address']} does not match")


def test_a_host_that_was_never_pinned(lab: Lab, tmp_path: Path) -> None:
    pins = tmp_path / "known_hosts"
    pins.touch()
    inventory = lab.variant(
        tmp_path, f"for _, data in lab_hosts:\n    data['ssh_known_hosts_file'] = {str(pins)!r}\n"
    )
    refused(lab.deploy("--limit", "gpu02", inventory=inventory, check=False), "[gpu02]")
    assert pins.read_text() == "", "nothing is trusted on first use"


def test_a_wrong_password(lab: Lab, tmp_path: Path) -> None:
    inventory = lab.variant(
        tmp_path,
        "for _, data in lab_hosts:\n    del data['ssh_key']\n    data['ssh_password'] = 'wrong'\n",
    )
    done = lab.deploy("--limit", "gpu02", inventory=inventory, check=False)
    refused(done, "[gpu02] Authentication error")
    assert "wrong" not in done.output


def test_a_wrong_registry_password(lab: Lab, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("not the password\n")
    password.chmod(0o600)
    inventory = lab.variant(
        tmp_path,
        "from torchrack.settings import Images, Registry, file\n"
        "for _, data in lab_hosts:\n"
        "    old = data['images']\n"
        "    registry = old.registries[0].model_copy("
        f"update={{'password': file({str(password)!r})}})\n"
        "    data['images'] = Images(registries=[registry], catalog=old.catalog)\n",
    )
    address = lab.state["registry"]["address"]
    done = lab.deploy(*only("images", "gpu02"), inventory=inventory, check=False)
    refused(done, "gpu02", address, "puller")
    assert "not the password" not in done.output
    assert lab.deploy(*only("images", "gpu02")).changed("gpu02") == [], "the old login stays"


def test_a_daemon_json_that_is_not_json(lab: Lab, daemon_json: str) -> None:
    broken = daemon_json.replace("{", "{ not json", 1)
    lab.ssh("gpu01", f"cat > {DAEMON_JSON} <<'END'\n{broken}END\n")
    try:
        refused(lab.deploy(*only("docker"), check=False), "gpu01", DAEMON_JSON)
        assert lab.ssh("gpu01", f"cat {DAEMON_JSON}").stdout == broken, "it is left as it is"
        lab.ssh("gpu01", "docker ps -q | grep .")
    finally:
        lab.ssh("gpu01", f"cat > {DAEMON_JSON} <<'END'\n{daemon_json}END\n")
        lab.deploy(*only("docker"))


def test_a_daemon_json_edited_by_hand(lab: Lab, daemon_json: str) -> None:
    edited = json.loads(daemon_json) | {"icc": True, "debug": False}
    running = lab.ssh("gpu01", "docker ps -q --no-trunc").stdout
    lab.ssh("gpu01", f"cat > {DAEMON_JSON} <<'END'\n{json.dumps(edited)}\nEND\n")
    lab.deploy(*only("docker"))
    now = json.loads(lab.ssh("gpu01", f"cat {DAEMON_JSON}").stdout)
    assert now == json.loads(daemon_json) | {"debug": False}, "ours is back, theirs is kept"
    assert lab.ssh("gpu01", "docker ps -q --no-trunc").stdout == running, "containers went on"
    assert lab.deploy(*only("docker")).changed("gpu01") == []


def test_a_container_of_the_same_name_that_is_not_ours(lab: Lab, tmp_path: Path) -> None:
    image = "$(docker images -q | head -n 1)"
    lab.ssh("gpu01", f"docker create --name foreign {image} sleep 1")
    inventory = lab.variant(
        tmp_path,
        "from torchrack.settings import Workload, Workloads\n"
        "for _, data in lab_hosts:\n"
        "    mine = Workload(name='foreign', kind='container', image='tools', memory='64MiB',\n"
        "                    command=['sleep', '9'], memlock='1MiB', nofile=1024, gpus='none')\n"
        "    data['workloads'] = Workloads(containers=[*data['workloads'].containers, mine])\n",
    )
    try:
        before = lab.ssh("gpu01", "docker inspect foreign").stdout
        done = lab.deploy(*only("workloads"), inventory=inventory, check=False)
        refused(done, "gpu01", "foreign")
        assert lab.ssh("gpu01", "docker inspect foreign").stdout == before
    finally:
        lab.ssh("gpu01", "docker rm foreign")


def test_a_changed_workload_alone_is_recreated_and_keeps_its_data(lab: Lab, tmp_path: Path) -> None:
    lab.ssh("gpu01", "docker exec notebook sh -c 'echo weights > /home/torch/model.pt'")
    other = lab.ssh("gpu01", "docker inspect -f '{{.Id}} {{.State.StartedAt}}' shell").stdout
    inventory = lab.variant(
        tmp_path,
        "from torchrack.settings import Workloads\n"
        "for _, data in lab_hosts:\n"
        "    _all = data['workloads'].containers\n"
        "    _changed = [w.model_copy(update={'pids': 512}) if w.name == 'notebook' else w\n"
        "                for w in _all]\n"
        "    data['workloads'] = Workloads(containers=_changed)\n",
    )
    done = lab.deploy(*only("workloads"), inventory=inventory)
    assert [name for name in done.changed("gpu01") if "notebook" in name]
    assert lab.ssh("gpu01", "docker inspect -f '{{.HostConfig.PidsLimit}}' notebook").stdout == (
        "512\n"
    )
    again = lab.ssh("gpu01", "docker inspect -f '{{.Id}} {{.State.StartedAt}}' shell").stdout
    assert again == other, "the other workload is not touched"
    lab.deploy(*only("workloads"))
    kept = lab.ssh("gpu01", "docker exec notebook cat /home/torch/model.pt").stdout
    assert kept == "weights\n"


def test_a_workload_that_goes_leaves_its_data(lab: Lab, tmp_path: Path) -> None:
    lab.ssh("gpu01", "docker exec shell sh -c 'echo weights > /home/torch/model.pt'")
    inventory = lab.variant(
        tmp_path,
        "from torchrack.settings import Workloads\n"
        "for _, data in lab_hosts:\n"
        "    _rest = [w for w in data['workloads'].containers if w.name != 'shell']\n"
        "    data['workloads'] = Workloads(containers=_rest)\n",
    )
    lab.deploy(*only("workloads"), inventory=inventory)
    assert lab.ssh("gpu01", "docker inspect shell", check=False).rc != 0
    assert lab.ssh("gpu01", "systemctl cat torchrack-shell.service", check=False).rc != 0
    lab.ssh("gpu01", "docker volume inspect shell-home")
    lab.deploy(*only("workloads"))
    kept = lab.ssh("gpu01", "docker exec shell cat /home/torch/model.pt").stdout
    assert kept == "weights\n"


def test_foreign_authorized_keys_stay(lab: Lab) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB1+rzROSlxBxMe/naDggwjl/TimQxBxjgnYLgDB5oVI guest"
    path = "/home/debian/.ssh/authorized_keys"
    lab.ssh("gpu01", f"echo '{key}' >> {path}")
    lab.deploy(*only("base"))
    assert key in lab.ssh("gpu01", f"cat {path}").stdout
    lab.ssh("gpu01", f"sed -i '/ guest$/d' {path}")


def test_a_full_disk(lab: Lab, daemon_json: str) -> None:
    """A file system of 1 MiB, full to the last byte, where daemon.json lies."""
    lab.ssh(
        "gpu01",
        "cp -a /etc/docker /run/docker.copy && mount -t tmpfs -o size=1m tmpfs /etc/docker && "
        'cp -a /run/docker.copy/. /etc/docker/ && sed -i \'s/"icc": false/"icc": true/\' '
        f"{DAEMON_JSON} && cat /dev/zero > /etc/docker/filler || true",
    )
    before = lab.ssh("gpu01", f"cat {DAEMON_JSON}").stdout
    try:
        done = lab.deploy(*only("docker"), check=False)
        refused(done, "gpu01", "No space left on device")
        assert lab.ssh("gpu01", f"cat {DAEMON_JSON}").stdout == before, "the file is whole"
        assert lab.ssh("gpu01", "ls -A /etc/docker/.*torchrack* 2>/dev/null || true").stdout == ""
    finally:
        lab.ssh("gpu01", "umount /etc/docker; rm -rf /run/docker.copy")
    assert lab.ssh("gpu01", f"cat {DAEMON_JSON}").stdout == daemon_json
    lab.deploy(*only("docker"))
