"""The only home of one source's timeline as the engine and a person know it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.model import Archive, RecordTimeline
from ...core.ports import Watch
from ...system.sealed import NotSealed
from ..extracted import Extracted
from ..reading import tables_of, with_id
from ..tables.table import named
from ..tables.writing import Files
from .building import Growth
from .chain import Chain
from .searching import Found, record, search
from .segment import Header, Kind


@dataclass(frozen=True, slots=True)
class Records:
    """A timeline; implements `core.ports.Timeline`. Its methods want `chain.alone` or `at_rest`."""

    chain: Chain

    def archives(self) -> Sequence[Archive]:
        """Return the archives that it tells of, oldest first."""
        return [_archive(self.chain.source, link.header) for link in self.chain.links()]

    def passed_over(self) -> frozenset[str]:
        """Return the archives that could not be read when it was their turn."""
        return frozenset(name for link in self.chain.links() for name in link.header.passed_over)

    def forget(self, archives: Collection[str], watch: Watch) -> None:
        """Tell of some archives no more. What is damaged or left over goes, too."""
        self.chain.tidy()
        self.chain.forget(archives, watch)

    def growth(self, work: Path, watch: Watch) -> Growth:
        """Return what adds archives; see `core.ports.Timeline`."""
        return Growth(self.chain, work, watch)

    def search(self, text: str, most: int, watch: Watch) -> Found:
        """Return what became of the records that hold a text; see `searching.search`.

        Raise NotSealed where a part is damaged: it is thrown away, and built anew by `freshened`.
        """
        return search(self.chain.links(), self.chain.source, text, most, watch)

    def record(self, mark: str, watch: Watch) -> RecordTimeline | None:
        """Return what became of one record, by its mark; None where there is none."""
        return record(self.chain.links(), self.chain.source, mark, watch)

    def mend(self) -> None:
        """Throw away what is damaged, and all that goes on from it."""
        for link in self.chain.links():
            try:
                for _ in link.blocks():
                    pass
            except (NotSealed, ValueError):
                self.chain.throw_away(link)
                return


def write_records(
    archive: Path, records: Iterable[RecordTimeline], files: Files, work: Path, watch: Watch
) -> Iterator[RecordTimeline]:
    """Given an extracted archive, write those of some records that it has, as the vendor writes
    them; yield each. `work` is an empty folder. Raise RepositoryDamaged.
    """
    wanted = {one.mark: one for one in records}
    names = {one.table for one in wanted.values()}
    for table in tables_of(Extracted.at(archive, work), work, (), watch).values():
        if table.name not in names:
            continue
        kind = Kind.of(with_id(table))
        for path, part in table.parts.items():
            for raw, cells in part.rows():
                if (mark := kind.record(named(part.columns, cells))) in wanted:
                    files.put(path, part.frame, raw)
                    yield wanted[mark]


def _archive(source: str, header: Header) -> Archive:
    return Archive(header.archive, source, header.time, header.sequence, "")
