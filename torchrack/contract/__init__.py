"""The contract of a host: one answer from GPU to image, or why there is none."""

from torchrack.contract.model import (
    Answer,
    Conflict,
    Contract,
    Facts,
    ImageWish,
    Wishes,
)
from torchrack.contract.resolve import resolve

__all__ = ["Answer", "Conflict", "Contract", "Facts", "ImageWish", "Wishes", "resolve"]
