"""The only home of spreadsheets packed anew, where their recipe does not give the vendor's bytes.

Another zlib than the one a recipe was found with deflates otherwise: after an upgrade, or on
another box. The contents do not depend on it. What is made here is a valid spreadsheet whose every
part is proved by its own SHA-256; only the bytes of the packing are not the vendor's.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, BinaryIO, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from .contents import Kept
from .original import NotReproduced, Piece
from .parts import BLOCK_BYTES

_NOT_THIS_ZIP = (BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Remaking:
    """Packs one member that has a recipe; `write` writes, and proves, any member's bytes."""

    kept: Kept
    write: Callable[[Kept, BinaryIO], None]

    def into(self, out: BinaryIO) -> None:
        """Write the spreadsheet; raise RepositoryDamaged or Cancelled."""
        self._pack(self.kept, out)

    def is_in(self, file: BinaryIO) -> bool:
        """Return whether an open file is a ZIP of exactly these contents, each by its SHA-256."""
        return _holds(file, self.kept)

    def _pack(self, kept: Kept, out: BinaryIO) -> None:
        plain = {piece.member for piece in _pieces(kept) if piece.settings is None}
        with ZipFile(out, "w") as box:
            for member in kept.inside:
                info = ZipInfo(_name(kept, member))  # of 1980: the same bytes each time
                info.compress_type = ZIP_STORED if member.path in plain else ZIP_DEFLATED
                info.file_size = member.size_bytes
                with box.open(info, "w") as part:
                    self._fill(member, cast("BinaryIO", part))

    def _fill(self, member: Kept, part: BinaryIO) -> None:
        try:
            self.write(member, part)
        except NotReproduced:  # a spreadsheet in a spreadsheet; nothing of it is written yet
            self._pack(member, part)


def _holds(file: IO[bytes], kept: Kept) -> bool:
    try:
        with ZipFile(file) as box:
            named = {_name(kept, member): member for member in kept.inside}
            if sorted(box.namelist()) != sorted(named):
                return False
            return all(_is(box, name, member) for name, member in named.items())
    except _NOT_THIS_ZIP:
        return False


def _is(box: ZipFile, name: str, member: Kept) -> bool:
    with box.open(name) as part:
        hasher, size = hashlib.sha256(), 0
        while size <= member.size_bytes and (block := part.read(BLOCK_BYTES)):
            hasher.update(block)
            size += len(block)
        if (size, hasher.hexdigest()) == (member.size_bytes, member.sha256):
            return True
        if member.recipe is None:
            return False
        part.seek(0)
        return _holds(part, member)


def _pieces(kept: Kept) -> tuple[Piece, ...]:
    return kept.recipe.pieces if kept.recipe else ()


def _name(kept: Kept, member: Kept) -> str:
    return member.path.removeprefix(f"{kept.path}/")
