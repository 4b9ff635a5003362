"""The only home of pulls from contacts servers (CardDAV, RFC 6352): each address book becomes one
file of vCards.

Nothing here can change anything there: it asks with PROPFIND, REPORT and GET alone. What a card
only points to (a photo's address) is not fetched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

from ...core.errors import ExportUnsafe
from ...core.model import Export, ExportFile, SeenFile, StepName
from ...core.ports import Watch
from ...core.words import plural
from .. import asking, auth
from ..asking import Asker
from ..calling import Caller
from ..landing import Landing, clean_name
from ..origins import Address, Reach, read
from ..sight import Sight
from . import places
from .discovery import Book, chosen, find, missing
from .fetching import Fetcher
from .listing import Listing, listings, newness
from .server import Server
from .settings import ELSEWHERE, CardDavSettings

__all__ = ["CardDavSettings", "look", "pull"]

_TELL_EVERY_SECONDS = 0.1
_NOT_FETCHED = "Pictures come with a contact where it holds them; one it only links to does not."


def pull(
    settings: CardDavSettings,
    into: Path,
    pulled_at: datetime,
    seen: Sequence[SeenFile],
    watch: Watch,
) -> Export | None:
    """Given an empty folder, bring each address book that is meant into it, as a file.

    Return None where the newest of `seen` was made of the same cards, by their ETags or, where
    there are none, by what the server counts. Raise SourceUnreachable, SourceRefused,
    ExportUnsafe, DiskFull or Cancelled.
    """
    with ExitStack() as stack:
        progress = _Progress(watch)
        home, server = _ready(settings, progress, _caller(settings, stack))
        found, absent = _found(settings, server, home)
        state = newness(settings, found)
        if state and seen and seen[0].validator == state:
            return None
        if not any(each.cards for each in found):
            raise ExportUnsafe(
                f"There is no contact in the address books on {home.host}.",
                hint="Check the login of this source, and whether somebody emptied them.",
            )
        files, notes = _brought(settings, server, found, into, progress=progress, state=state)
        return Export(settings.name, files, pulled_at, server.time, (*absent, *notes))


def look(settings: CardDavSettings, sight: Sight, watch: Watch) -> None:
    """Tell what the server proves itself by, and which address books there are with how many
    contacts; raise what `pull` would.
    """
    sight.server = read(settings.url).host
    with ExitStack() as stack:
        caller = _caller(settings, stack)
        try:
            home, server = _ready(settings, _Progress(watch), caller)
            found, absent = _found(settings, server, home)
        finally:
            sight.tell(caller.certificates.get(sight.server))
        sight.note = " ".join([*absent, _NOT_FETCHED])
        for each in found:
            count = plural(len(each.cards), "contact")
            sight.would_take(each.book.label, None, None, count)


def _caller(settings: CardDavSettings, stack: ExitStack) -> Caller:
    return Caller(settings.ca_file, settings.connect_seconds, settings.idle_seconds, stack)


def _ready(
    settings: CardDavSettings, progress: _Progress, caller: Caller
) -> tuple[Address, Server]:
    """Return where to begin, and who is signed in to ask there."""
    home = read(settings.url)
    hosts = (*settings.hosts, *ELSEWHERE.get(home.host, ()))
    reach = Reach(home, credential_hosts=hosts)
    reach.check(home)
    login = auth.Login(settings.auth, settings.secrets_dir, settings.sign_in_of)
    return home, Server(Asker(caller, reach, login, progress.watch), reach, progress.pulse)


def _found(
    settings: CardDavSettings, server: Server, home: Address
) -> tuple[tuple[Listing, ...], list[str]]:
    """Return what there is, and a sentence about what is meant and is not there, if anything is."""
    there = find(server, home)
    found = listings(server, chosen(there, settings.collections))
    none = missing([*there, *(each.book for each in found)], settings.collections)
    return found, [none] if none else []


def _brought(
    settings: CardDavSettings,
    server: Server,
    found: Sequence[Listing],
    into: Path,
    *,
    progress: _Progress,
    state: str,
) -> tuple[tuple[ExportFile, ...], tuple[str, ...]]:
    """Bring every address book that has cards, and say which were gone meanwhile; `state` is kept
    with the files if it is still true.
    """
    quiet = Watch(cancel=progress.watch.cancel)  # it would count bytes
    landing = Landing(into, settings.max_bytes, settings.reserve_bytes, quiet)
    progress.total = sum(len(each.cards) for each in found)
    fetchers = [Fetcher(server, each, progress.pause, progress.brought) for each in found]
    names = file_names([each.book for each in found])
    for name, each, fetcher in zip(names, found, fetchers, strict=True):
        if each.cards:
            with landing.file(name) as writer:
                for card in fetcher.each(settings.batch):
                    writer.write(card)
    still = state if all(each.is_as_listed for each in fetchers) else ""
    files = tuple(replace(each, validator=still) for each in landing.files)
    return files, tuple(each.note for each in fetchers if each.note)


class _Progress:
    """Tells how many contacts there are of how many."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.total: int | None = None
        self._done, self._told = 0, float("-inf")

    def brought(self) -> None:
        self._done += 1
        self.pulse()

    def pulse(self) -> None:
        """Say that it goes on, ten times a second at most; raise Cancelled."""
        self.watch.check()
        if monotonic() - self._told >= _TELL_EVERY_SECONDS:
            self._told = monotonic()
            self.watch.report(StepName.PULL, self._done, self.total, unit="contacts")

    def pause(self, wait: timedelta) -> None:
        asking.pause(self.watch, wait)


def file_names(books: Sequence[Book]) -> list[str]:
    """Return what the files of address books are called: as these are, told apart by the ends of
    their paths where two are called alike, and by the whole where those are alike, too.
    """
    ways = [_ways(book) for book in books]
    counts = Counter(way.casefold() for each in ways for way in each)
    return [
        next((way for way in each if counts[way.casefold()] == 1), each[-1]) + ".vcf"
        for each in ways
    ]


def _ways(book: Book) -> tuple[str, str, str]:
    """Return what it may be called: the shortest first, the last its own whatever others are."""
    name, path = _as_a_part(book.label), _as_a_part(book.key.strip("/"))
    return name, f"{name} ({places.last_part(book.key)})", f"{name} ({path})"


def _as_a_part(text: str) -> str:
    return clean_name(text.replace("/", "-").replace("\\", "-"))
