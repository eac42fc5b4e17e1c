"""The drift check on real hosts: quiet when all is well, harmless, and right about what differs."""

from __future__ import annotations

import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.lab.harness import BIN, INVENTORY, Lab
from torchrack.facts.sshd import SshdCandidate, SshdHost

HOST = "gpu01"


def drift(lab: Lab, *arguments: str, inventory: str = INVENTORY) -> tuple[int, dict[str, Any]]:
    """Exit status and JSON of ``torchrack drift``."""
    done = lab.run(BIN / "torchrack", "drift", inventory, "--json", *arguments, check=False)
    return done.rc, json.loads(done.stdout)


def told(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["class"], finding["id"]) for finding in result["findings"]]


def test_a_deployed_fleet_is_in_sync_ten_times_in_a_row(calm: Lab) -> None:
    for _ in range(10):
        status, result = drift(calm)
        assert (status, told(result)) == (0, [])
    assert result["verdict"] == "in_sync"
    assert {host["round_trips"] for host in result["hosts"]} == {1}
    assert result["stages"][-1] == "host"
    assert all(host["checked"] == result["stages"] for host in result["hosts"])


def test_a_first_check_takes_a_few_trips_and_changes_nothing(calm: Lab, tmp_path: Path) -> None:
    """Files with all their times, packages, units, containers: as they were."""
    snapshot = (
        "find /etc /usr /opt /root /home /boot /srv /var/lib /var/cache /run/torchrack -xdev "
        "-not -path '/var/lib/docker/*' -not -path '/var/lib/containerd/*' "
        "-not -path '/var/lib/systemd/*' "
        "-not -path '/var/lib/nvidia-lab/*' -printf '%p %i %m %u %g %s %T@ %C@\\n' 2>/dev/null "
        "| sort; dpkg -l;"
        "systemctl list-units --all --no-legend --plain 'docker*' 'nvidia*' 'ssh.*' 'torch*';"
        "docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}} {{.CreatedAt}}';"
        "ls /run /tmp"
    )
    before = calm.ssh(HOST, snapshot).stdout
    remembered = calm.environment["XDG_CACHE_HOME"]
    calm.environment["XDG_CACHE_HOME"] = str(tmp_path)
    try:
        status, result = drift(calm, "--host", HOST)
    finally:
        calm.environment["XDG_CACHE_HOME"] = remembered
    assert (status, told(result)) == (0, [])
    assert 1 < result["hosts"][0]["round_trips"] <= 6
    assert calm.ssh(HOST, snapshot).stdout == before


@pytest.mark.parametrize(("host", "user"), [("gpu01", "debian"), ("gpu02", "ubuntu")])
def test_sshd_is_asked_without_its_folder_being_made(calm: Lab, host: str, user: str) -> None:
    """It is missing where systemd listens and sshd was never started; login needs it, too."""
    content = calm.ssh(host, "cat /etc/ssh/sshd_config.d/00-torchrack.conf").stdout
    asked = [SshdHost().command([user]), SshdCandidate().command(content, [user])]
    told = calm.ssh(
        host,
        "rmdir /run/sshd; find /run -xdev -type d | sort > /dev/shm/before\n"
        + "\n".join(f"( {script}\n)" for script in asked)
        + "\nfind /run -xdev -type d | sort | diff /dev/shm/before - && echo unchanged"
        "\nmkdir -m 0755 /run/sshd; rm /dev/shm/before",
    ).stdout
    assert told.count("permitrootlogin no") == 2, told
    assert "== error" not in told
    assert told.rstrip().endswith("unchanged")


def test_a_container_that_was_changed_by_hand(calm: Lab) -> None:
    calm.ssh(HOST, "docker update --pids-limit 77 notebook")
    first = drift(calm, "--host", HOST)[1]["findings"][0]
    status, result = drift(calm, "--host", HOST)
    assert status == 2
    again = result["findings"][0]
    assert (again["id"], again["first_seen"]) == (first["id"], first["first_seen"])
    assert again["last_seen"] >= first["last_seen"]
    assert any(i.startswith("workloads.container:notebook.") for _, i in told(result)), result
    calm.deploy("--limit", HOST, "--data", "only=workloads,stamp")
    assert drift(calm, "--host", HOST)[0] == 0


def test_what_the_repository_declares_anew_is_pending(calm: Lab, tmp_path: Path) -> None:
    inventory = calm.variant(
        tmp_path,
        "from torchrack.settings import Docker\n"
        "for _, data in lab_hosts:\n"
        "    data['docker'] = Docker(log_max_file=7)\n",
    )
    status, result = drift(calm, inventory=inventory)
    assert status == 2
    assert {kind for kind, _ in told(result)} == {"pending"}, told(result)
    assert ("pending", "docker.file:/etc/docker/daemon.json.content") in told(result)


def test_a_host_that_is_down_hides_no_other(calm: Lab) -> None:
    calm.ssh(HOST, "apt-mark unhold libcuda1")
    calm.lab("stop", "gpu02")
    try:
        status, result = drift(calm)
    finally:
        calm.lab("start", "gpu02")
        calm.ssh(HOST, "apt-mark hold libcuda1")
    assert status == 1
    assert result["verdict"] == "incomplete"
    assert told(result) == [
        ("drift", "driver.package:libcuda1.held"),
        ("unreachable", "host.unreachable"),
    ]


