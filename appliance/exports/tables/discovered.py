"""What JSON and address books have in common: each row names its own columns, new ones too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..looks import Look
from .rows import MOST_COLUMNS, NotATable


class Discovered(ABC):
    """Rows whose columns are all known after the last one, so they are read once at first.

    Half of a `rows.Rows`: the other half is how such a file is written.
    """

    key: tuple[str, ...] = ()

    def __init__(self, file: Path, look: Look) -> None:
        self.file, self.look = file, look
        self._places: dict[str, int] = {}
        for _ in self.rows():
            pass

    @property
    def columns(self) -> Sequence[str]:
        """The names of all fields; see `rows.Rows`."""
        return tuple(self._places)

    @abstractmethod
    def raws(self) -> Iterator[bytes]:
        """Yield each row's bytes; see `rows.Rows`."""

    @abstractmethod
    def cells(self, raw: bytes) -> Sequence[str]:
        """Take one row apart; see `rows.Rows`."""

    def rows(self) -> Iterator[tuple[bytes, Sequence[str]]]:
        """Yield each row's bytes and its fields; see `rows.Rows`."""
        for raw in self.raws():
            yield raw, self.cells(raw)

    def _placed(self, fields: Iterable[tuple[str, str]]) -> list[str]:
        """Given a row's fields, each name once, return its cells in the order of the columns."""
        row = [""] * len(self._places)
        for name, cell in fields:
            at = self._places.setdefault(name, len(self._places))
            if at == len(row):
                row.append("")
            row[at] = cell
            if len(row) > MOST_COLUMNS:
                raise NotATable("The records of this file have nothing in common.")
        return row
