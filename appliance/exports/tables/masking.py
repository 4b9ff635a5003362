"""What every way of writing a table has in common where columns of it are hidden: it is written
once more, byte for byte as it was but for their cells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..looks import Look
from .rows import distinct

_BLOCK_BYTES = 128 << 10
_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


@dataclass(frozen=True, slots=True)
class Veil:
    """What becomes of a table's columns; one that is in both is dropped."""

    masked: frozenset[str]
    """Names of columns, as somebody gave them."""
    dropped: frozenset[str]
    pseudonym: Callable[[str], str]
    """Given what a cell says, return what stands there instead: small letters, digits, hyphens."""

    def put_over(self, cell: str) -> str:
        """Given what a cell says, return what stands there instead; a blank one stays."""
        return self.pseudonym(cell) if cell.strip() else cell


class Header:
    """The columns that a first row names."""

    def __init__(self, cells: Sequence[str]) -> None:
        self._told = [cell.strip() for cell in cells]
        self.columns = distinct(self._told)

    def places(self, names: Collection[str]) -> set[int]:
        """Return where the columns are that somebody named: as the file does, or as we do."""
        both = zip(self._told, self.columns, strict=True)
        return {at for at, (told, name) in enumerate(both) if told in names or name in names}


class Maskable(Protocol):
    """One file of a table that can be written once more."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns that it has, as `rows.Rows` names them."""

    @property
    def is_named_by_a_row(self) -> bool:
        """Whether its columns are what its first row says, be that a header or somebody's."""

    def meant(self, name: str) -> Sequence[str]:
        """Return its columns that a name means: hidden together, as a vendor adds to them."""

    def rewritten(self, veil: Veil) -> Iterator[bytes]:
        """Yield its bytes with columns hidden; raise NotATable, also at the end."""


def encoded(chunks: Iterator[bytes], look: Look, head: bytes) -> Iterator[bytes]:
    """Given a file's bytes as a reader gets them, in whole characters, and its first two, yield
    larger chunks of them as they lie in it: UTF-16 comes as UTF-8.
    """
    encoding = _MARKS.get(head, "") if look.encoding == "utf-16" else ""
    waiting = bytearray(head if encoding else b"")
    for chunk in chunks:
        waiting += chunk.decode("utf-8", "replace").encode(encoding) if encoding else chunk
        if len(waiting) >= _BLOCK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)
