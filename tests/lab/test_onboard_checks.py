"""``torchrack onboard`` from the login to the inventory: what it finds, and what it writes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import network, state
from tests.lab.harness import Lab
from tests.lab.leaks import holding, left_on, watched_arguments
from tests.lab.newcomers import WITHOUT_ADMIN, Fleet, Server, ended, not_ready
from torchrack import hosts_file
from torchrack.lock import file as lock_file

TRUST = "--trust-on-first-use"

KILLED_BEFORE_THE_DEPLOY = (
    *("probe", "host-key", "login", "facts", "preflight", "contract", "admin", "inventory"),
    "lock",
)
"""Steps in which a run is killed here."""


# Names and addresses


def test_an_address_that_is_in_the_inventory(fleet: Fleet, bare: Server) -> None:
    write(fleet, f"gpu01: {{address: {bare.address}}}")
    before = fleet.files()
    done = fleet.onboard(bare, TRUST, *bare.first.options)
    ended(done, 1, f"{bare.address} port 22, which is gpu01's", "Nothing was begun")
    assert fleet.files() == before


def test_a_name_that_is_taken(fleet: Fleet, bare: Server) -> None:
    write(fleet, "gpu01: {address: 192.0.2.1}")
    before = fleet.files()
    done = fleet.onboard(bare, TRUST, *bare.first.options, name="gpu01")
    ended(done, 1, f"{bare.address} asked for, and 192.0.2.1 in", "choose another --name")
    assert fleet.files() == before


def write(fleet: Fleet, *hosts: str) -> None:
    fleet.pins.touch()
    fleet.hosts_file.write_text("lab_hosts:\n" + "".join(f"  {host}\n" for host in hosts))


def test_all_that_is_wrong_with_a_list_is_said_at_once(fleet: Fleet, tmp_path: Path) -> None:
    table = tmp_path / "hosts.csv"
    table.write_text(
        "name,address,user,port,password\n"
        "gpu01,192.0.2.1,root,22,\n"
        "gpu01,192.0.2.2,root,22,\n"
        "gpu02,192.0.2.3,root,99999,\n"
        "gpu03,192.0.2.4,root,22,hunter2\n"
    )
    done = fleet.run(*fleet.command("--hosts", table, "--yes"), check=False)
    ended(done, 1, "hosts.csv:4", "99999", "hosts.csv:5", "no secret in this file")
    assert "hunter2" not in done.output


# What preflight finds


def test_all_that_is_in_the_way_is_said_at_once(fleet: Fleet, worn: Server) -> None:
    """An unsupported release, no GPU, and a disk that is too small."""
    root = worn.account("root")
    before = worn.footprint()
    done = fleet.onboard(worn, TRUST, *root.options)
    not_ready(
        done,
        "debian 11",  # an unsupported system
        "install a supported release",
        "no NVIDIA GPU",
        "Disk space in /var/lib/docker",
        "0.5 GiB free",
    )
    assert worn.footprint() == before, "what is not ready is left as it was"
    assert not fleet.hosts_file.exists(), "and does not join"
    page = next(fleet.reports.glob("*.md")).read_text()
    assert "0.5 GiB free" in page


def test_a_disk_that_is_full(fleet: Fleet, worn: Server) -> None:
    """There is no room for what onboarding itself needs."""
    full = "mount -t tmpfs -o size=4k full /home && echo 1234567 > /home/fill"
    worn.root(full)
    try:
        done = fleet.onboard(worn, TRUST, *worn.account("root").options)
    finally:
        worn.root("umount /home")
    not_ready(done, "/home")


# Waiting


def test_apt_that_is_at_work_is_waited_for(fleet: Fleet, bare: Server) -> None:
    with apt_at_work(bare):
        run = fleet.start(*fleet.asked(bare), TRUST, "--until", "login", *bare.first.options)
        run.wait_for("login", "waiting for another package manager")
    ended(run.done(), 0)


@contextmanager
def apt_at_work(server: Server) -> Iterator[None]:
    """Hold the lock that apt-get holds while it installs."""
    server.root(
        "systemd-run --quiet --unit lab-apt python3 -c 'import fcntl, signal\n"
        'lock = open("/var/lib/dpkg/lock-frontend", "w")\n'
        "fcntl.lockf(lock, fcntl.LOCK_EX)\n"
        'open("/run/lab-apt", "w").close()\n'
        "signal.pause()'; until [ -e /run/lab-apt ]; do sleep 0.1; done"
    )
    try:
        yield
    finally:
        server.root("systemctl stop lab-apt; rm /run/lab-apt")


# What a run leaves behind


def without_admin(server: Server) -> None:
    """Have the server as if no run had come to its account."""
    server.root(WITHOUT_ADMIN)


def test_a_server_that_another_fleet_deployed(fleet: Fleet, bare: Server) -> None:
    without_admin(bare)
    stamp = "/etc/torchrack/deployed.json"
    deployed = '{"who": "ann@desk", "when": "2026-11-20T03:00:00+00:00"}'
    bare.root(f"mkdir -p /etc/torchrack && echo '{deployed}' > {stamp}")
    try:
        done = fleet.onboard(bare, "--dry-run", TRUST, *bare.first.options)
    finally:
        bare.root("rm -r /etc/torchrack")
    said = ("deployed before, by ann@desk at 2026-11-20T03:00:00+00:00", "take it out there first")
    ended(done, 0, *said)
    again = fleet.onboard(bare, "--dry-run", TRUST, *bare.first.options)
    ended(again, 0)
    assert "deployed before" not in again.output


def test_a_dry_run_changes_nothing(fleet: Fleet, bare: Server) -> None:
    without_admin(bare)
    before, files = bare.footprint(), fleet.files()
    done = fleet.onboard(bare, "--dry-run", TRUST, *bare.first.options)
    ended(
        done,
        0,
        "would have made the account torchrack",
        "would write bare into lab_hosts",
        "would lock bare",
    )
    assert bare.footprint() == before
    assert fleet.files() == files
    assert not fleet.reports.exists()


def test_a_server_joins(fleet: Fleet, bare: Server) -> None:
    without_admin(bare)
    done = fleet.onboard(bare, TRUST, "--until", "inventory", "--json", *bare.first.options)
    ended(done, 0)
    result = json.loads(done.stdout)
    (host,) = result["servers"]
    assert host["verdict"] == "stopped"
    assert bare.address in fleet.hosts_file.read_text()
    shadow = bare.root("grep ^torchrack: /etc/shadow")
    assert shadow.split(":")[1].startswith(("!", "*")), "no password opens the account"
    bare.root("visudo -c -q")
    again = fleet.onboard(bare, "--until", "inventory", "--json")
    ended(again, 0, "as torchrack, by key")
    (host,) = json.loads(again.stdout)["servers"]
    states = {step["name"]: step["state"] for step in host["steps"]}
    kept = ("host-key", "login", "admin", "inventory")
    assert [states[name] for name in kept] == ["already"] * len(kept)


def test_no_password_is_left_anywhere(fleet: Fleet, bare: Server) -> None:
    """Neither in an argument while the run goes on, nor in what it leaves behind."""
    account = bare.account("password")
    with watched_arguments(bare.lab, account.password) as seen:
        done = fleet.onboard(bare, TRUST, "--until", "lock", *account.by_password, "--json")
    ended(done, 0)
    assert seen.looks > 10
    assert seen.found == []
    assert account.password not in done.output
    ours = [fleet.folder, Path(fleet.environment["XDG_CACHE_HOME"])]
    assert holding(account.password, *ours) == []
    assert left_on(bare, account.password) == []


# Several at once


@pytest.fixture
def ten(bare_lab: Lab) -> Iterator[list[Server]]:
    first, *others = (f"ten{number:02}" for number in range(10))
    servers = [Server(bare_lab, first, "--gpus", "h200:2")]
    if others[0] not in bare_lab.state["hosts"]:
        bare_lab.lab("snapshot", "ten", first)
        bare_lab.lab("restore", "ten", *(f"{name}={first}" for name in others))
        bare_lab.lab("snapshots", "--forget", "ten")
    servers += [Server(bare_lab, name) for name in others]
    for server in servers:  # where a lab of one's own is used, they are there already
        without_admin(server)
    yield servers
    for server in servers:
        server.remove()


def test_ten_servers_at_once(fleet: Fleet, ten: list[Server], tmp_path: Path) -> None:
    """To the lock, where they share a deploy; an eleventh that can not go on stops none of them."""
    refused = f"Connection refused at {ten[0].address} port 2222"
    rows = {
        server.name: {
            "address": server.address,
            "user": server.first.user,
            "key": server.first.key_file,
            "host_key": server.fingerprint,
        }
        for server in ten
    }
    rows["shut"] = rows["ten00"] | {"port": 2222}
    table = tmp_path / "hosts.yml"
    table.write_text(json.dumps({"hosts": rows}))  # JSON is YAML
    options = ("--yes", "--json", "--until", "lock", "--report", fleet.reports)
    done = fleet.run(*fleet.command("--hosts", table, *options), check=False)
    ended(done, 1, refused)
    servers = json.loads(done.stdout)["servers"]
    names = [server.name for server in ten]
    assert {one["name"]: one["verdict"] for one in servers} == {
        **dict.fromkeys(names, "stopped"),
        "shut": "not_ready",
    }
    for one in servers[:10]:
        done_there = [step["name"] for step in one["steps"] if step["state"] == "done"]
        assert done_there == list(KILLED_BEFORE_THE_DEPLOY), one["name"]
    assert list(hosts_file.read(fleet.hosts_file)["lab_hosts"]) == names
    assert all(f"{server.address} " in fleet.pins.read_text() for server in ten)
    lock = lock_file.read(fleet.lock_file)
    assert lock is not None
    assert sorted(name for group in lock.groups for name in group.hosts) == names
    assert all("torchrack" in server.root("getent passwd torchrack") for server in ten)


# Killed


def test_killed_in_the_first_step_and_started_again(fleet: Fleet, bare: Server) -> None:
    """While it waits for a server's first word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address, port = silent.getsockname()
        named = ("--name", bare.name, "--address", address, "--port", str(port))
        run = fleet.start(*named, TRUST, "--yes", *bare.first.options)
        silent.settimeout(60)
        with silent.accept()[0]:
            run.kill()
    assert fleet.files() == {}
    ended(fleet.onboard(bare, TRUST, "--until", "login", *bare.first.options), 0)


