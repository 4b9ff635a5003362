"""The one thing that is read of Borg's segment files: whether only a lock was held.

`borg with-lock` writes the manifest once more, as it was. Every real change also writes or removes
something else. (Format: Borg 1.x, `docs/internals/data-structures`, "Segments".)
"""

from __future__ import annotations

import struct
from pathlib import Path

_MAGIC = b"BORG_SEG"
_HEADER = struct.Struct("<IIB")
_PUT, _DELETE, _COMMIT = 0, 1, 2
_MANIFEST = bytes(32)
_LEAST_BYTES = _HEADER.size + len(_MANIFEST)


def holds_only_a_lock(segment: Path) -> bool:
    """Given a segment, return whether it says nothing but "the manifest, as before"."""
    with segment.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return False
        while header := file.read(_HEADER.size):
            if len(header) < _HEADER.size:
                return False
            _crc, size_bytes, tag = _HEADER.unpack(header)
            if tag == _COMMIT:
                continue
            of_manifest = tag in {_PUT, _DELETE} and file.read(len(_MANIFEST)) == _MANIFEST
            if not of_manifest or size_bytes < _LEAST_BYTES:
                return False
            file.seek(size_bytes - _LEAST_BYTES, 1)
    return True
