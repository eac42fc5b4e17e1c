"""What stages and operations see of pyinfra while they are only looked at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from torchrack.inventory import FleetHost


class HostStandIn:
    """A host of the check: its name and data; what it would say or run goes nowhere."""

    def __init__(self, host: FleetHost, state: StateStandIn) -> None:
        self.name = host.name
        self.data = SimpleNamespace(get=host.data.get, dict=lambda: host.data, **host.data)
        self.state = state
        self.print_prefix = f"[{host.name}] "

    def noop(self, _description: str) -> None:
        """Nothing is to be done."""

    def log(self, _message: str) -> None:
        """Nothing is shown while a fleet is checked."""


class StateStandIn:
    """The check in the place of a run: nothing is executed, nothing was changed before."""

    is_executing = True  # operations that show their plans before a run have no reader here

    def __init__(self, fleet: list[FleetHost], deploy_file: Path) -> None:
        self.config = SimpleNamespace(DIFF=True)  # what a file differs in is worth a round trip
        self.ops: Mapping[Any, dict[str, Any]] = defaultdict(dict)
        self.failed_hosts: frozenset[HostStandIn] = frozenset()
        self.cwd = str(deploy_file.resolve().parent)
        self.current_deploy_filename = deploy_file.name
        self.hosts = {host.name: HostStandIn(host, self) for host in fleet}
        self.inventory = SimpleNamespace(get_host=self.hosts.__getitem__)