def test_killed_in_each_step_and_started_again(fleet: Fleet, bare: Server) -> None:
    """Nothing is half-written, and the same command goes on."""
    without_admin(bare)
    asked = (*fleet.asked(bare), TRUST, "--until", "lock", *bare.first.options)
    for before in KILLED_BEFORE_THE_DEPLOY[:-1]:  # a step is told when it ends
        run = fleet.start(*asked)
        run.wait_for(bare.name, f"  {before} ")
        run.kill()
        for name, text in fleet.files().items():
            assert not text or text.endswith("\n"), f"{name} is whole"
        bare.root("visudo -c -q")
    ended(fleet.run(*fleet.command(*asked), check=False), 0)
    assert sorted(fleet.files()) == ["lab.hosts.yml", "lab.known_hosts", "lab.lock.yml"]


# A server that was prepared before it booted


def test_a_cloud_init_that_is_still_running(bare_lab: Lab, fleet: Fleet, tmp_path: Path) -> None:
    """The host key is known beforehand, the login is by key, and the run waits for cloud-init."""
    bare_lab.lab("remove", "cloudy", check=False)  # left by a run that was ended
    address = network.free_address(state.require(bare_lab.folder))
    data = tmp_path / "user-data"
    named = ("--name", "cloudy", "--address", address)
    printed = fleet.run(*fleet.command(*named, "--print-cloud-init", "--output", data))
    ended(printed, 0, "pinned. Once it has booted:")
    assert "PRIVATE KEY" not in printed.output
    assert data.stat().st_mode & 0o777 == 0o600
    server = Server(bare_lab, "cloudy", "--user-data", str(data), "--hold", "--gpus", "h200:1")
    try:
        assert server.address == address
        run = fleet.start(*fleet.asked(server), "--until", "inventory")
        run.wait_for("login", "waiting for cloud-init")
        bare_lab.lab("release", "cloudy")
        ended(run.done(), 0, "is the pinned one", "as torchrack, by key")
    finally:
        bare_lab.lab("remove", "cloudy")
