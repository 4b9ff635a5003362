"""What is kept of each source: what comes from where, in how many backups, with which tables.

Part of the rim.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from urllib.parse import urlsplit

from ..config import AnySource, CardDavSource, HttpSource, RecipeSource, Settings, SftpSource
from ..core import forgetting, words
from ..core.model import Copy
from ..core.ports import Ledger
from ..core.schedule import describe, parse
from ..engine.memory import became, not_good

_LOOKED_AT = 400
"""Backups that are looked at for the tables that they hold."""
_MOST_TABLES = 3


def rows(settings: Settings, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """Yield each source and what is kept of it, then those of which nothing is fetched any more."""
    copies = ledger.copies()
    for source in settings.source:
        mine = _of(copies, source.name)
        fetched = f"{_place_of(source)}, {describe(parse(source.schedule))}."
        told = (fetched, _tables(ledger, source.name, mine), _count(mine, settings))
        yield source.name, " ".join(filter(None, told))
    known = {each.name for each in settings.source}
    for name in sorted({copy.source for copy in copies} - known):
        count = _count(_of(copies, name), settings)
        yield name, f"Fetched no more; by itself the box removes nothing of it. {count}"


def _place_of(source: AnySource) -> str:
    if isinstance(source, SftpSource):
        return f"What lies on the server {source.host}"
    if isinstance(source, HttpSource):
        return f"What {urlsplit(source.url).hostname} exports"
    if isinstance(source, RecipeSource):
        return f"What {source.vendor} hands out"
    if isinstance(source, CardDavSource):
        return f"The address books on {urlsplit(source.url).hostname}"
    return f"What somebody puts into {source.path} on the box"


def _of(copies: Iterable[Copy], source: str) -> dict[str, Copy]:
    """The backups of a source by name, newest first."""
    mine = (copy for copy in copies if copy.source == source)
    ordered = sorted(mine, key=lambda copy: copy.time, reverse=True)
    return {copy.archive: copy for copy in ordered}


def _count(mine: dict[str, Copy], settings: Settings) -> str:
    if not mine:
        return "No backup yet."
    times = [copy.time for copy in mine.values()]
    oldest, newest = (forgetting.day(each, settings.zone) for each in (min(times), max(times)))
    span = oldest if oldest == newest else f"{oldest} to {newest}"
    return f"{words.plural(len(times), 'backup')}, of {span}."


def _tables(ledger: Ledger, source: str, mine: Iterable[str]) -> str:
    """Say which tables there are, as far as the ledger was told: it remembers of each backup those
    in which something had changed. One that looked wrong says nothing about them.
    """
    doubtful, found = not_good(ledger, source), dict[str, int]()
    for name in islice((each for each in mine if each not in doubtful), _LOOKED_AT):
        for table in became(ledger, name)["tables"]:
            found.setdefault(str(table["name"]), int(table["rows"]))
    if not found:
        return ""
    named = [f"{name} ({count:,} records)" for name, count in islice(found.items(), _MOST_TABLES)]
    more = len(found) - len(named)
    return f"In it: {words.listed([*named, f'{more} more'] if more else named)}."
