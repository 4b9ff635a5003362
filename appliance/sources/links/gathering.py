"""The only home of what becomes of all files with links in an inbox: each is told of, or fetched.

One that fails holds up no other. A file that was asked for is remembered before and after, so that
a power cut forgets neither since when it waits nor what was archived of it already.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

from ...core.errors import (
    ApplianceError,
    Cancelled,
    DiskFull,
    ExportNotReady,
    ExportUnsafe,
    LinkDead,
    SourceRefused,
    SourceUnreachable,
)
from ...core.model import ExportFile, StepName
from ...core.ports import Watch
from ..landing import Landing, free_name
from . import waiting
from .choosing import Choice, chosen
from .fetching import Bounds, WebPage, fetch
from .held import Held
from .link import Link, Links
from .waiting import Waiting

_MOST_TOLD = 4
_MOST_TROUBLES = 20
_KINDS = (SourceUnreachable, LinkDead, ExportNotReady, ExportUnsafe, DiskFull)
_ONE_MORE = "The export that {} leads to came. One more link in it brought no file."
_SEE = "Open that link yourself; if it is an export, too, put the file into the inbox."
_NO_TIME = "It is tried again by itself; what came in time is backed up."


@dataclass(frozen=True, slots=True)
class Means:
    """What fetching may cost, and where it is remembered."""

    into: Path
    bounds: Bounds
    max_bytes: int
    """What is left of the limit."""
    limit_bytes: int
    reserve_bytes: int
    min_rate_bytes_per_second: int
    deadline: float
    """On the monotonic clock: what is not here by then is left for the next Run."""
    memory: Path | None
    last: timedelta | None
    """How long links work, where the office says so."""


@dataclass(slots=True)
class Gathered:
    """What came, and what did not."""

    files: list[ExportFile] = field(default_factory=list)
    troubles: list[ApplianceError] = field(default_factory=list)
    done: list[bytes] = field(default_factory=list)
    """Files of the inbox whose links were all archived before."""

    def few(self) -> tuple[ApplianceError, ...]:
        """Return so many troubles as somebody reads, what is tried again first, and how many more
        there are.
        """
        ordered = sorted(self.troubles, key=lambda each: not each.retry)
        more = len(ordered) - _MOST_TROUBLES
        if more <= 0:
            return tuple(ordered)
        words = f"{more} more files with links were not fetched."
        return (*ordered[:_MOST_TROUBLES], SourceRefused(words, hint=ordered[-1].hint))

    def as_one(self) -> ApplianceError:
        """Return the one error that says all that went wrong where nothing came: one that is tried
        again where any of them is.
        """
        first = next((each for each in self.troubles if each.retry), self.troubles[0])
        told = [*dict.fromkeys(each.message for each in self.troubles)]
        more = [f"And {len(told) - _MOST_TOLD} more."] if len(told) > _MOST_TOLD else []
        detail = "\n".join(dict.fromkeys(each.detail for each in self.troubles if each.detail))
        words = " ".join(told[:_MOST_TOLD] + more)
        return _said(type(first), words, first.hint, detail[:2000], self.troubles)


class Gathering:
    """One pull's work on the files with links."""

    def __init__(self, means: Means, now: datetime, watch: Watch, taken: Sequence[str]) -> None:
        """`taken` are names that other files of the export have."""
        self._means, self._now, self._watch = means, now, watch
        self._taken = set(taken)
        self._known: dict[str, ExportFile] = {}
        self._received_bytes = 0
        self.gathered = Gathered()

    def gather(self, held: Sequence[Held]) -> Gathered:
        """Fetch what all these files hold, as far as it can be had; raise Cancelled or what writing
        the memory raises.
        """
        before = waiting.read(self._means.memory) if self._means.memory else {}
        wanted = [(each, self._chosen(each)) for each in held]
        after = {
            each.key: self._waits(each, choice, before.get(each.key))
            for each, choice in wanted
            if isinstance(each.said, Links) and not each.is_kept
        }
        self._remember(after)
        for each, choice in wanted:
            if choice is not None:
                after[each.key] = self._fetched(each, choice, after[each.key])
        self._remember(after)
        done = {key for key, each in after.items() if each.is_done}
        self.gathered.done = [each.raw for each in held if each.key in done]
        return self.gathered

    def _remember(self, files: Mapping[str, Waiting]) -> None:
        if self._means.memory:
            waiting.write(self._means.memory, files, self._means.last)

    def _chosen(self, held: Held) -> Choice | None:
        """Return what is to be fetched; None where that is nothing, and say why."""
        try:
            if isinstance(held.said, ApplianceError):
                raise held.said
            return chosen(held.name, held.said, self._means.bounds.hosts, is_mail=held.is_mail)
        except ApplianceError as error:
            self._complain(held.name, error)
            return None

    def _waits(self, held: Held, choice: Choice | None, before: Waiting | None) -> Waiting:
        written = held.said.written if isinstance(held.said, Links) else None
        since = min(before.since, self._now) if before else self._now
        if written and written <= self._now:  # a clock that was wrong at first is right by now
            since = written
        marks = frozenset(link.mark for link in choice.links) if choice else frozenset()
        return Waiting(held.name, since, marks, before.fetched if before else frozenset())

    def _fetched(self, held: Held, choice: Choice, known: Waiting) -> Waiting:
        """Fetch what is not archived yet; return what is known of the file then."""
        landed: dict[str, str] = {}
        faults: dict[str, ApplianceError] = {}
        for link in choice.links:
            if link.mark not in known.fetched:
                try:
                    landed[link.mark] = self._brought(link).sha256
                except Cancelled:
                    raise
                except ApplianceError as error:
                    faults[link.mark] = error
        came = known.fetched | landed.keys()
        pages = _pages(choice, faults) if came else frozenset()
        others = _others(choice, faults, came) - pages
        told = {each.message: each for mark, each in faults.items() if mark not in pages | others}
        for fault in told.values():
            self._complain(held.name, fault)
        if others:
            self.gathered.troubles.append(ApplianceError(_ONE_MORE.format(held.name), hint=_SEE))
        wanted = [each for mark, each in faults.items() if mark in choice.sure]
        is_dead = bool(wanted) and all(isinstance(each, LinkDead) for each in wanted)
        left = known.wanted - pages - others
        return replace(known, wanted=left, landed=landed, is_dead=is_dead)

    def _brought(self, link: Link) -> ExportFile:
        """Return the file that a link leads to; the same link leads to it once."""
        if link.mark not in self._known:
            self._known[link.mark] = self._kept(self._received(link))
        return self._known[link.mark]

    def _received(self, link: Link) -> ExportFile:
        means, left = self._means, self._means.deadline - monotonic()
        if left <= 0:
            raise SourceUnreachable("There was no time left for it.", hint=_NO_TIME)
        self._watch.report(StepName.PULL, self._received_bytes, note=f"asking {link.host}")
        landing = Landing(
            means.into,
            max(0, means.max_bytes - self._received_bytes),
            means.reserve_bytes,
            self._watch,
            min_rate_bytes_per_second=means.min_rate_bytes_per_second,
            total_seconds=left,
            limit_bytes=means.limit_bytes,
        )
        try:
            return fetch(link, landing, means.bounds, self._watch)
        finally:
            self._received_bytes += landing.received_bytes

    def _kept(self, file: ExportFile) -> ExportFile:
        """Add a file under a name of its own, unless just this one is there."""
        for each in self.gathered.files:
            if each.sha256 == file.sha256 and _stem(each.name) == _stem(file.name):
                file.path.unlink()
                return each
        file = replace(file, name=free_name(file.name, self._taken))
        self._taken.add(file.name)
        self.gathered.files.append(file)
        return file

    def _complain(self, name: str, error: ApplianceError) -> None:
        self.gathered.troubles.append(_about(name, error))


