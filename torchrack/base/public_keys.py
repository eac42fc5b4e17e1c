"""Public keys as they stand in authorized_keys."""

from __future__ import annotations

import base64
import binascii
import itertools

TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ssh-rsa",
)
"""The types that the hardened sshd accepts (RSA signs with SHA-2, from 3072 bits)."""


def key_of(line: str) -> tuple[str, str] | None:
    """Return type and base64 of the key in a line of authorized_keys; None if there is none.

    Options before the type may hold spaces in quotes, so the type is looked for in every word.
    """
    words = line.split()
    if not words or words[0].startswith("#"):
        return None
    for word, following in itertools.pairwise(words):
        if following.startswith("AAAA") and _blob_type(following) == word:
            return word, following
    return None


def check_key(line: str) -> str:
    """Return a declared key, trimmed.

    Raises:
        ValueError: it is not "type base64 [comment]" of a type that sshd will accept.
    """
    line = line.strip()
    key = key_of(line)
    if key is None or "\n" in line or not line.startswith(key[0]):
        raise ValueError("a public key as in a .pub file: type, base64, comment")
    if key[0] not in TYPES:
        raise ValueError(f"a key of type {', '.join(TYPES)}: sshd will refuse {key[0]}")
    return line


def _blob_type(text: str) -> str | None:
    """The type that the key's own data begins with (RFC 4253, 6.6)."""
    try:
        blob = base64.b64decode(text, validate=True)
        return blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("ascii")
    except (binascii.Error, ValueError):
        return None
