"""Root's Docker client talks to another engine, or is not what we expect.

Whoever tried rootless Docker or Docker Desktop as root has "currentContext" in
/root/.docker/config.json; others set DOCKER_HOST in /etc/environment, for sudo, or for all services
by systemd's DefaultEnvironment=. Preflight took our own ports for somebody else's, drift knew
nothing any more, and workloads did not start after the next boot.

Reference: https://github.com/dave-lang/webmin-docker/issues/11
Kind: the client's own configuration decides which engine we talk to.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.harness import BIN, INVENTORY, Lab
from tests.state.target import Answer, Target
from torchrack.docker.client import CONFIG, ENGINE, SOCKET
from torchrack.facts.containers import Workloads
from torchrack.facts.images import Images, UsedImages
from torchrack.facts.stamp import InstalledVersions
from torchrack.offboard import run as offboard_run
from torchrack.offboard import scripts as offboard_scripts
from torchrack.offboard.model import Presence
from torchrack.workloads import commands

ROOT = Path(__file__).parents[2]
CALL = re.compile(
    r"(?<![\w./-])docker (-\S+ (\S+ )?)?(container|context|cp|create|exec|image|images|info"
    r"|inspect|kill|load|login|logs|network|pause|ps|pull|push|rename|restart|rm|rmi|run|save"
    r"|start|stats|stop|system|tag|top|unpause|update|version|volume|wait)\b"
)
"""A call of the client in a script, or in the words of an advice."""
HEADED = {"docker.sh.j2", "drain.sh.j2", "files.sh.j2", "packages.sh.j2", "rest.sh.j2"}
"""Steps of offboarding, which follow head.sh."""
BEHIND = {"torchrack/offboard/scripts.py", "torchrack/facts/volumes.py"}
"""Modules whose shell is a part of scripts that have named it."""


def _scripts() -> Iterator[Path]:
    for path in sorted((ROOT / "files").rglob("*")):
        if path.is_file() and path.parts[-2] not in ("fleet", "controller"):
            yield path


def _strings(path: Path) -> Iterator[str]:
    """The texts of a module that are no docstrings; the parts of an f-string one by one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def test_every_script_names_the_engine_before_it_calls_docker() -> None:
    wrong = []
    for path in _scripts():
        text = re.sub(r"(?s)\{#.*?#\}|^ *#[^\n]*", "", path.read_text(), flags=re.M)
        call = CALL.search(text)
        if call is None or path.name in HEADED:
            continue
        named = min((text.find(one) for one in (ENGINE, "{{ engine }}") if one in text), default=-1)
        if not 0 <= named < call.start():
            wrong.append(str(path.relative_to(ROOT)))
    assert not wrong, f"put torchrack.docker.client.ENGINE before docker in {wrong}"


@pytest.mark.parametrize("folder", ["torchrack", "tasks"])
def test_no_module_calls_docker_without_naming_the_engine(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {text.strip()[:60]}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in BEHIND
        for text in _strings(path)
        if CALL.search(text) and not _named(path)
    ]
    assert not wrong, "use ENGINE or BY_HAND of torchrack.docker.client"


def _named(path: Path) -> bool:
    """Whether a module that calls Docker knows what to put before that; see its scripts below."""
    return bool(
        re.search(r"^from torchrack\.docker\.client import .*\bENGINE\b", path.read_text(), re.M)
    )


@pytest.mark.parametrize(
    "script",
    [
        Workloads().command(
            ["notebook"], ["home"], ["image@sha256:0"], ["/srv/data"], ["/srv/data"]
        ),
        Images().command(),
        UsedImages().command(),
        InstalledVersions().command(),
        offboard_run._BUSY,
        commands.make_network("notebook"),
        commands.make_volume("home", "notebook", "1000:1000"),
        commands.remove_container("0"),
        commands.update_limits("notebook", ["--pids-limit", "9"]),
        commands.update_limits("notebook", ["--memory", "9"]),
        commands.remove_workload("notebook", ["0"], network=True, unit=False),
        offboard_scripts.containers_step(Presence(), ["notebook"], ["home"]).script,
        offboard_scripts.containers_step(Presence(), [], ["home"]).script,
    ],
)
def test_what_python_sends_names_it_first(script: str) -> None:
    call = CALL.search(script)
    assert call
    assert 0 <= script.find(ENGINE) < call.start()