def test_a_host_whose_facts_fail_is_unknown(calm: Lab) -> None:
    calm.ssh(HOST, "mount --bind /bin/false /usr/bin/docker")
    try:
        status, result = drift(calm, "--host", HOST)
    finally:
        calm.ssh(HOST, "umount /usr/bin/docker")
    assert status in (1, 2)
    assert any(i.startswith(("workloads.", "images.", "docker.")) for _, i in told(result))


def test_reports_beside_the_table(calm: Lab, tmp_path: Path) -> None:
    names = {"junit": "r.xml", "markdown": "r.md", "prometheus": "r.prom", "json": "r.json"}
    options = [f"--format={name}:{tmp_path / file}" for name, file in names.items()]
    done = calm.run(BIN / "torchrack", "drift", INVENTORY, *options)
    assert "nothing differs" in done.text
    assert json.loads((tmp_path / "r.json").read_text())["verdict"] == "in_sync"
    assert "in sync" in (tmp_path / "r.md").read_text()
    assert 'failures="0"' in (tmp_path / "r.xml").read_text()
    assert "torchrack_drift_last_whole_check" in (tmp_path / "r.prom").read_text()


def test_without_a_lock_no_host_is_asked(calm: Lab, tmp_path: Path) -> None:
    inventory = calm.variant(tmp_path, "")
    (tmp_path / "lab.lock.yml").unlink()
    done = calm.run(BIN / "torchrack", "drift", inventory, check=False)
    assert done.rc == 1
    assert "torchrack lock" in done.text
    assert "Traceback" not in done.output


def test_nights_can_be_compared(calm: Lab) -> None:
    """What came and went is known afterwards, without a look at any host."""
    drift(calm)
    calm.ssh(HOST, "echo '# by hand' >> /etc/modprobe.d/torchrack-nouveau.conf")
    drift(calm)
    done = calm.run(BIN / "torchrack", "drift", "diff", INVENTORY, "--json", check=False)
    calm.run(BIN / "torchrack", "drift", "fix", INVENTORY, "--yes")
    listed = calm.run(BIN / "torchrack", "drift", "history", INVENTORY, "base.file:*", "--json")

    assert done.rc == 2, done.output
    came = [one["id"] for one in json.loads(done.stdout)["came"]]
    assert "base.file:/etc/modprobe.d/torchrack-nouveau.conf.content" in came
    spans = json.loads(listed.stdout)["findings"]
    assert [(one["host"], one["open"]) for one in spans][-1] == (HOST, False)
    assert json.loads(listed.stdout)["checks"][-1]["verdict"] == "in_sync"


def test_a_finding_shows_what_a_file_differs_in(calm: Lab) -> None:
    calm.ssh(HOST, "echo '# by hand' >> /etc/modprobe.d/torchrack-nouveau.conf")
    _, result = drift(calm, "--severity", "compat")
    calm.run(BIN / "torchrack", "drift", "fix", INVENTORY, "--yes")

    diffs = {one["id"]: one["diff"] for one in result["findings"]}
    assert "\n-# by hand" in diffs["base.file:/etc/modprobe.d/torchrack-nouveau.conf.content"]


def test_the_nightly_units_are_good_systemd(calm: Lab) -> None:
    """systemd of a real machine reads them; no program of theirs is there."""
    printed = calm.run(
        BIN / "torchrack", "drift", "install-timer", INVENTORY, "--print", "systemd"
    ).stdout
    _, service, timer = re.split(r"(?m)^# \S+/torchrack-drift-\S+\n", printed)
    service = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", service)
    calm.ssh(
        HOST,
        f"d=$(mktemp -d); cd $d; cat > n.service <<'END'\n{service}\nEND\n"
        f"cat > n.timer <<'END'\n{timer}\nEND\n"
        "systemd-analyze verify --man=no ./n.timer ./n.service > out 2>&1; status=$?; "
        "cat out; ! grep -F $d out && [ $status = 0 ]; status=$?; rm -r $d; exit $status",
    )


def test_a_night_alerts_about_what_changed_and_no_second_time(calm: Lab, tmp_path: Path) -> None:
    posts: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

    inventory = calm.variant(tmp_path, "")
    url = tmp_path / "url"
    (tmp_path / "lab.alerts.yml").write_text(
        f"- kind: json\n  url: {{source: file, name: {str(url)!r}}}\n"
    )
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        url.touch(0o600)
        url.write_text(f"http://127.0.0.1:{server.server_port}/hook\n")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        drift(calm, "--nightly", inventory=inventory)
        calm.ssh(HOST, "echo '# by hand' >> /etc/modprobe.d/torchrack-nouveau.conf")
        for _ in range(2):
            drift(calm, "--nightly", "--time-limit", "300", inventory=inventory)
        calm.run(BIN / "torchrack", "drift", "fix", INVENTORY, "--yes")
        drift(calm, "--nightly", inventory=inventory)
        server.shutdown()

    assert [(post["before"], post["verdict"]) for post in posts] == [
        ("in_sync", "drift"),
        ("drift", "in_sync"),
    ]
    ids = [one["id"] for one in posts[0]["came"]]
    assert "base.file:/etc/modprobe.d/torchrack-nouveau.conf.content" in ids


def test_a_time_limit_ends_the_check_and_tells_who_is_late(calm: Lab, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        late = f"lab_hosts[1][1].update(ssh_hostname='127.0.0.1', ssh_port={port})\n"
        inventory = calm.variant(tmp_path, late)
        status, result = drift(calm, "--time-limit", "5", inventory=inventory)

    assert (status, result["verdict"]) == (1, "incomplete")
    (finding,) = result["findings"]
    assert (finding["host"], finding["class"]) == ("gpu02", "unreachable")
    assert "time limit" in finding["actual"]
