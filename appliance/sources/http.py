"""The only home of pulls from one address on a web server."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ..core.errors import ExportUnsafe
from ..core.model import Export, ExportFile, SeenFile
from ..core.ports import Watch
from . import answers
from .asking import Asker, Question
from .auth import Login
from .calling import Answer, Caller
from .landing import Landing, clean_name
from .origins import Address, Reach, read
from .receiving import Receiver
from .sight import Sight


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """One source of type http, as plain values that cross to the child as JSON."""

    name: str
    url: str = field(repr=False)
    auth: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """See `auth.sign_in`."""
    sign_in_of: Mapping[str, str] = field(default_factory=dict)
    """See `auth.Login`."""
    hosts: tuple[str, ...] = ()
    """Further hosts, or globs of them, that a redirect may lead to, without credentials."""
    credential_hosts: tuple[str, ...] = ()
    """Further hosts, or globs of them, that are shown the credentials."""
    ca_file: str = ""
    """Authorities to trust besides the system's, PEM."""
    file_name: str = ""
    """What to call the export, whatever the server calls it."""
    max_bytes: int = 20 * 10**9
    reserve_bytes: int = 512 * 10**6
    connect_seconds: float = 20.0
    idle_seconds: float = 120.0
    """How long the server may be silent, thinking about its answer included."""
    min_rate_bytes_per_second: int = 1000
    rate_seconds: float = 300.0
    """Over how long the rate is measured."""
    secrets_dir: str = ""
    """Where a replaced refresh token is stored."""

    @property
    def login(self) -> Login:
        """How it shows who we are."""
        return Login(self.auth, self.secrets_dir, self.sign_in_of)


def pull(
    settings: HttpSettings, into: Path, pulled_at: datetime, seen: Sequence[SeenFile], watch: Watch
) -> Export | None:
    """Given an empty folder, bring the export at the source's address into it.

    Return None where the server says that the newest of `seen` is unchanged. Raise
    SourceUnreachable, SourceRefused, ExportNotReady, ExportUnsafe, DiskFull or Cancelled.
    """
    with ExitStack() as stack:
        home, asker = _ready(settings, watch, _caller(settings, stack))
        condition = answers.condition(seen, home)
        fine = {200, 304} if condition else {200}
        answer = asker.ask(Question(home, headers=condition), fine)
        if answer.status == 304:
            return None
        receiver = Receiver(Landing.within(settings, into, watch), watch, asker.hidden)
        file = _received(settings, answer, home, asker, receiver)
        when = answers.date(answer.headers.get("Date", ""))
        told = None if answer.address.is_plain else when
        return Export(settings.name, (file,), pulled_at, told)


def _caller(settings: HttpSettings, stack: ExitStack) -> Caller:
    return Caller(settings.ca_file, settings.connect_seconds, settings.idle_seconds, stack)


def _ready(settings: HttpSettings, watch: Watch, caller: Caller) -> tuple[Address, Asker]:
    """Return where to ask, and who is signed in to ask there."""
    home = read(settings.url)
    reach = Reach(home, tuple(settings.hosts), tuple(settings.credential_hosts))
    reach.check(home)
    return home, Asker(caller, reach, settings.login, watch)


def _received(
    settings: HttpSettings, answer: Answer, home: Address, asker: Asker, receiver: Receiver
) -> ExportFile:
    def ask_again(extra: Mapping[str, str], also: Collection[int]) -> Answer:
        return asker.ask(Question(home, headers=extra), {200, *also})

    name = settings.file_name or answers.file_name(answer.headers, home, answer.address)
    file, _ = receiver.receive(answer, name, ask_again, answers.validator(answer.headers, home))
    return file


def look(settings: HttpSettings, sight: Sight, watch: Watch) -> None:
    """Tell what the server proves itself by and what a pull would take: its answer is begun, and
    not read. Raise what `pull` would.
    """
    sight.server = read(settings.url).host
    with ExitStack() as stack:
        caller = _caller(settings, stack)
        try:
            home, asker = _ready(settings, watch, caller)
            answer = asker.ask(Question(home))
        finally:
            sight.tell(caller.certificates.get(sight.server))
        name = settings.file_name or answers.file_name(answer.headers, home, answer.address)
        if "html" in answer.headers.get("Content-Type", "").lower():
            raise ExportUnsafe(
                "The server sends a web page instead of an export; perhaps it wants a login.",
                hint="Check the address and the login of this source.",
            )
        modified = answers.date(answer.headers.get("Last-Modified", ""))
        sight.would_take(clean_name(name), answer.length, modified)
