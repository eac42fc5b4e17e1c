"""What a value of nvidia-smi's csv says: known, not there on this board, lost, or unknown.

In place of a value stands NVML's word for what went wrong (nvmlErrorString), in brackets or not.
Branches differ in words: 535 prints 1 where 570 prints Yes. Forms: the program's own, recorded in
tests/unit/fixtures/nvidia-smi.
"""

from __future__ import annotations

import re

CUT_OFF = "(cut off)"
"""Stands for a value of a row that ended before it."""

_ABSENT = re.compile(
    r"\[?(N/?A|Not Supported|Not Available|None|Function Not Found|"
    r"(Requested functionality has been )?Deprecated|vGPU ECC not supported)\]?|",
    re.IGNORECASE,
)
_LOST = re.compile(
    r"\[?(ERR!|GPU is lost.*|GPU (requires|needs) (a )?re(set|start).*|Requires reset|"
    r"Reset required)\]?",
    re.IGNORECASE,
)
_UNREADABLE = re.compile(r"\[?(Unknown Error|Not Found)\]?", re.IGNORECASE)
_INFOROM = re.compile(r"\[?Corrupted infoROM\]?", re.IGNORECASE)
_NUMBER = re.compile(r"(\d+) ?(x|%|C|W|MiB|MHz)?")
_YES = frozenset({"yes", "true", "active", "enabled", "on"})
_NO = frozenset({"no", "false", "not active", "inactive", "disabled", "off"})


def absent(text: str) -> bool:
    """Whether the board or the branch does not have the value."""
    return bool(_ABSENT.fullmatch(text))


def inforom(text: str) -> bool:
    """Whether a damaged infoROM keeps the value."""
    return bool(_INFOROM.fullmatch(text))


def lost(text: str) -> bool:
    """Whether the value says that the GPU itself is gone."""
    return bool(_LOST.fullmatch(text))


def unreadable(text: str) -> bool:
    """Whether the GPU did not give the value: it is gone, or this value alone is."""
    return lost(text) or bool(_UNREADABLE.fullmatch(text))


def known(text: str) -> str | None:
    """Return the text of a value, None where there is none."""
    gone = absent(text) or inforom(text) or unreadable(text) or text == CUT_OFF
    return None if gone or re.fullmatch(r"\[?Unknown\]?|0", text, re.IGNORECASE) else text


def number(text: str) -> int | None:
    """Return a count, with or without its unit; None where there is none.

    Raises:
        ValueError: it is no form of a count that is known.
    """
    if absent(text) or inforom(text):
        return None
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return int(match[1])


def flag(text: str) -> bool | None:
    """Return yes or no, in any branch's words; None where there is none.

    Raises:
        ValueError: it is no form of a yes or no that is known.
    """
    word = text.lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    count = number(text)
    return None if count is None else count > 0


def word(text: str) -> str | None:
    """Return a word, without the name of its field that 535 to 570 print in front of it
    ("state  Completed", "status Success"); None where there is none.

    Raises:
        ValueError: nvidia-smi itself does not know the value.
    """
    bare = re.sub(r"^(state|status)\s+", "", text, flags=re.IGNORECASE)
    if absent(bare) or inforom(bare):
        return None
    if bare.startswith("[") or bare == CUT_OFF or bare.lower() == "unknown":
        raise ValueError(text)
    return bare
