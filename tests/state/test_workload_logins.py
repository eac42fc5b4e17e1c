"""Jupyter and SSH of the workloads: who gets in, and who does not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.state import workload_probes as probes
from tests.state.target import Target
from tests.state.workload_probes import parts
from torchrack.settings import Workload
from torchrack.settings.workloads import SERVED
from torchrack.workloads.workload import TOKEN, directory

PROBES = {
    "workload_jupyter": probes.jupyter,
    "workload_token_modes": probes.token_modes,
    "workload_ssh": probes.inside,
}


def _of_kind(target: Target, kind: str) -> list[Workload]:
    return [w for w in target.settings.workloads.containers if w.kind == kind]


def _reached_at(workload: Workload) -> str:
    """Where on the host the workload's own service is published."""
    served = SERVED[workload.kind]
    port = next(port for port in workload.ports if port.container == served)
    address = "127.0.0.1" if port.address == "0.0.0.0" else port.address  # noqa: S104
    return f"{address}:{port.host}"


def _get_through_tunnel(target: Target, workload: Workload, token: SecretStr | None) -> str:
    """The status line of /api/status, asked from here through an SSH tunnel, as people do."""
    lines = ["GET /api/status HTTP/1.0", "Host: localhost"]
    lines += [f"Authorization: token {token.get_secret_value()}"] if token else []
    tunnel = ["ssh", "-F", str(target.ssh_config), "-W", _reached_at(workload), target.name]
    with subprocess.Popen(
        ["timeout", "15", *tunnel], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("\r\n".join([*lines, "", ""]).encode())
        process.stdin.flush()
        return process.stdout.read().decode(errors="replace").partition("\r\n")[0]


def _token(target: Target, workload: Workload) -> SecretStr:
    """Asked for by itself: what probes answer is shown when a test fails."""
    path = f"{directory(workload.name)}/{TOKEN}"
    return SecretStr(target.run(f"cat {path}").stdout.strip())


def _answers_inside(target: Target, workload: Workload) -> dict[str, int]:
    lines = parts(target, "workload_jupyter")[workload.name]
    assert lines, f"{workload.name}: no answer"
    assert lines[-1].startswith("{"), f"{workload.name}: {lines[-1]}"
    answers: dict[str, int] = json.loads(lines[-1])
    return answers


def test_jupyter_answers_with_the_token(target: Target) -> None:
    for workload in _of_kind(target, "jupyter"):
        assert _answers_inside(target, workload)["with"] == 200, workload.name
        status = _get_through_tunnel(target, workload, _token(target, workload))
        assert status.split()[1:2] == ["200"], f"{workload.name} through a tunnel: {status!r}"


def test_jupyter_refuses_without_the_token(target: Target) -> None:
    for workload in _of_kind(target, "jupyter"):
        answers = _answers_inside(target, workload)
        assert (answers["without"], answers["wrong"]) == (403, 403), f"{workload.name}: {answers}"
        for token in (None, SecretStr("0" * 64)):
            status = _get_through_tunnel(target, workload, token)
            assert status.split()[1:2] == ["403"], f"{workload.name} through a tunnel: {status!r}"


def test_tokens_are_private(target: Target) -> None:
    for workload in _of_kind(target, "jupyter"):
        found = parts(target, "workload_token_modes")[workload.name]
        assert found == [f"500 {workload.user}", f"400 {workload.user}"], workload.name


def _inside(target: Target, workload: Workload) -> dict[str, str]:
    lines = parts(target, "workload_ssh")[workload.name]
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _ssh(target: Target, workload: Workload, *arguments: str) -> list[str]:
    """An ssh command to the workload's sshd through the host, as people go in."""
    proxy = f"ssh -F {target.ssh_config} -W {_reached_at(workload)} {target.name}"
    options = ["ProxyCommand=" + proxy, "BatchMode=yes", "IdentityAgent=none", "ConnectTimeout=10"]
    flags = [word for option in options for word in ("-o", option)]
    user = _inside(target, workload)["user"]
    return ["ssh", "-F", "/dev/null", *flags, *arguments, f"{user}@{workload.name}"]


def _private_key(request: pytest.FixtureRequest, target: Target, workload: Workload) -> str:
    """A key that may log in: ``--workload-key``, or the fleet's if it is authorized."""
    given = request.config.getoption("--workload-key", default=None)
    key = given or target.fleet_host.data.get("ssh_key")
    assert key, "no private key: give --workload-key FILE"
    public = subprocess.run(
        ["ssh-keygen", "-y", "-f", key], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    authorized = [entry.split()[1] for entry in workload.authorized_keys]
    assert public in authorized, f"{key} may not log in to {workload.name}: give --workload-key"
    return str(key)


def test_ssh_login_by_key(target: Target, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    for workload in _of_kind(target, "ssh"):
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(f"{workload.name} {_inside(target, workload)['host_key']}\n")
        options = ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "StrictHostKeyChecking=yes"]
        options += ["-o", "IdentitiesOnly=yes", "-i", _private_key(request, target, workload)]
        done = subprocess.run(
            [*_ssh(target, workload, *options), "id -u"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        uid = workload.user.split(":")[0]
        assert done.stdout.strip() == uid, f"{workload.name}: {done.stdout}{done.stderr}"


def test_ssh_offers_keys_alone(target: Target, tmp_path: Path) -> None:
    for workload in _of_kind(target, "ssh"):
        options = ["-v", "-o", "PreferredAuthentications=none", "-o", "StrictHostKeyChecking=no"]
        options += ["-o", f"UserKnownHostsFile={tmp_path / 'any'}"]
        done = subprocess.run(
            [*_ssh(target, workload, *options), "true"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        offered = [
            line.rpartition(": ")[2]
            for line in done.stderr.splitlines()
            if "Authentications that can continue" in line
        ]
        assert done.returncode != 0, f"{workload.name} lets everybody in"
        assert offered == ["publickey"], f"{workload.name} offers {offered}: {done.stderr[-300:]}"
