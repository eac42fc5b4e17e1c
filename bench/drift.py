"""How fast a drift check is: ``python bench/drift.py`` beside a lab that is up and deployed.

Simulated hosts, on the addresses of the loopback net, answer as the lab's first host answered. The
floor is measured in the same run, in turn with the check. Prints a Markdown table: seconds, round
trips a host, CPU seconds and memory of the controller's process, CPU seconds of the hosts that are
played; medians, and the range of the seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.fleet import recording, sshd  # noqa: E402 - the repository is no package
from bench.fleet.cost import Cost, measure  # noqa: E402
from torchrack.inventory import FleetHost, load_fleet  # noqa: E402
from torchrack.lock.fleet import exact  # noqa: E402

BIN = Path(sys.executable).parent
INVENTORY = ROOT / "inventories" / "lab.py"
DEPLOY = ROOT / "deploy.py"
FLOOR = [sys.executable, ROOT / "bench" / "fleet" / "floor.py"]
_FLEET = """import runpy
from torchrack.inventory import check_fleet
from torchrack.settings import Preflight
(_, _data), *_rest = runpy.run_path({lab!r})["lab_hosts"]
_own = dict(ssh_user="root", ssh_key={key!r}, ssh_known_hosts_file={known!r})
_own["preflight"] = Preflight(max_clock_offset="1h")  # a recorded clock stands still
lab_hosts = [
    (name, {{**_data, **_own, "ssh_hostname": address, "ssh_port": {port}}})
    for name, address in {hosts!r}
]
check_fleet(__file__, globals())
"""


@dataclass(frozen=True)
class Fleet:
    """Simulated hosts: those that repeat answers, and the same ones with a plain shell."""

    folder: Path
    host: FleetHost
    replay: sshd.Served
    plain: sshd.Served


@dataclass
class Row:
    """What was measured for a row of the table, run by run."""

    what: str
    trips: int = 1
    costs: list[Cost] = field(default_factory=list)
    played: list[float] = field(default_factory=list)

    def text(self, at: str, floor: Row) -> str:
        """Return the row; the ratio is the median of those of neighbouring runs."""
        walls = [one.wall for one in self.costs]
        ratio = median(
            mine.wall / other.wall for mine, other in zip(self.costs, floor.costs, strict=False)
        )
        cells = (
            at,
            self.what,
            f"{median(walls):.1f} ({min(walls):.1f} to {max(walls):.1f})",
            f"{ratio:.2f}",
            self.trips,
            f"{median(one.cpu for one in self.costs):.1f}",
            f"{median(one.memory for one in self.costs):.0f}",
            f"{median(self.played):.1f}",
        )
        return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10,100,300")
    parser.add_argument("--delays", default="0,50", help="milliseconds there and back")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--no-bare", action="store_true", help="leave out the loop with the check's own script"
    )
    chosen = parser.parse_args()
    if not Path("/usr/sbin/sshd").exists():
        sys.exit("This machine has no sshd to play the hosts: install the package openssh-server")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended early"))  # so that sshd ends too
    sizes = [int(size) for size in chosen.sizes.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")  # no history beside the user's own
        host = exact(load_fleet(INVENTORY), INVENTORY)[0]
        sshd.prepare(folder)
        size = _answers(folder, host, max(sizes))
        print(f"{os.cpu_count()} CPUs play all hosts too; an answer has {size // 1024} KiB.\n")
        print("| hosts | delay | | seconds | x floor | trips | CPU s | MiB | hosts' CPU s |")
        print("|--:|--:|---|---|--:|--:|--:|--:|--:|", flush=True)
        with (
            sshd.served(folder, _free_port(), replay=True) as replay,
            sshd.served(folder, _free_port(), replay=False) as plain,
        ):
            for delay in map(int, chosen.delays.split(",")):
                for count in sizes:
                    with _delayed(Fleet(folder, host, replay, plain), delay) as fleet:
                        _measured(fleet, count, delay, chosen.runs, bare=not chosen.no_bare)


def _answers(folder: Path, host: FleetHost, count: int) -> int:
    """Write each simulated host's answers, and the script; return an answer's size in bytes."""
    answers, script = recording.record(host, DEPLOY)
    (folder / "script").write_text(script)
    for _, address in _hosts(count):
        own = folder / "answers" / address
        own.mkdir(parents=True)
        for name, answer in answers.items():
            (own / name).write_text(recording.varied(answer, address))
    return len(answers[recording.key(script)].encode())


def _hosts(count: int) -> list[tuple[str, str]]:
    return [(f"sim{n:03}", f"127.1.{n // 250}.{n % 250 + 1}") for n in range(count)]


@contextmanager
def _delayed(fleet: Fleet, delay: int) -> Iterator[Fleet]:
    """Put relays before both servers; without a delay there are none."""
    if not delay:
        yield fleet
        return
    with (
        sshd.relayed(fleet.replay, _free_port(), delay / 2000) as replay,
        sshd.relayed(fleet.plain, _free_port(), delay / 2000) as plain,
    ):
        yield Fleet(fleet.folder, fleet.host, replay, plain)


def _measured(fleet: Fleet, count: int, delay: int, runs: int, *, bare: bool) -> None:
    """Measure one size of fleet: all rows in turn, run by run, so that they share the weather."""
    inventory = _inventory(fleet, count)
    login = fleet.folder / "login"
    facts = [*FLOOR, fleet.plain.port, login, count]
    script = [*FLOOR, fleet.replay.port, login, count, fleet.folder / "script"]
    check = [BIN / "torchrack", "drift", inventory, "--deploy", DEPLOY, "--json"]
    floor, same = Row("floor: 40 facts"), Row("floor: the check's script and answer")
    first, later = Row("drift, nothing remembered"), Row("drift")
    measure([*check[:3], "--help"], {})  # what was never imported has to be compiled once
    for number in range(runs):
        cache = {"XDG_CACHE_HOME": str(inventory.parent / f"cache-{number}")}
        _add(floor, facts, fleet.plain)
        _add(first, check, fleet.replay, cache)
        _add(later, check, fleet.replay, cache)
        if bare:
            _add(same, script, fleet.replay)
    for row in (first, later):
        row.trips = _trips(row, count)
    load = os.getloadavg()[0]
    for row in (floor, *([same] if bare else []), first, later):
        print(row.text(f"{count} | {delay} ms", floor), flush=True)
    print(f"measured {count} hosts at {delay} ms with a load of {load:.0f}", file=sys.stderr)


def _add(
    row: Row, command: list[object], server: sshd.Served, environment: dict[str, str] | None = None
) -> None:
    before = server.cpu()
    row.costs.append(measure(command, environment or {}))
    row.played.append(server.cpu() - before)


def _trips(row: Row, count: int) -> int:
    """Return the most trips to a host; what is no check of all hosts ends the bench."""
    told = [json.loads(one.output) for one in row.costs]
    if any(one["verdict"] != "in_sync" or len(one["hosts"]) != count for one in told):
        raise SystemExit(f"{row.what}: not all {count} hosts were checked and found in sync")
    return max(host["round_trips"] for one in told for host in one["hosts"])


def _inventory(fleet: Fleet, count: int) -> Path:
    """Write an inventory of simulated hosts, with a lock that says of each what it says of one."""
    hosts, port = _hosts(count), fleet.replay.port
    path = fleet.folder / f"{count}-{port}" / INVENTORY.name  # its name says its group data
    path.parent.mkdir()
    known, login = path.with_suffix(".known_hosts"), str(fleet.folder / "login")
    pins = (f"[{at}]:{port} {sshd.host_key(fleet.folder, at)}" for _, at in hosts)
    known.write_text("".join(pins))
    path.write_text(
        _FLEET.format(lab=str(INVENTORY), key=login, known=str(known), port=port, hosts=hosts)
    )
    lock = yaml.safe_load(Path(fleet.host.data["_lock_file"]).read_text())
    (group,) = [one for one in lock["groups"] if fleet.host.name in one["hosts"]]
    lock["groups"] = [group | {"hosts": [name for name, _ in hosts]}]
    path.with_suffix(".lock.yml").write_text(yaml.safe_dump(lock, sort_keys=False))
    return path


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


if __name__ == "__main__":
    main()
