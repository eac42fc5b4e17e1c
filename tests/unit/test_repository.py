"""One source, one key, no second source."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.unit.plan import Plan
from torchrack.apt.openpgp import armour, keys
from torchrack.apt.repository import Repository, holds_key, pinned_key, second_sources
from torchrack.errors import HostError
from torchrack.facts.repository import Download, PublishedKey, Source, SourceState
from torchrack.operations import repository as operations

KEYS = Path(__file__).parent / "fixtures" / "openpgp"
RSA = "485F9E353497180D67A4B8248753E69250679FBD"
KEY = armour(keys((KEYS / "rsa.asc").read_bytes())[RSA])
REPOSITORY = Repository(
    name="nvidia-driver",
    title="NVIDIA's driver repository",
    uri="https://repo.example/compute/cuda/repos/debian13/x86_64/",
    suite="/",
    components=(),
    architecture="amd64",
    key_url="https://repo.example/key.pub",
    key_fingerprint=RSA,
    conflicts="compute/cuda/repos",
)
UP_TO_DATE = SourceState(REPOSITORY.source(), KEY, ())


def test_source_of_a_flat_repository() -> None:
    assert REPOSITORY.source().splitlines()[1:] == [
        "Types: deb",
        "URIs: https://repo.example/compute/cuda/repos/debian13/x86_64/",
        "Suites: /",
        "Architectures: amd64",
        "Signed-By: /etc/apt/keyrings/torchrack-nvidia-driver.asc",
    ]


def test_only_the_pinned_key_is_taken() -> None:
    both = (KEYS / "two.asc").read_bytes()
    assert pinned_key(both, REPOSITORY, host="gpu01", origin="two.asc") == KEY


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ((KEYS / "ed25519.asc").read_bytes(), "1FE092F0D7B241B2A37E4A97A886B28652EA1C15"),
        (b"<html>", "not an OpenPGP file"),
    ],
)
def test_another_key_is_refused(data: bytes, found: str) -> None:
    with pytest.raises(HostError, match=found) as error:
        pinned_key(data, REPOSITORY, host="gpu01", origin="x.asc")
    assert RSA in str(error.value)


def test_a_keyring_with_another_key_beside_ours_is_not_ours() -> None:
    assert holds_key(KEY, RSA)
    assert not holds_key((KEYS / "two.asc").read_text(), RSA)
    assert not holds_key("", RSA)


LINES = [
    "/etc/apt/sources.list:deb http://deb.example/debian trixie main",
    "/etc/apt/sources.list.d/torchrack-nvidia-driver.sources:URIs: https://x/compute/cuda/repos/",
]
CUDA_LIST = "/etc/apt/sources.list.d/cuda.list"
CUDA = "deb [signed-by=/x.gpg] https://developer.example/compute/cuda/repos/debian13/x86_64/ /"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (LINES, []),
        (
            [*LINES, f"/etc/apt/sources.list.d/cuda.list:{CUDA}"],
            ["/etc/apt/sources.list.d/cuda.list"],
        ),
        (
            ["/a.sources:Enabled: no", "/a.sources:URIs: https://x/compute/cuda/repos/y/"],
            [],
        ),
        (
            ["/a.sources:URIs: https://x/compute/cuda/repos/y/", "/a.sources:Enabled: yes"],
            ["/a.sources"],
        ),
    ],
)
def test_second_sources(lines: list[str], expected: list[str]) -> None:
    assert second_sources(REPOSITORY, lines) == expected


def test_fact() -> None:
    encoded = [base64.b64encode(text.encode()).decode() for text in ("Types: deb\n", KEY)]
    output = [f"source={encoded[0]}", f"key={encoded[1]}", *LINES]
    assert Source().process(output) == SourceState("Types: deb\n", KEY, tuple(LINES))
    assert Source().process(["source=", "key="]) == SourceState("", "", ())


def test_published_key_fact() -> None:
    assert PublishedKey().process(["content=a2V5"]) == Download(b"key", "")
    refused = "E: Failed to fetch https://x/key.pub  Could not connect"
    assert PublishedKey().process(["content=", refused]) == Download(b"", refused)


@pytest.mark.parametrize("key_file", [None, str(KEYS / "two.asc")])
def test_nothing_to_do(plan: Plan, key_file: str | None) -> None:
    assert plan(operations.repository, UP_TO_DATE, declared=REPOSITORY, key_file=key_file) == []


@pytest.mark.parametrize(
    "state", [SourceState("", "", ()), SourceState("", KEY, ()), SourceState(KEY, KEY, ())]
)
def test_lists_are_fetched_before_the_source_takes_its_place(
    plan: Plan, state: SourceState
) -> None:
    file = str(KEYS / "rsa.gpg")
    (command,) = plan(operations.repository, state, declared=REPOSITORY, key_file=file)
    assert command.index("apt-get -q update") < command.index("mv -fT")


def test_second_source_changes_nothing(plan: Plan) -> None:
    state = SourceState("", "", (f"{CUDA_LIST}:{CUDA}",))
    (command,) = plan(operations.repository, state, declared=REPOSITORY, key_file=None)
    assert f"sudo mv {CUDA_LIST} {CUDA_LIST}.disabled" in command
    assert command.startswith("false #")


def test_key_file_that_is_missing(plan: Plan) -> None:
    state = SourceState("", "", ())
    (command,) = plan(operations.repository, state, declared=REPOSITORY, key_file="/no/key.asc")
    assert "/no/key.asc on this machine can't be read: No such file" in command
