"""The only home of files that are encrypted at rest: blocks under a passphrase, whole or nothing.

A file begins with a salt of its own; its key is drawn from that and the passphrase (HKDF), so a
counter may be the nonce of each block (ChaCha20-Poly1305, which is fast without AES in hardware).
The last block says that it is the last, and each what the file is about: what was changed, cut,
put elsewhere or sealed under another passphrase does not open. Passphrases are ours, of 128 bits
and more; one that somebody thought up would want a slower way to its key.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..core.errors import ApplianceError
from .files import disk_errors, written_durably

MOST_BLOCK_BYTES = 64 << 20
_MARK = b"appliance sealed 1\n"
_SALT_BYTES, _KEY_BYTES, _LENGTH_BYTES, _COUNTER_BYTES = 32, 32, 4, 11


class NotSealed(ApplianceError):
    """Raised where a file does not open: damaged, cut, of another box or another purpose."""


def seal(path: Path, passphrase: str, about: str, blocks: Iterable[bytes]) -> None:
    """Given blocks, replace the file by them, encrypted, once all are on the disk.

    `about` must be said again to open it. What `blocks` raises leaves the old file. Raise
    DiskFull, DiskReadOnly or ApplianceError.
    """
    salt = os.urandom(_SALT_BYTES)
    cipher = _cipher(passphrase, salt)
    with written_durably(path) as file:
        _put(file, path, _MARK + salt)
        for number, (block, is_last) in enumerate(_told_the_last(blocks)):
            sealed = cipher.encrypt(_nonce(number, is_last), block, about.encode())
            _put(file, path, len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed)


def opened(path: Path, passphrase: str, about: str) -> Generator[bytes, None, None]:
    """Yield the blocks of a file, each proved; raise NotSealed, also in the middle."""
    try:
        with path.open("rb") as file:
            if file.read(len(_MARK)) != _MARK:
                raise NotSealed(f"{path.name} is no file of this kind.")
            cipher = _cipher(passphrase, file.read(_SALT_BYTES))
            for number, (sealed, is_last) in enumerate(_told_the_last(_sealed(file, path))):
                yield cipher.decrypt(_nonce(number, is_last), sealed, about.encode())
    except (InvalidTag, OSError) as error:
        raise NotSealed(f"{path.name} cannot be read.", detail=repr(error)) from error


def _sealed(file: BinaryIO, path: Path) -> Iterator[bytes]:
    is_empty = True
    while head := file.read(_LENGTH_BYTES):
        length, is_empty = int.from_bytes(head, "big"), False
        if length > MOST_BLOCK_BYTES or len(sealed := file.read(length)) < length:
            raise NotSealed(f"{path.name} is cut.")
        yield sealed
    if is_empty:
        raise NotSealed(f"{path.name} is cut.")


def _told_the_last(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each block and whether it is the last; none at all are one that is empty."""
    each = iter(blocks)
    block = next(each, b"")
    for after in each:
        yield block, False
        block = after
    yield block, True


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(_COUNTER_BYTES, "big") + bytes([is_last])


def _cipher(passphrase: str, salt: bytes) -> ChaCha20Poly1305:
    key = HKDF(SHA256(), _KEY_BYTES, salt, _MARK).derive(passphrase.encode())
    return ChaCha20Poly1305(key)


def _put(file: BinaryIO, path: Path, data: bytes) -> None:
    with disk_errors(path):
        file.write(data)