def _pages(choice: Choice, faults: Mapping[str, ApplianceError]) -> frozenset[str]:
    """Of a mail that brought a file: which of its other links were only to be read."""
    return frozenset(m for m, each in faults.items() if isinstance(each, WebPage)) - choice.sure


def _others(
    choice: Choice, faults: Mapping[str, ApplianceError], came: Collection[str]
) -> frozenset[str]:
    """Of a mail whose downloads all came: which of its other links bring nothing, ever. They lead
    to where one signs in, mostly; asked for each day, the mail would be told of for ever.
    """
    if not choice.sure.issubset(came):
        return frozenset()
    return frozenset(mark for mark, each in faults.items() if not each.retry) - choice.sure


def _about(name: str, error: ApplianceError) -> ApplianceError:
    """Say of which file an error is, as one of the kinds that everybody knows."""
    kind = next((kind for kind in _KINDS if isinstance(error, kind)), SourceRefused)
    if isinstance(error, LinkDead):
        words = f"The link in {name} has died; ask for a new export."
    elif error.message.startswith("It "):
        words = f"What is in {name} cannot be fetched: i{error.message[1:]}"
    elif name in error.message:
        words = error.message
    else:
        words = f"The link in {name} could not be fetched: {error.message}"
    return _said(kind, words, error.hint, error.detail, [error])


def _said(
    kind: type[ApplianceError],
    words: str,
    hint: str,
    detail: str,
    causes: Sequence[ApplianceError],
) -> ApplianceError:
    """Return an error of a kind, with the longest wait that a server asked for."""
    if kind is not SourceUnreachable:
        return kind(words, hint=hint, detail=detail)
    told = [each.retry_after for each in causes if isinstance(each, SourceUnreachable)]
    wait = max(filter(None, told), default=None)
    return SourceUnreachable(words, hint=hint, detail=detail, retry_after=wait)


def _stem(name: str) -> str:
    return name.rpartition("/")[2]
