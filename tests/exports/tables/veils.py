"""How the tests have columns of a file hidden."""

from __future__ import annotations

import hashlib

from appliance.exports.rewriting import maskable
from appliance.exports.tables.masking import Veil
from tests.exports.tables.reading import file_of


def pseudonym(text: str) -> str:
    """What stands for a value in these tests."""
    return f"masked-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def hidden(folder, data: bytes, path: str, mask=(), drop=(), encoding: str = "cp1252") -> bytes:
    """Return a file's bytes with columns hidden."""
    found = maskable(file_of(folder, data, path, encoding))
    return b"".join(found.rewritten(Veil(frozenset(mask), frozenset(drop), pseudonym)))
