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
from .discovery import Book, chosen, find
from .fetching import Fetcher
from .listing import Listing, listings, newness
from .server import Server
from .settings import ELSEWHERE, CardDavSettings

__all__ = ["CardDavSettings", "look", "pull"]


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
        found = _found(settings, server, home)
        state = newness(settings, found)
        if state and seen and seen[0].validator == state:
            return None
        if not any(each.cards for each in found):
            raise ExportUnsafe(
                f"There is no contact in the address books on {home.host}.",
                hint="Check the login of this source, and whether somebody emptied them.",
            )
        files = _brought(settings, server, found, into, progress=progress, state=state)
        return Export(settings.name, files, pulled_at, server.time)


def look(settings: CardDavSettings, sight: Sight, watch: Watch) -> None:
    """Tell what the server proves itself by, and which address books there are with how many
    contacts; raise what `pull` would.
    """
    sight.server = read(settings.url).host
    with ExitStack() as stack:
        caller = _caller(settings, stack)
        try:
            home, server = _ready(settings, _Progress(watch), caller)
            found = _found(settings, server, home)
        finally:
            sight.tell(caller.certificates.get(sight.server))
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
    login = auth.Login(settings.auth, settings.secrets_dir)
    return home, Server(Asker(caller, reach, login, progress.watch), reach, progress.pulse)


def _found(settings: CardDavSettings, server: Server, home: Address) -> tuple[Listing, ...]:
    return listings(server, chosen(find(server, home), settings.collections))


def _brought(
    settings: CardDavSettings,
    server: Server,
    found: Sequence[Listing],
    into: Path,
    *,
    progress: _Progress,
    state: str,
) -> tuple[ExportFile, ...]:
    """Bring every address book that has cards; `state` is kept with them if it is still true."""
    landing = Landing(
        into,
        settings.max_bytes,
        settings.reserve_bytes,
        Watch(cancel=progress.watch.cancel),  # it would count bytes
        min_rate_bytes_per_second=settings.min_rate_bytes_per_second,
        rate_seconds=settings.rate_seconds,
    )
    progress.total = sum(len(each.cards) for each in found)
    is_as_listed = True
    names = file_names([each.book for each in found])
    for name, each in zip(names, found, strict=True):
        if each.cards:
            fetcher = Fetcher(server, each, progress.pause, progress.brought)
            with landing.file(name) as writer:
                for card in fetcher.each(settings.batch):
                    writer.write(card)
            is_as_listed = is_as_listed and fetcher.is_as_listed
    return tuple(replace(each, validator=state if is_as_listed else "") for each in landing.files)


class _Progress:
    """Tells how many contacts there are of how many."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.total: int | None = None
        self._done = 0

    def brought(self, count: int) -> None:
        self._done += count
        self.pulse()

    def pulse(self) -> None:
        """Say that it goes on."""
        self.watch.report(StepName.PULL, self._done, self.total, unit="contacts")

    def pause(self, wait: timedelta) -> None:
        asking.pause(self.watch, wait)


def file_names(books: Sequence[Book]) -> list[str]:
    """Return what the files of address books are called: as these are, told apart by their paths
    where two are called alike.
    """
    plain = [clean_name(book.label.replace("/", "-").replace("\\", "-")) for book in books]
    alike = Counter(name.casefold() for name in plain)
    return [
        f"{name} ({places.last_part(book.key)}).vcf"
        if alike[name.casefold()] > 1
        else f"{name}.vcf"
        for name, book in zip(plain, books, strict=True)
    ]
