"""Images: what is pulled, tagged and removed, and what a failure means."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.unit.plan import Plan
from torchrack.errors import TorchrackError
from torchrack.facts.files import FileState
from torchrack.facts.images import AccessState, Images, ImageStore, UsedImages
from torchrack.images.policy import missing, prunable, reference, removals, tags
from torchrack.images.pull_failure import explain
from torchrack.images.registry_access import ca_paths, client_config
from torchrack.operations import images
from torchrack.settings import Registry, env, file

A, B, C = ("sha256:" + letter * 64 for letter in "abc")
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
TOOLS = "reg.example.com:5000/team/tools"
# docker image ls --no-trunc --digests, as Docker 26.1 prints it with this format.
OUTPUT = [
    f"{ONE}\t{TOOLS}\t1.0\t{A}",
    f"{ONE}\tmine\twip\t<none>",
    f"{TWO}\t{TOOLS}\t<none>\t{B}",
    f"{TWO}\t<none>\t<none>\t<none>",
    f"pulled\t{TOOLS}@{A}",
    f"pulled\t{TOOLS}@{B}",
    f"pulled\t{TOOLS}@{C}",
]
STORE = Images().process(OUTPUT)


def test_fact_has_tags_digests_and_our_pulls() -> None:
    assert STORE.tags == {f"{TOOLS}:1.0": ONE, "mine:wip": ONE}
    assert STORE.digests == {f"{TOOLS}@{A}": ONE, f"{TOOLS}@{B}": TWO}
    assert STORE.pulled == (f"{TOOLS}@{A}", f"{TOOLS}@{B}", f"{TOOLS}@{C}")
    assert UsedImages().process([ONE, ""]) == {ONE}
    assert Images.default() == ImageStore({}, {}, ())


@pytest.mark.parametrize(
    ("text", "name", "tag", "registry"),
    [
        (f"{TOOLS}:1.0@{A}", TOOLS, "1.0", "reg.example.com:5000"),
        (f"{TOOLS}@{A}", TOOLS, None, "reg.example.com:5000"),
        (f"docker.io/library/busybox:1@{A}", "busybox", "1", "docker.io"),
        (f"docker.io/pytorch/pytorch@{A}", "pytorch/pytorch", None, "docker.io"),
        (f"nvcr.io/nvidia/pytorch:26.01-py3@{A}", "nvcr.io/nvidia/pytorch", "26.01-py3", "nvcr.io"),
    ],
)
def test_reference(text: str, name: str, tag: str | None, registry: str) -> None:
    ref = reference(text)
    assert (ref.name, ref.tag, ref.digest, ref.registry) == (name, tag, A, registry)


def test_only_missing_digests_are_pulled_each_once() -> None:
    wanted = [
        reference(f"{TOOLS}:{tag}@{digest}") for tag, digest in [("1", A), ("2", C), ("3", C)]
    ]
    assert [ref.pinned for ref in missing(wanted, STORE)] == [f"{TOOLS}@{C}"]


def test_tags_follow_the_declared_digest() -> None:
    assert tags([reference(f"{TOOLS}:1.0@{A}")], STORE) == {}
    assert tags([reference(f"{TOOLS}:1.0@{B}")], STORE) == {f"{TOOLS}:1.0": f"{TOOLS}@{B}"}
    assert tags([reference(f"{TOOLS}:2@{C}")], STORE) == {f"{TOOLS}:2": f"{TOOLS}@{C}"}
    assert tags([reference(f"{TOOLS}@{B}")], STORE) == {}


def test_pruning_takes_only_what_we_pulled_and_nothing_declares() -> None:
    kept = [reference(f"{TOOLS}:1.0@{A}")]
    assert prunable(kept, STORE) == [f"{TOOLS}@{B}"]
    others = ImageStore(STORE.tags, STORE.digests, pulled=())
    assert prunable([], others) == []
    same_image = ImageStore({}, {f"{TOOLS}@{A}": ONE, f"{TOOLS}@{B}": ONE}, STORE.pulled)
    assert prunable(kept, same_image) == [], "the same image under another digest stays"


def test_removal_leaves_used_images_and_other_peoples_names() -> None:
    assert removals(f"{TOOLS}@{A}", STORE, used=set()) == [f"{TOOLS}:1.0", f"{TOOLS}@{A}"]
    assert removals(f"{TOOLS}@{A}", STORE, used={ONE}) == []


def _pulled(plan: Plan, store: ImageStore, *references: str) -> list[str]:
    return plan(images.pulled, store, references=references, registries=(), seconds=600)


def test_nothing_is_pulled_where_all_is_there(plan: Plan) -> None:
    assert _pulled(plan, STORE, f"{TOOLS}:1.0@{A}", f"{TOOLS}@{B}") == []


def test_a_pull_names_the_digest_the_client_folder_and_a_time(plan: Plan) -> None:
    (script,) = _pulled(plan, STORE, f"{TOOLS}:3@{C}")
    assert "timeout -k 10 600 docker pull" in script
    assert f"\npull 0 {TOOLS}:3@{C} {TOOLS}@{C} &\nwait\nended 0\n" in script
    assert f"docker tag {TOOLS}@{C} {TOOLS}:3" in script


def test_more_images_go_in_batches(plan: Plan) -> None:
    wanted = [f"{TOOLS}@sha256:{number:064d}" for number in range(5)]
    (script,) = _pulled(plan, STORE, *wanted)
    assert [line for line in script.splitlines() if line.startswith("ended ")] == [
        "ended 0 1 2",
        "ended 3 4",
    ]


def test_prune_removes_nothing_that_is_declared(plan: Plan) -> None:
    references = [f"{TOOLS}:1.0@{A}", f"{TOOLS}@{B}"]
    assert plan(images.pruned, STORE, references=references) == []


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    password = tmp_path / "password"
    password.write_text("s3cret:with colon\n")
    password.chmod(0o600)
    return Registry(address="reg.example.com:5000", username="puller", password=file(str(password)))


def test_client_config_is_what_docker_reads(registry: Registry) -> None:
    auth = json.loads(client_config([registry]))["auths"]["reg.example.com:5000"]["auth"]
    assert base64.b64decode(auth) == b"puller:s3cret:with colon"
    assert json.loads(client_config([Registry(address="reg")])) == {"auths": {}}


def test_a_missing_password_stops_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULL_PASSWORD", raising=False)
    registry = Registry(address="reg", username="puller", password=env("PULL_PASSWORD"))
    with pytest.raises(TorchrackError, match="PULL_PASSWORD is not set"):
        client_config([registry])


@pytest.mark.parametrize("half", [{"username": "puller"}, {"password": env("X")}])
def test_half_an_account_is_refused(half: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="username and password together"):
        Registry(address="reg", **half)  # type: ignore[arg-type] # that is the test


def test_the_ca_lies_where_docker_looks() -> None:
    port = "/etc/docker/certs.d/reg:5000/ca.crt"
    plain = "/etc/docker/certs.d/reg/ca.crt"
    assert ca_paths(Registry(address="reg:5000")) == [port]
    assert ca_paths(Registry(address="reg")) == [plain]
    assert ca_paths(Registry(address="reg:443")) == ["/etc/docker/certs.d/reg:443/ca.crt", plain]


def test_the_password_is_in_no_command(plan: Plan, registry: Registry) -> None:
    path = "/etc/torchrack/docker/config.json"
    missing_file = AccessState({path: None}, "none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torchrack.operations.files.gather", lambda *_, **__: {path: None})
        commands = plan(images.registries, missing_file, registries=[registry])
    assert commands[0].startswith("install -d -m 0700")
    encoded = base64.b64encode(b"puller:s3cret:with colon").decode()
    for command in commands:
        assert "s3cret" not in command
        assert encoded not in command


def test_registries_that_are_known_need_nothing(plan: Plan, registry: Registry) -> None:
    path = "/etc/torchrack/docker/config.json"
    content = client_config([registry])
    state = FileState(hashlib.sha256(content.encode()).hexdigest(), "600", "root", "root")
    known = AccessState({path: state}, "700 root")
    assert plan(images.registries, known, registries=[registry]) == []


# The last lines of docker pull, recorded against Docker 26.1 and docker-registry 2.8 unless noted.
FAILURES = [
    (1, "Error response from daemon: unauthorized: authentication required", "refused the account"),
    (
        1,
        'Error response from daemon: Get "https://reg.example.com:5000/v2/": dial tcp '
        "10.86.3.1:5000: connect: connection refused",
        "a registry that answers",
    ),
    (1, "dial tcp 10.86.3.1:5000: connect: connection refused", "a registry that answers"),
    (
        1,
        "write /var/lib/docker/tmp/GetImageBlob1103370290: no space left on device",
        "make room",
    ),
    (
        1,
        'Error response from daemon: Get "https://reg.example.com:5000/v2/": tls: failed to verify '
        "certificate: x509: certificate signed by unknown authority",
        "ca_file",
    ),
    (
        1,
        "Error response from daemon: manifest for reg.example.com:5000/team/tools@sha256:00 not "
        "found: manifest unknown: manifest unknown",
        "push it",
    ),
    (124, "61777422b075: Downloading", "no end of the pull after 600 s"),
    (1, "something new", "something new"),
    (1, "", "exit status 1"),
]


@pytest.mark.parametrize(("status", "output", "told"), FAILURES)
def test_a_failed_pull_is_explained(
    registry: Registry, status: int, output: str, told: str
) -> None:
    problem = str(
        explain(
            host="gpu01",
            image=reference(f"{TOOLS}:1.0@{A}"),
            registry=registry,
            status=status,
            output=output,
            seconds=600,
        )
    )
    assert problem.startswith(f"gpu01: Image {TOOLS}:1.0: ")
    assert told in problem
    assert "s3cret" not in problem


def test_a_refused_account_is_named_and_an_anonymous_pull_told_apart(registry: Registry) -> None:
    def found(settings: Registry | None) -> str:
        return explain(
            host="gpu01",
            image=reference(f"{TOOLS}@{A}"),
            registry=settings,
            status=1,
            output="Error response from daemon: no basic auth credentials",
            seconds=600,
        ).found

    assert re.search(r"reg\.example\.com:5000 refused the account 'puller'", found(registry))
    assert "refused a pull without an account" in found(None)