def test_nothing_of_the_environment_is_left(tmp_path: Path) -> None:
    """DOCKER_TLS_VERIFY wants certificates of root's, DOCKER_API_VERSION another API, and so on."""
    theirs = {
        "DOCKER_HOST": "tcp://192.0.2.9:2376",
        "DOCKER_CONTEXT": "rootless",
        "DOCKER_CONFIG": "/home/ann/.docker",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": "/home/ann/certs",
        "DOCKER_API_VERSION": "1.24",
        "DOCKER_CONTENT_TRUST": "1",
        "DOCKER_DEFAULT_PLATFORM": "linux/arm64",
        "DOCKER_CUSTOM_HEADERS": "X-A=b\nDOCKER_X=c",
        "DOCKER_AUTH_CONFIG": '{"auths": {}}',
    }
    for environment in (theirs, {}):
        done = subprocess.run(
            ["sh", "-c", f"set -eu\n{ENGINE}\nenv | grep ^DOCKER_ | sort"],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == [f"DOCKER_CONFIG={CONFIG}", f"DOCKER_HOST={SOCKET}"]
        assert not done.stderr


def test_the_state_tests_name_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Onboarding runs them; each script of theirs goes through one place."""
    sent: list[str] = []
    monkeypatch.setattr(
        Target, "ssh", lambda self, *_, stdin: sent.append(stdin) or Answer(0, "", "")
    )
    Target(fleet_host=None, ssh_config=tmp_path, probes={}).run("docker ps")  # type: ignore[arg-type]
    assert sent == [f"{ENGINE}\ndocker ps"]


# What root has made of the client: a context of rootless Docker, one that is gone, no JSON at all,
# and an engine for all services.
MESS = """set -e
mkdir -p /root/.docker /etc/systemd/system.conf.d
[ ! -e /root/.docker ] || cp -a /root/.docker /root/.docker.kept
docker context create rootless --docker host=unix:///run/user/1000/docker.sock >/dev/null
cd /root/.docker
printf %s '{"currentContext": "gone", "credsStore": "none", "cliPluginsExtraDirs": ["/nowhere"],
  "proxies": {"default": {"httpProxy": "http://proxy.example.org:3128"}}' > config.json
printf '[Manager]\\nDefaultEnvironment=DOCKER_CONTEXT=rootless DOCKER_TLS_VERIFY=1\\n' \\
    > /etc/systemd/system.conf.d/docker.conf
echo 'DOCKER_HOST=tcp://127.0.0.1:9' >> /etc/environment
systemctl daemon-reload
"""
CLEAN = """rm -rf /root/.docker /etc/systemd/system.conf.d/docker.conf
rmdir --ignore-fail-on-non-empty /etc/systemd/system.conf.d
[ ! -e /root/.docker.kept ] || mv /root/.docker.kept /root/.docker
sed -i '/^DOCKER_HOST=tcp:..127.0.0.1:9$/d' /etc/environment
systemctl daemon-reload
"""


def test_a_server_with_such_a_client_works_as_before(lab: Lab) -> None:
    look = "sha256sum /root/.docker/config.json"
    try:
        before = lab.ssh("gpu01", f"{MESS}\n{look}\nsystemctl restart torchrack-shell").stdout
        done = lab.run(
            BIN / "torchrack", "drift", "check", INVENTORY, "--host", "gpu01", check=False
        )
        assert done.rc == 0, done.stdout
        show = f"docker -H {SOCKET} inspect -f '{{{{.Config.Env}}}}' shell 2>/dev/null"
        after = lab.ssh("gpu01", f"{look}\n{show}").stdout
        assert after.startswith(before)
        assert "proxy.example.org" not in after
    finally:
        lab.ssh("gpu01", CLEAN)
