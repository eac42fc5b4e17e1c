"""What a server in use runs: asked in one read-only script, and read into plain values."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torchrack.docker.engine import PACKAGES as ENGINE
from torchrack.driver import Module, read_loaded
from torchrack.facts.clock import OtherClock
from torchrack.facts.driver import PATTERNS
from torchrack.facts.nvidia import NvidiaSmi, SmiAnswer
from torchrack.facts.packages import Package, Packages
from torchrack.facts.sshd import Effective, parse_effective
from torchrack.facts.upgrades import AptConfig, AptConfiguration
from torchrack.nvidia_smi import QUERY
from torchrack.operations.files import render
from torchrack.preflight.facts import HostFacts
from torchrack.remote import Session, unknown
from torchrack.sections import sections
from torchrack.toolkit import PACKAGES as TOOLKIT


@dataclass(frozen=True)
class Found:
    """What is on a host.

    Args:
        facts: what preflight asks of each host.
        user: the account that logged in.
        memory: of the machine, bytes.
        cpus: of the machine, count.
        module: the loaded NVIDIA module.
        gpus: nvidia-smi's answer.
        docker: ActiveState of docker.service, empty without it.
        daemon_json: content of the file; None without one.
        info: ``docker info``; empty where no engine answers.
        containers: ``docker container inspect`` of all.
        images: image id to ``docker image inspect``, of images that containers use.
        proxy: path of Docker's userland proxy, empty where it is not found.
        registry_cas: registry to the PEM text of its CA.
        registry_logins: registries that root has an account for.
        packages: driver, toolkit and engine, as dpkg knows them.
        sources: path to text of apt's sources.
        keyrings: path to content of the keyrings that they name.
        sshd: ``sshd -T`` for the account.
        groups: of the account.
        sudo: what sudo lets the account do, in sudo's words.
        sudoers: "file: rule" of all rules in /etc/sudoers.d.
        clock: the time service that is not systemd-timesyncd; empty without one.
        ntp: service to its servers.
        cas: file name without suffix to the PEM text of an extra CA.
        apt: what apt does by itself.
        persistence: whether nvidia-persistenced runs.
        deployed: whether Torchrack has been here.
    """

    facts: HostFacts
    user: str
    memory: int = 0
    cpus: int = 0
    module: Module | None = None
    gpus: SmiAnswer | None = None
    docker: str = ""
    daemon_json: str | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    containers: tuple[Mapping[str, Any], ...] = ()
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    proxy: str = ""
    registry_cas: Mapping[str, str] = field(default_factory=dict)
    registry_logins: tuple[str, ...] = ()
    packages: Mapping[str, Package] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    keyrings: Mapping[str, bytes] = field(default_factory=dict)
    sshd: Effective = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    sudo: str = ""
    sudoers: tuple[str, ...] = ()
    clock: str = ""
    ntp: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cas: Mapping[str, str] = field(default_factory=dict)
    apt: AptConfiguration = field(default_factory=lambda: AptConfiguration({}))
    persistence: bool = False
    deployed: bool = False

    @property
    def installed(self) -> dict[str, str]:
        """Fully installed packages with their versions."""
        return {name: p.version for name, p in self.packages.items() if p.installed}

    @property
    def swarm(self) -> str:
        """The state of a swarm that the engine is a node of; empty outside of swarms."""
        state = (self.info.get("Swarm") or {}).get("LocalNodeState") or ""
        return "" if state == "inactive" else str(state)


def find(session: Session, facts: HostFacts) -> Found:
    """Ask a host.

    Args:
        session: the host.
        facts: what preflight has asked of it.

    Raises:
        HostError: it did not say.
    """
    user = str(session.host.data["ssh_user"])
    answer = session.run(script(user), seconds=240)
    try:
        return parse(answer.out, facts, user)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        found = f"an answer that makes no sense ({error})"
        raise unknown(session.host, found, "look at the host") from error


def script(user: str) -> str:
    """Return the script for an account."""
    return render(
        "adopt/look.sh.j2",
        user=shlex.quote(user),
        gpu_query=QUERY,
        packages=Packages().command([*PATTERNS, *ENGINE, *TOOLKIT]),
        clock=OtherClock().command(),
        apt_config=AptConfig().command(),
    )


def parse(lines: Iterable[str], facts: HostFacts, user: str) -> Found:
    """Read the script's answer.

    Raises:
        ValueError: it is cut off, or no such answer.
    """
    parts = sections(lines)
    if "end" not in parts:
        raise ValueError("it is cut off")
    machine = dict(line.split(" ", 1) for line in parts["machine"])
    files = _encoded(parts["daemon-json"])
    clock = parts["clock"]
    return Found(
        facts=facts,
        user=user,
        memory=int(machine["memory"]) * 1024,
        cpus=int(machine["cpus"]),
        module=read_loaded("".join(parts["module"][:1])),
        gpus=NvidiaSmi().process(parts["gpus"]),
        docker="".join(parts["docker"][:1]),
        daemon_json=next(iter(files.values()), None),
        info=json.loads(parts["info"][0]) if parts.get("info") else {},
        containers=tuple(json.loads(line) for line in parts.get("containers", ())),
        images={one["Id"]: one for one in map(json.loads, parts.get("images", ()))},
        proxy="".join(parts["proxy"][:1]),
        registry_cas={
            path.split("/")[-2]: text for path, text in _encoded(parts["registry-cas"]).items()
        },
        registry_logins=tuple(parts["registry-logins"]),
        packages=Packages().process(parts["packages"]),
        sources=_encoded(parts["sources"]),
        keyrings=_binary(parts["keyrings"]),
        sshd=parse_effective(parts["sshd"]),
        groups=tuple(" ".join(parts["groups"]).split()),
        sudo="\n".join(parts["sudo"]),
        sudoers=tuple(parts["sudoers"]),
        clock=OtherClock().process(clock) if clock else "",
        ntp=_servers(parts["ntp"]),
        cas={
            path.rpartition("/")[2].removesuffix(".crt"): text
            for path, text in _encoded(parts["cas"]).items()
        },
        apt=AptConfig().process(parts["apt"]),
        persistence=parts["persistence"] == ["active"],
        deployed=bool(parts["ours"]),
    )


def _encoded(lines: Iterable[str]) -> dict[str, str]:
    return {path: data.decode("utf-8", "replace") for path, data in _binary(lines).items()}


def _binary(lines: Iterable[str]) -> dict[str, bytes]:
    pairs = (line.rpartition(" ") for line in lines)
    return {path: base64.b64decode(text) for path, _, text in pairs}


def _servers(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        service, *servers = line.split()
        found[service] = (*found.get(service, ()), *servers)
    return found
