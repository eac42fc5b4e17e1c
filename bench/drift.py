"""How fast a drift check is: ``python bench/drift.py`` beside a lab that is up and deployed.

Simulated hosts, on the addresses of the loopback net, answer as the lab's first host answered. The
floor is measured in the same run. Prints a Markdown table: seconds, round trips a host, CPU seconds
and memory of the controller's process; the median of several runs.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.fleet import recording, sshd  # noqa: E402 - the repository is no package
from torchrack.inventory import FleetHost, load_fleet  # noqa: E402
from torchrack.lock.fleet import exact  # noqa: E402

BIN = Path(sys.executable).parent
INVENTORY = ROOT / "inventories" / "lab.py"
DEPLOY = ROOT / "deploy.py"
_FLEET = """import runpy
from torchrack.inventory import check_fleet
(_, _data), *_rest = runpy.run_path({lab!r})["lab_hosts"]
_own = dict(ssh_user="root", ssh_key={key!r}, ssh_known_hosts_file={known!r})
lab_hosts = [
    (name, {{**_data, **_own, "ssh_hostname": address, "ssh_port": {port}}})
    for name, address in {hosts!r}
]
check_fleet(__file__, globals())
"""


@dataclass(frozen=True)
class Cost:
    """What a process cost: seconds, CPU seconds, MiB of memory; and what it printed."""

    wall: float
    cpu: float
    memory: float
    output: str


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10,100,300")
    parser.add_argument("--delays", default="0,50", help="milliseconds there and back")
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    if not Path("/usr/sbin/sshd").exists():
        sys.exit("This machine has no sshd to play the hosts: install the package openssh-server")
    host = exact(load_fleet(INVENTORY), INVENTORY)[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sshd.prepare(folder)
        size = recording.record(host, DEPLOY, folder / "answers")
        print(f"{os.cpu_count()} CPUs play all hosts too; an answer has {size // 1024} KiB.\n")
        print("| hosts | delay | | seconds | round trips | CPU s | MiB | x floor |")
        print("|--:|--:|---|--:|--:|--:|--:|--:|", flush=True)
        with (
            sshd.served(folder, port := _free_port(), replay=True),
            sshd.served(folder, plain := _free_port(), replay=False),
        ):
            for delay in map(int, chosen.delays.split(",")):
                for count in map(int, chosen.sizes.split(",")):
                    _row(folder, host, (port, plain), (count, delay, chosen.runs))


def _row(
    folder: Path, host: FleetHost, ports: tuple[int, int], wanted: tuple[int, int, int]
) -> None:
    delay = wanted[1]
    if delay:
        late = [_free_port(), _free_port()]
        with (
            sshd.relay(late[0], ports[0], delay / 2000),
            sshd.relay(late[1], ports[1], delay / 2000),
        ):
            _measured(folder, host, (late[0], late[1]), wanted)
    else:
        _measured(folder, host, ports, wanted)


def _measured(
    folder: Path, host: FleetHost, ports: tuple[int, int], wanted: tuple[int, int, int]
) -> None:
    count, delay, runs = wanted
    at = f"{count} | {delay} ms"
    inventory = _inventory(folder, host, ports[0], count)
    floor_command = [sys.executable, ROOT / "bench/fleet/floor.py", ports[1], folder / "login"]
    check = [BIN / "torchrack", "drift", inventory, "--deploy", DEPLOY, "--json"]
    floors = [_cost([*floor_command, count]) for _ in range(runs)]
    floor = statistics.median(one.wall for one in floors)
    _print(at, "floor", floors, 1, floor)
    firsts = []
    for number in range(runs):
        os.environ["XDG_CACHE_HOME"] = str(folder / f"cache-{count}-{delay}-{number}")
        firsts.append(_cost(check))
    _print(at, "first check", firsts, _trips(firsts[0]), floor)
    later = [_cost(check) for _ in range(runs)]
    _print(at, "later checks", later, _trips(later[0]), floor)


def _inventory(folder: Path, host: FleetHost, port: int, count: int) -> Path:
    """Write an inventory of simulated hosts, with a lock that says of each what it says of one."""
    hosts = [(f"sim{n:03}", f"127.1.{n // 250}.{n % 250 + 1}") for n in range(count)]
    path = folder / f"{count}-{port}" / INVENTORY.name  # its name says which group data it has
    path.parent.mkdir()
    known = path.with_suffix(".known_hosts")
    key = (folder / "host_key.pub").read_text()
    known.write_text("".join(f"[{address}]:{port} {key}" for _, address in hosts))
    path.write_text(
        _FLEET.format(
            lab=str(INVENTORY), key=str(folder / "login"), known=str(known), port=port, hosts=hosts
        )
    )
    lock = yaml.safe_load(Path(host.data["_lock_file"]).read_text())
    (group,) = [one for one in lock["groups"] if host.name in one["hosts"]]
    lock["groups"] = [group | {"hosts": [name for name, _ in hosts]}]
    path.with_suffix(".lock.yml").write_text(yaml.safe_dump(lock, sort_keys=False))
    return path


def _cost(command: list[object]) -> Cost:
    """Run a program to its end; one that fails ends the bench."""
    with tempfile.TemporaryFile("w+") as output:
        begun = os.times().elapsed
        process = subprocess.Popen(list(map(str, command)), stdout=output, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = os.times().elapsed - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {process.returncode}:\n{text[-3000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def _trips(cost: Cost) -> int:
    return max(host["round_trips"] for host in json.loads(cost.output)["hosts"])


def _print(at: str, what: str, costs: list[Cost], trips: int, floor: float) -> None:
    wall, cpu, memory = (
        statistics.median(getattr(one, name) for one in costs) for name in ("wall", "cpu", "memory")
    )
    cells = (at, what, f"{wall:.1f}", trips, f"{cpu:.1f}", f"{memory:.0f}")
    print("| " + " | ".join(map(str, (*cells, f"{wall / floor:.2f}"))) + " |", flush=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


if __name__ == "__main__":
    main()
