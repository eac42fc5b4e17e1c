"""The tiny ELF files are read by what reads real ones."""

from __future__ import annotations

import ctypes
from pathlib import Path

from lab.nvidia import elf


def test_a_shared_object_can_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "libcuda.so.580.105.08"
    path.write_bytes(elf.shared_object("libcuda.so.1"))

    library = ctypes.CDLL(str(path))

    assert not hasattr(library, "cuInit")


def test_a_kernel_modules_information_is_null_terminated() -> None:
    content = elf.kernel_module({"version": "580.105.08", "license": "Dual MIT/GPL"})

    assert content.startswith(b"\x7fELF")
    assert b"version=580.105.08\0license=Dual MIT/GPL\0" in content
