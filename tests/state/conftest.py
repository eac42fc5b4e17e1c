"""State tests: what a healthy host shows, on any fleet.

``pytest tests/state --inventory inventories/lab.py [--limit HOST,...]``. All probes of a host go
over in one command. A host that can't be reached fails once, in ``test_reachable``.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.state.ssh import write_ssh_config
from tests.state.target import Script, Target
from torchrack.errors import ProblemsError
from torchrack.lock.fleet import locked_fleet

_targets = pytest.StashKey[dict[str, Target]]()
_probes = pytest.StashKey[dict[str, Script]]()
_folder = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    inventory = config.getoption("--inventory")
    if not inventory:
        raise pytest.UsageError("tests/state needs --inventory FILE, the fleet to look at")
    names = set(filter(None, (config.getoption("--limit") or "").split(",")))
    try:
        hosts = locked_fleet(inventory, names)
    except ProblemsError as error:
        raise pytest.UsageError("\n".join(map(str, error.problems))) from None
    if unknown := names - {host.name for host in hosts}:
        raise pytest.UsageError(f"--limit: no host {', '.join(sorted(unknown))} in {inventory}")
    folder = Path(tempfile.mkdtemp(prefix="trk-"))
    ssh_config = write_ssh_config(hosts, folder)
    config.stash[_folder] = folder
    config.stash[_probes] = {}
    config.stash[_targets] = {
        host.name: Target(host, ssh_config, config.stash[_probes]) for host in hosts
    }


def pytest_unconfigure(config: pytest.Config) -> None:
    if _folder not in config.stash:
        return
    for name in config.stash[_targets]:
        subprocess.run(
            ["ssh", "-F", config.stash[_folder] / "ssh_config", "-O", "exit", name],
            capture_output=True,
            check=False,
        )
    shutil.rmtree(config.stash[_folder], ignore_errors=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    probes = metafunc.config.stash[_probes]
    for name, script in getattr(metafunc.module, "PROBES", {}).items():
        if probes.setdefault(name, script) is not script:
            raise pytest.UsageError(f"{metafunc.module.__name__}: a second probe named {name}")
    if "target" in metafunc.fixturenames:
        targets = metafunc.config.stash[_targets]
        metafunc.parametrize("target", targets.values(), ids=list(targets), scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave an unreachable host's other tests out: one red line names it, at once."""
    targets = config.stash[_targets]
    with ThreadPoolExecutor(max_workers=32) as pool:
        answers = pool.map(lambda target: target.ssh("true").rc, targets.values())
    dead = {name for name, rc in zip(targets, answers, strict=True) if rc != 0}
    left_out = [item for item in items if _host_of(item) in dead and not _asks_reachable(item)]
    items[:] = [item for item in items if item not in left_out]
    if left_out:
        config.hook.pytest_deselected(items=left_out)


def _host_of(item: pytest.Item) -> str | None:
    target = item.callspec.params.get("target") if hasattr(item, "callspec") else None
    return target.name if isinstance(target, Target) else None


def _asks_reachable(item: pytest.Item) -> bool:
    return getattr(item, "originalname", "") == "test_reachable"
