"""Write the two kinds of tiny ELF file that driver packages need: kernel module, shared object.

They hold no code. `modinfo`, `depmod`, `ldconfig` and `dlopen` read them as they read real ones.
Layouts: the System V ABI, AMD64 supplement (ELF-64).
"""

import struct

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_DYNAMIC = struct.Struct("<qQ")
_IDENT = b"\x7fELF\x02\x01\x01" + bytes(9)
_MACHINE_X86_64 = 62
_PROGBITS, _STRTAB = 1, 3
_PT_LOAD, _PT_DYNAMIC, _PT_GNU_STACK = 1, 2, 0x6474E551


def _align(data: bytes, boundary: int = 8) -> bytes:
    return data + bytes(-len(data) % boundary)


def kernel_module(modinfo: dict[str, str]) -> bytes:
    """Return a relocatable object whose .modinfo section holds the given keys, as a .ko's does."""
    names = b"\0.modinfo\0.shstrtab\0"
    info = b"".join(f"{key}={value}".encode() + b"\0" for key, value in modinfo.items())
    body = _align(info) + _align(names)
    start = _HEADER.size
    table = start + len(body)
    sections = [
        _SECTION.pack(*([0] * 10)),
        _SECTION.pack(1, _PROGBITS, 2, 0, start, len(info), 0, 0, 1, 0),
        _SECTION.pack(10, _STRTAB, 0, 0, start + len(_align(info)), len(names), 0, 0, 1, 0),
    ]
    header = _HEADER.pack(
        _IDENT, 1, _MACHINE_X86_64, 1, 0, 0, table, 0, _HEADER.size, 0, 0, _SECTION.size, 3, 2
    )
    return header + body + b"".join(sections)


def shared_object(soname: str) -> bytes:
    """Return a shared object without symbols that carries the given DT_SONAME."""
    strings = b"\0" + soname.encode() + b"\0"
    start = _HEADER.size + 3 * _SEGMENT.size
    symbols_at = start + len(_align(strings))
    hash_at = symbols_at + 24
    dynamic_at = hash_at + 16
    # One bucket, one symbol, both empty: the loader wants the table even where nothing is exported.
    hash_table = struct.pack("<4I", 1, 1, 0, 0)
    dynamic = b"".join(
        _DYNAMIC.pack(tag, value)
        for tag, value in (
            (14, 1),  # DT_SONAME, an offset into the strings
            (4, hash_at),
            (5, start),
            (6, symbols_at),
            (10, len(strings)),
            (11, 24),
            (0, 0),
        )
    )
    end = dynamic_at + len(dynamic)
    rows = (
        (_PT_LOAD, 0, end, 0x1000),
        (_PT_DYNAMIC, dynamic_at, len(dynamic), 8),
        # Without it the loader takes the stack for executable, which recent kernels refuse.
        (_PT_GNU_STACK, 0, 0, 16),
    )
    segments = b"".join(
        _SEGMENT.pack(kind, 6, offset, offset, offset, size, size, alignment)
        for kind, offset, size, alignment in rows
    )
    header = _HEADER.pack(
        _IDENT,
        3,
        _MACHINE_X86_64,
        1,
        0,
        _HEADER.size,
        0,
        0,
        _HEADER.size,
        _SEGMENT.size,
        3,
        0,
        0,
        0,
    )
    return header + segments + _align(strings) + bytes(24) + hash_table + dynamic
