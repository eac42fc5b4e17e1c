"""Reading images from registries over TLS: a real docker-registry, and one that misbehaves.

The misbehaving one's manifests are written by hand after the OCI image-spec.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import ca, processes
from lab.registry import server
from lab.registry.push import push
from lab.state import Lab
from tests.unit.fake_registry import OCI, Fake, Reply, digest, serve
from torchrack.images.facts import image_facts
from torchrack.images.registry_client import RegistryClient, RegistryImage, image_name
from torchrack.images.registry_http import RegistryError
from torchrack.settings.images import Registry
from torchrack.settings.secret import file

WORD = "correct-horse-battery"
BASIC = "Basic " + b64encode(f"puller:{WORD}".encode()).decode()
CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Labels": {"io.torchrack.torch": "2.13.0"}, "Env": ["CUDA_VERSION=12.8.1"]},
}


@pytest.fixture
def fake(lab: Lab) -> Iterator[Fake]:
    ca.ensure(lab)
    with serve(*ca.issue(lab, "fake", "127.0.0.1")) as started:
        yield started


@pytest.fixture
def account(lab: Lab, fake: Fake) -> Registry:
    secret = lab.directory / "password"
    secret.write_text(WORD + "\n")
    secret.chmod(0o600)
    return Registry(
        address=fake.address,
        ca_file=str(lab.ca_cert),
        username="puller",
        password=file(str(secret)),
    )


@pytest.fixture
def open_(lab: Lab, fake: Fake) -> Registry:
    return Registry(address=fake.address, ca_file=str(lab.ca_cert))


def _read(registry: Registry, name: str, seconds: float = 10) -> RegistryImage:
    client = RegistryClient(registry, seconds=seconds)
    return client.read(image_name(f"{registry.address}/{name}"), "amd64")


def _refusal(registry: Registry, name: str = "ml/torch:1", seconds: float = 10) -> str:
    with pytest.raises(RegistryError) as raised:
        _read(registry, name, seconds)
    text = str(raised.value)
    problem = raised.value.problem
    assert all((problem.what, problem.found, problem.needed, problem.fix))
    for secret in (WORD, BASIC.split()[1], "t0ken", "s3cret"):
        assert secret not in text
    assert raised.value.__cause__ is None
    return text


def _layout(tmp_path: Path) -> Path:
    blobs = tmp_path / "layout/blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(kind: str, content: dict[str, object]) -> dict[str, object]:
        data = json.dumps(content).encode()
        (blobs / hashlib.sha256(data).hexdigest()).write_bytes(data)
        return {"mediaType": f"{OCI}.{kind}.v1+json", "digest": digest(data), "size": len(data)}

    config = blob("config", {**CONFIG, "rootfs": {"type": "layers", "diff_ids": []}})
    kind = f"{OCI}.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []}
    index = {"schemaVersion": 2, "manifests": [blob("manifest", manifest)]}
    (tmp_path / "layout/index.json").write_text(json.dumps(index))
    (tmp_path / "layout/oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return tmp_path / "layout"


def test_a_real_registry(lab: Lab, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    ca.ensure(lab)
    certificate, key = ca.issue(lab, "registry", "127.0.0.1")
    pid = server.start(lab.directory, "127.0.0.1", port, cert=certificate, key=key)
    processes.adopt(lab, "registry", pid)
    try:
        pushed = push(lab.directory, f"127.0.0.1:{port}", _layout(tmp_path), "ml/torch:1")
        registry = Registry(
            address=f"127.0.0.1:{port}",
            ca_file=str(lab.ca_cert),
            username=server.PULL_USER,
            password=file(str(server.pull_password_file(lab.directory))),
        )
        image = _read(registry, "ml/torch:1")
        assert (image.digest, image.manifest_digest) == (pushed.digest, pushed.digest)
        facts = image_facts(image.config, image.digest)
        assert (facts.torch, facts.cuda) == ("2.13.0", "12.8.1")
        assert _read(registry, f"ml/torch@{pushed.digest}").digest == pushed.digest
        assert "status 404 (MANIFEST_UNKNOWN)" in _refusal(registry, "ml/torch:2")
        wrong = lab.directory / "wrong"
        wrong.write_text("s3cret\n")
        wrong.chmod(0o600)
        other = registry.model_copy(update={"password": file(str(wrong))})
        assert "a refusal of the account 'puller'" in _refusal(other)
        nobody = registry.model_copy(update={"username": None, "password": None})
        assert "a refusal without an account" in _refusal(nobody)
        stranger = registry.model_copy(update={"ca_file": None})
        assert "that is not trusted" in _refusal(stranger)
    finally:
        processes.stop(lab, "registry")


@pytest.mark.parametrize("docker", [False, True])
def test_an_index_leads_to_the_platform(fake: Fake, open_: Registry, docker: bool) -> None:
    own = fake.image("ml/torch", "own", CONFIG, docker)
    entries = [
        {"digest": f"sha256:{'b' * 64}", "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": own, "platform": {"os": "linux", "architecture": "amd64"}},
    ]
    kind = (
        "application/vnd.docker.distribution.manifest.list.v2+json"
        if docker
        else f"{OCI}.index.v1+json"
    )
    index = fake.manifest("ml/torch", "1", {"mediaType": kind, "manifests": entries})
    image = _read(open_, "ml/torch:1")
    assert (image.digest, image.manifest_digest) == (index, own)
    fake.manifest("ml/torch", "1", {"mediaType": kind, "manifests": entries[:1]})
    assert "found an image for linux/arm64, needed linux/amd64" in _refusal(open_)


def _tokens(fake: Fake, path: str) -> None:
    """Let a manifest want a token, as Docker Hub, nvcr.io and quay.io do."""
    challenge = f'Bearer realm="https://{fake.address}/token",service="reg",scope="x"'
    there = fake.answers[path]
    assert isinstance(there, Reply)
    refused = Reply(401, headers={"WWW-Authenticate": challenge})
    fake.answers[path] = lambda sent: (
        there if sent.get("authorization") == "Bearer t0ken" else refused
    )


ASKED = "/token?service=reg&scope=repository%3Aml%2Ftorch%3Apull"


def test_a_token_is_fetched_with_the_account_and_used(fake: Fake, account: Registry) -> None:
    fake.image("ml/torch", "1", CONFIG)
    _tokens(fake, "/v2/ml/torch/manifests/1")
    fake.answers[ASKED] = Reply(body=b'{"token": "t0ken"}')
    _read(account, "ml/torch:1")
    assert fake.seen[1] == (ASKED, BASIC)
    assert [login for path, login in fake.seen if path != ASKED] == [
        None,
        "Bearer t0ken",
        "Bearer t0ken",
    ]


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (Reply(401), "a refusal of the account 'puller'"),
        (Reply(body=b"s3cret"), "without a usable token"),
        (Reply(body=b'{"token": "s3cret\\r\\nX: y"}'), "without a usable token"),
        (Reply(500, b"s3cret"), "status 500 without a usable token"),
    ],
)
def test_no_token(fake: Fake, account: Registry, reply: Reply, found: str) -> None:
    fake.image("ml/torch", "1", CONFIG)
    _tokens(fake, "/v2/ml/torch/manifests/1")
    fake.answers[ASKED] = reply
    assert found in _refusal(account)


def test_a_login_stays_with_its_host(lab: Lab, fake: Fake, account: Registry) -> None:
    fake.image("ml/torch", "1", CONFIG)
    path = next(path for path in fake.answers if "/blobs/" in path)
    blob = fake.answers[path]
    manifest = fake.answers["/v2/ml/torch/manifests/1"]
    assert isinstance(manifest, Reply)
    wants = Reply(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
    fake.answers["/v2/ml/torch/manifests/1"] = lambda sent: (
        manifest if sent.get("authorization") == BASIC else wants
    )
    with serve(*ca.issue(lab, "fake", "127.0.0.1")) as store:
        store.answers["/blob?signature=s3cret"] = blob
        to = f"https://{store.address}/blob?signature=s3cret"
        fake.answers[path] = Reply(307, headers={"Location": to})
        assert _read(account, "ml/torch:1").config == CONFIG
        assert (path, BASIC) in fake.seen
        assert store.seen == [("/blob?signature=s3cret", None)]


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("http://127.0.0.1/x", "no plain https URL"),
        ("https://user:s3cret@127.0.0.1/x", "no plain https URL"),
        ("https://[/x", "no plain https URL"),
        ("/v2/ml/torch/manifests/1", "more than 5 redirects"),
    ],
)
def test_redirects_have_bounds(fake: Fake, open_: Registry, location: str, found: str) -> None:
    fake.answers["/v2/ml/torch/manifests/1"] = Reply(302, headers={"Location": location})
    assert found in _refusal(open_)


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (Reply(body=b"<html>"), "no JSON object"),
        (Reply(body=b"[" * 200_000), "no JSON object"),
        (Reply(body=b'{"schemaVersion": 1}'), "the media type"),
        (Reply(body=b"x" * (4 * 1024 * 1024 + 1)), "more than 4194304 bytes"),
        (Reply(body=b"{}", headers={"Docker-Content-Digest": f"sha256:{'0' * 64}"}), "the digest"),
        (Reply(body=b"{}", headers={"Content-Length": "9", "Connection": "close"}), "cut off"),
        (Reply(429), "status 429"),
        (Reply(503, b"s3cret"), "status 503,"),
        (Reply(401), "neither Basic nor Bearer"),
    ],
)
def test_what_is_no_image_is_refused(fake: Fake, open_: Registry, reply: Reply, found: str) -> None:
    fake.answers["/v2/ml/torch/manifests/1"] = reply
    assert found in _refusal(open_)


def test_another_configuration_than_the_manifests_is_refused(fake: Fake, open_: Registry) -> None:
    fake.image("ml/torch", "1", CONFIG)
    path = next(path for path in fake.answers if "/blobs/" in path)
    fake.answers[path] = Reply(body=b'{"os": "linux"}')
    assert "content with the digest" in _refusal(open_)


def test_another_manifest_than_the_digest_asked_for_is_refused(fake: Fake, open_: Registry) -> None:
    fake.image("ml/torch", "1", CONFIG)
    wanted = f"sha256:{'c' * 64}"
    fake.answers[f"/v2/ml/torch/manifests/{wanted}"] = fake.answers["/v2/ml/torch/manifests/1"]
    assert "content with the digest" in _refusal(open_, f"ml/torch@{wanted}")


def test_a_silent_registry_ends_in_time(fake: Fake, open_: Registry) -> None:
    never = threading.Event()
    fake.answers["/v2/ml/torch/manifests/1"] = Reply(body=b"{}", then=lambda: never.wait(10))
    try:
        assert "no complete answer" in _refusal(open_, seconds=0.3)
    finally:
        never.set()


def test_a_trickle_ends_in_time(fake: Fake, open_: Registry) -> None:
    done = threading.Event()
    fake.answers["/v2/ml/torch/manifests/1"] = trickle = Reply(headers={"Content-Length": "999"})
    trickle.drip = done
    try:
        assert "no complete answer" in _refusal(open_, seconds=0.5)
    finally:
        done.set()


def test_an_expired_token_is_fetched_anew_and_a_refused_one_ends(
    fake: Fake, account: Registry
) -> None:
    fake.image("ml/torch", "1", CONFIG)
    _tokens(fake, "/v2/ml/torch/manifests/1")
    fake.answers[ASKED] = Reply(body=b'{"access_token": "t0ken"}')
    client = RegistryClient(account, seconds=10)
    name = image_name(f"{account.address}/ml/torch:1")
    client.read(name, "amd64")
    challenge = f'Bearer realm="https://{fake.address}/token",service="reg"'
    fake.answers["/v2/ml/torch/manifests/1"] = Reply(401, headers={"WWW-Authenticate": challenge})
    fake.seen.clear()
    with pytest.raises(RegistryError, match="a refusal of the account"):
        client.read(name, "amd64")
    assert [path for path, _ in fake.seen].count(ASKED) == 1


def test_nobody_there_and_a_bad_ca_file(fake: Fake, open_: Registry, tmp_path: Path) -> None:
    gone = open_.model_copy(update={"address": "127.0.0.1:1"})
    assert "no connection to 127.0.0.1:1 (Connection refused)" in _refusal(gone)
    bad = tmp_path / "ca.pem"
    bad.write_text("no PEM")
    assert f"CA file {bad}" in _refusal(open_.model_copy(update={"ca_file": str(bad)}))
    missing = open_.model_copy(update={"ca_file": str(tmp_path / "missing")})
    assert "No such file" in _refusal(missing)


def test_names() -> None:
    hub = image_name("docker.io/python:3.13")
    assert (hub.repository, hub.tag) == ("library/python", "3.13")
    assert image_name("quay.io/jupyter/pytorch-notebook").tag == "latest"
    assert image_name(f"nvcr.io/nvidia/pytorch@sha256:{'a' * 64}").tag is None
    with pytest.raises(RegistryError, match="Image reference"):
        image_name("pytorch")
