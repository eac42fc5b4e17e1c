"""Keys that were made with GnuPG 2.2 for these tests; the fingerprints are what it printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchrack.apt.openpgp import NotAKeyError, armour, keys

KEYS = Path(__file__).parent / "fixtures" / "openpgp"
RSA = "485F9E353497180D67A4B8248753E69250679FBD"
ED25519 = "1FE092F0D7B241B2A37E4A97A886B28652EA1C15"


@pytest.mark.parametrize(
    ("name", "fingerprints"),
    [
        ("rsa.asc", [RSA]),
        ("rsa.gpg", [RSA]),
        ("ed25519.asc", [ED25519]),
        ("two.asc", [RSA, ED25519]),
    ],
)
def test_fingerprints(name: str, fingerprints: list[str]) -> None:
    assert list(keys((KEYS / name).read_bytes())) == fingerprints


def test_armour_and_back_is_the_same_key() -> None:
    binary = (KEYS / "rsa.gpg").read_bytes()
    assert keys(armour(binary).encode()) == {RSA: binary}


def test_one_key_of_two_is_cut_out_whole() -> None:
    alone = keys((KEYS / "ed25519.asc").read_bytes())[ED25519]
    assert keys((KEYS / "two.asc").read_bytes())[ED25519] == alone


def test_windows_line_ends() -> None:
    text = (KEYS / "rsa.asc").read_bytes().replace(b"\n", b"\r\n")
    assert list(keys(text)) == [RSA]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>404 Not Found</html>",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!!\n-----END PGP PUBLIC KEY BLOCK-----\n",
        (KEYS / "rsa.gpg").read_bytes()[:100],
        b"\x98",
        b"\xb4\x05torch",  # a user id alone
        b"\x98\x01\x03",  # a key of version 3
    ],
)
def test_what_is_no_key(data: bytes) -> None:
    with pytest.raises(NotAKeyError):
        keys(data)
