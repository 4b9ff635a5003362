"""The only home of what a segment tells: one backup beside the one before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import rmtree

from ...core.model import Archive
from ...core.ports import Watch
from ..extracted import Extracted
from ..reading import tables_of, with_id
from ..tables.comparing import differences
from ..tables.table import Table, named
from .chain import Chain
from .segment import PUT, TAKEN, Header, Kind, Line, Row, joined


@dataclass(slots=True)
class Growth:
    """Adds one backup after the other to a chain; `work` is an empty folder for their tables."""

    chain: Chain
    work: Path
    watch: Watch
    _archive: str = ""
    _tables: dict[str, Table] = field(default_factory=dict)
    _folder: Path | None = None
    _number: int = 0

    def stand_on(self, archive: Archive, root: Path) -> None:
        """Have the extracted archive that the chain ends with be the one before the next.

        Where nothing stands, all records are told anew. Raise RepositoryDamaged, Cancelled.
        """
        self._keep(archive.name, *self._opened(root))

    def add(self, archive: Archive, root: Path, passed_over: Sequence[str]) -> None:
        """Add what an extracted archive tells; `passed_over` could not be read before it.

        Raise RepositoryDamaged, DiskFull, Cancelled; then nothing was added.
        """
        tables, folder = self._opened(root)
        links = self.chain.links()
        before = links[-1].header if links else None
        stands = before is not None and before.archive == self._archive
        steps = [
            _Step.of(table, self._tables.get(name) if stands else None, before)
            for name, table in tables.items()
        ]
        kinds = [step.kind for step in steps]
        header = Header.of(archive, before.archive if before else "", kinds, passed_over)
        self.chain.add(header, self._lines(steps))
        self._keep(archive.name, {step.after.name: step.after for step in steps}, folder)

    def _opened(self, root: Path) -> tuple[dict[str, Table], Path]:
        """Return an archive's tables, whose files lie in a folder of ours."""
        self._number += 1
        folder = self.work / str(self._number)
        (folder / "tables").mkdir(parents=True)
        archive = Extracted.at(root, folder)
        return tables_of(archive, folder / "tables", (), self.watch), folder

    def _keep(self, archive: str, tables: dict[str, Table], folder: Path) -> None:
        if self._folder is not None:
            rmtree(self._folder)
        self._archive, self._tables, self._folder = archive, tables, folder

    def _lines(self, steps: Sequence[_Step]) -> Iterator[Line]:
        for at, step in enumerate(steps):
            for line in step.lines(at, self.work):
                self.watch.check()
                yield line


@dataclass(frozen=True, slots=True)
class _Step:
    """One table, beside what it was where that can be compared."""

    kind: Kind
    after: Table
    before: Table | None

    @classmethod
    def of(cls, after: Table, before: Table | None, header: Header | None) -> _Step:
        """What is told under another id, or with other columns ignored, is told anew."""
        after = with_id(after)
        was = header.table(after.name) if header else None
        kind = Kind.of(after)
        alike = was and (was.id_columns, was.ignored) == (kind.id_columns, kind.ignored)
        if before is None or not alike:
            return cls(Kind.of(after, is_whole=True), after, None)
        return cls(kind, after, replace(before, id_columns=after.id_columns))

    def lines(self, at: int, scratch: Path) -> Iterator[Line]:
        """Yield its lines; `at` is the table's place in the header."""
        if self.before is None:
            for part in self.after.parts.values():
                for _, cells in part.rows():
                    yield self._put(at, named(part.columns, cells))
            return
        rows = max(self.before.count(), self.after.count())
        for one in differences(self.before, self.after, rows, scratch, every_column=True):
            if one.before is not None:
                yield Line(TAKEN, self.kind.record(one.before), at, self.kind.version(one.before))
            if one.after is not None:
                yield self._put(at, one.after)

    def _put(self, at: int, row: Row) -> Line:
        return Line(PUT, self.kind.record(row), at, joined(row, self.kind.columns))
