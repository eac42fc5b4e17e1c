"""Public OpenPGP keys, as far as it takes to pin one: RFC 9580, packet framing and fingerprints."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from torchrack.errors import TorchrackError

PUBLIC_KEY = 6
"""Packet tag of a primary public key; subkeys, names and signatures follow it."""

_ARMOUR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----[^\n]*\n(?P<body>.*?)-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)


class NotAKeyError(TorchrackError):
    """The data are not a public OpenPGP key."""


def keys(data: bytes) -> dict[str, bytes]:
    """Return the public keys in a file, armoured or binary.

    Args:
        data: the file's content; several armoured blocks may follow each other.

    Returns:
        Fingerprint (40 upper-case hex digits) to the key's own packets.

    Raises:
        NotAKeyError: there is no public key in it, or it is cut off.
    """
    found: dict[str, bytes] = {}
    current = ""
    for tag, packet, body in _packets(_binary(data)):
        if tag == PUBLIC_KEY:
            current = _fingerprint(body)
            found[current] = b""
        if current:
            found[current] += packet
    if not found:
        raise NotAKeyError("no public OpenPGP key in it")
    return found


def armour(packets: bytes) -> str:
    """Return packets as an ASCII armoured block; the optional checksum is left out."""
    text = base64.b64encode(packets).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    block = "PGP PUBLIC KEY BLOCK-----"
    return "\n".join([f"-----BEGIN {block}", "", *lines, f"-----END {block}", ""])


def _binary(data: bytes) -> bytes:
    data = data.replace(b"\r\n", b"\n")
    blocks = [match["body"] for match in _ARMOUR.finditer(data)]
    if not blocks:
        return data
    return b"".join(map(_dearmour, blocks))


def _dearmour(body: bytes) -> bytes:
    """Headers ("Version: ...") end at the first empty line; a line with = begins the checksum."""
    headers, empty, text = (b"\n" + body).partition(b"\n\n")
    lines = (text if empty else headers).split()
    try:
        return base64.b64decode(b"".join(x for x in lines if not x.startswith(b"=")), validate=True)
    except binascii.Error as error:
        raise NotAKeyError(f"its armour is damaged: {error}") from None


def _packets(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield tag, whole packet and body of each packet (RFC 9580, section 4.2)."""
    start = 0
    while start < len(data):
        head = data[start]
        if not head & 0x80:
            raise NotAKeyError("not an OpenPGP file")
        try:
            tag, body, end = _framed(data, start)
        except IndexError:
            raise NotAKeyError("the file is cut off") from None
        if end > len(data):
            raise NotAKeyError("the file is cut off")
        yield tag, data[start:end], data[body:end]
        start = end


def _framed(data: bytes, start: int) -> tuple[int, int, int]:
    """The tag of the packet at ``start``, where its body begins, and where it ends."""
    head = data[start]
    if head & 0x40:  # the current format
        first = data[start + 1]
        if first < 192:
            return head & 0x3F, start + 2, start + 2 + first
        if first < 224:
            length = ((first - 192) << 8) + data[start + 2] + 192
            return head & 0x3F, start + 3, start + 3 + length
        if first == 255:
            length = int.from_bytes(data[start + 2 : start + 6], "big")
            return head & 0x3F, start + 6, start + 6 + length
        raise NotAKeyError("packets of unknown length do not occur in keys")
    size = {0: 1, 1: 2, 2: 4}.get(head & 0x03)  # the old format, which most keys have
    if size is None:
        raise NotAKeyError("packets of unknown length do not occur in keys")
    body = start + 1 + size
    length = int.from_bytes(data[start + 1 : body], "big")
    return (head >> 2) & 0x0F, body, body + length


def _fingerprint(body: bytes) -> str:
    """The fingerprint of a version 4 key: SHA-1 over 0x99, length, body (RFC 9580, 5.5.4.2)."""
    if body[0] != 4:
        raise NotAKeyError(f"a key of version {body[0]}; APT repositories use version 4")
    framed = b"\x99" + len(body).to_bytes(2, "big") + body
    return hashlib.sha1(framed, usedforsecurity=False).hexdigest().upper()
