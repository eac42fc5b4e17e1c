"""The registry for real: docker-registry on a loopback port, with TLS of a lab's authority."""

import contextlib
import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from lab import ca, processes
from lab.errors import LabError
from lab.paths import REPOSITORY
from lab.registry import daemon, server
from lab.registry.push import push, writer
from lab.state import Lab


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def registry(lab: Lab, port: int) -> Iterator[str]:
    ca.ensure(lab)
    certificate, key = ca.issue(lab, "registry", "127.0.0.1")
    pid = server.start(lab.directory, "127.0.0.1", port, cert=certificate, key=key)
    processes.adopt(lab, "registry", pid)
    yield f"127.0.0.1:{port}"
    processes.stop(lab, "registry")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """An OCI layout of an image without layers."""
    blobs = tmp_path / "layout/blobs/sha256"
    blobs.mkdir(parents=True)
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
    described = _blob(blobs, "config", config)
    manifest = {"schemaVersion": 2, "config": described, "layers": []}
    index = {"schemaVersion": 2, "manifests": [_blob(blobs, "manifest", manifest)]}
    (tmp_path / "layout/index.json").write_text(json.dumps(index))
    (tmp_path / "layout/oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return tmp_path / "layout"


def _blob(folder: Path, kind: str, content: dict[str, object]) -> dict[str, object]:
    media_type = f"application/vnd.oci.image.{kind}.v1+json"
    data = json.dumps({"mediaType": media_type, **content}).encode()
    digest = hashlib.sha256(data).hexdigest()
    (folder / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _status(
    lab: Lab, url: str, login: str = "", *, method: str = "GET", trusted: bool = True
) -> int:
    """Return the status of the answer to a request with `login` (user:password), if any."""
    host, path = url.removeprefix("https://").split("/", 1)
    headers = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    if login:
        headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
    context = ssl.create_default_context(cafile=lab.ca_cert if trusted else None)
    connection = HTTPSConnection(host, timeout=10, context=context)
    try:
        connection.request(method, f"/{path}", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_only_the_account_may_pull_and_nobody_may_push(
    lab: Lab, registry: str, layout: Path
) -> None:
    login = f"{server.PULL_USER}:{server.pull_password_file(lab.directory).read_text().strip()}"
    image = push(lab.directory, registry, layout, "torchrack/thing:1")
    assert image.reference == f"{registry}/torchrack/thing:1"
    manifest = f"https://{registry}/v2/torchrack/thing/manifests/{image.digest}"
    assert _status(lab, manifest, login) == 200
    assert _status(lab, manifest) == 401
    assert _status(lab, manifest, f"{server.PULL_USER}:wrong") == 401
    upload = f"https://{registry}/v2/torchrack/thing/blobs/uploads/"
    assert _status(lab, upload, login, method="POST") == 405
    assert _status(lab, manifest, login, method="DELETE") == 405
    with pytest.raises(ssl.SSLCertVerificationError):
        _status(lab, manifest, login, trusted=False)


def test_secrets_are_private_and_stay(lab: Lab, port: int) -> None:
    ca.ensure(lab)
    certificate, key = ca.issue(lab, "registry", "127.0.0.1")
    seen = set()
    for _ in range(2):
        pid = server.start(lab.directory, "127.0.0.1", port, cert=certificate, key=key)
        processes.adopt(lab, "registry", pid)
        seen.add(server.pull_password_file(lab.directory).read_text())
        processes.stop(lab, "registry")
    assert len(seen) == 1
    home = lab.directory / "registry"
    for path in (server.pull_password_file(lab.directory), home / "htpasswd", home / "config.yml"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert not any(password.strip() in (home / "config.yml").read_text() for password in seen)


def test_a_port_in_use_is_named(lab: Lab, registry: str) -> None:
    other = lab.directory / "other"
    certificate, key = lab.ca_cert.with_name("registry.crt"), lab.ca_cert.with_name("registry.key")
    port = int(registry.rpartition(":")[2])
    with pytest.raises(LabError, match=rf"does not serve {registry}; `ss -ltnp` names"):
        server.start(other, "127.0.0.1", port, cert=certificate, key=key)


def test_a_missing_program_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(lab.directory))
    config = daemon.configuration(lab.directory, "127.0.0.1:1", lab.directory, read_only=True)
    with pytest.raises(LabError, match="docker-registry: no such program"):
        daemon.start(config, lab.directory / "config.yml", lab.directory / "log", outlive=False)


def test_a_writer_refuses_whoever_has_no_password(tmp_path: Path) -> None:
    with writer(tmp_path) as target:
        connection = HTTPConnection(target.address, timeout=10)
        connection.request("GET", "/v2/")
        assert connection.getresponse().status == 401
        connection.close()
        assert target.auth_file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConnectionRefusedError):
        HTTPConnection(target.address, timeout=10).connect()


def test_a_killed_push_leaves_no_writer(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lab.registry.push import writer\n"
        "with writer(Path(sys.argv[1])) as target:\n"
        "    print(target.address, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as pusher:
        assert pusher.stdout is not None
        address = pusher.stdout.readline().strip()
        connection = HTTPConnection(address, timeout=10)
        connection.connect()
        pusher.kill()
        # The kernel ends the writer, which closes the connection, orderly or with a reset.
        with contextlib.suppress(ConnectionResetError):
            assert connection.sock.recv(1) == b""
        connection.close()
