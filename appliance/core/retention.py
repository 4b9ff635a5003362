"""The only home of *what may go*: which archives of one source retention lets go of, and why the
others stay.

It decides over sequence numbers and over dates that were taken on a trusted clock, never over
the clock of the moment; the rules count as Borg's do (the newest archive of each period), in the
office's time zone. One rule looks at the clock: the end, past which nothing stays whatever the
others say. It is the office's own promise to its customers, so neither the share that may go at
once nor being held keeps anything from it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .errors import ClockNotTrusted
from .model import Archive

FAR_AHEAD = timedelta(days=60)
"""From here on a clock ahead of the newest archive needs a second opinion. Longer than a month
that a box is off, or that lies between two monthly backups."""
AGREEMENT = timedelta(minutes=10)
"""How closely that second opinion must agree."""
SHARE_PER_CALL = 5
"""At most one in so many archives goes at once; the rest goes next time. What is past the end that
the office has set goes all the same: a date that was promised is not missed for it."""
NARROW_GAP = timedelta(days=31)
"""An archive without a trusted date may go only where trusted ones stand this close around it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How many archives are kept: the newest, and the newest of each day, week, month, year."""

    last: int = 7
    daily: int = 30
    weekly: int = 12
    monthly: int = 24
    yearly: int = 7
    at_most: timedelta | None = None
    """How old an archive gets, whatever the counts say; None: there is no end."""

    def __post_init__(self) -> None:
        counts = (self.last, self.daily, self.weekly, self.monthly, self.yearly)
        if any(count < 0 for count in counts):
            raise ValueError("Retention counts cannot be negative.")
        if not any(counts):
            raise ValueError("Retention must keep something: all its counts are 0.")
        if self.at_most is not None and self.at_most <= timedelta():
            raise ValueError("Retention cannot end before it begins.")


def clock_is_trusted(
    now: datetime,
    synchronised: bool,
    newest: datetime | None,
    second_opinion: datetime | None,
) -> bool:
    """Return whether `now` may decide what is deleted or overdue.

    It must come from a clock synchronised since boot and not lie behind `newest`, the newest
    trusted archive's time; if it lies more than FAR_AHEAD of that, `second_opinion`, the time
    a server told us over TLS just now, must agree. (`engine.trust` has the other way back.)
    """
    if not synchronised or (newest is not None and now < newest):
        return False
    if newest is None or now - newest <= FAR_AHEAD:
        return True
    return second_opinion is not None and abs(now - second_opinion) <= AGREEMENT


def doomed(
    archives: Sequence[Archive],
    policy: Policy,
    zone: ZoneInfo,
    verified: Collection[str],
    now: datetime,
) -> tuple[Archive, ...]:
    """Given all archives of one source in one place and the names of those proved whole there,
    return those that may go now, oldest first; call it with a trusted `now` only.

    Never the newest proved one or a newer one; of what the counts let go never a held one and never
    more than a fifth at once; all that is past the end. Raise ClockNotTrusted where an archive with
    a trusted date lies in the future of `now`, ValueError where the archives are not of one source.
    """
    _require_one_source(archives)
    dated = _dated(_good(archives))
    if any(archive.time > now for archive in archives if archive.clock_trusted):
        raise ClockNotTrusted("A copy is dated in the future, so no old copy was removed.")
    newest_proved = max(
        (archive.sequence for archive in _good(archives) if archive.name in verified), default=0
    )
    wanted = _reasons(dated, policy, zone)
    spare = [archive for archive in dated if archive.name not in wanted]
    spare += _spare_undated(archives, dated, policy)
    newest = {archive.name for archive in _newest(_good(archives), policy.last)}
    may_go = [
        archive
        for archive in spare
        if archive.sequence < newest_proved and archive.name not in newest
    ]
    ended = _past_the_end(archives, policy, now)
    going = {one.name for one in may_go[: max(1, len(dated) // SHARE_PER_CALL)]}
    going |= {one.name for one in ended if one.sequence < newest_proved}
    return tuple(archive for archive in _ordered(archives) if archive.name in going)


def explain(
    archives: Sequence[Archive], policy: Policy, zone: ZoneInfo, now: datetime
) -> Mapping[str, tuple[str, ...]]:
    """Given all archives of one source, return by name why each is kept (`daily 2026-11-20`).

    An empty tuple means that no rule wants it any more; the newest good one has no end. Raise
    ValueError as `doomed` does.
    """
    _require_one_source(archives)
    dated = _dated(_good(archives))
    newest = max((archive.sequence for archive in _good(archives)), default=0)
    ended = {one.name for one in _past_the_end(archives, policy, now) if one.sequence < newest}
    trusted = {archive.name for archive in dated}
    wanted = _reasons(dated, policy, zone)
    spare = {archive.name for archive in _spare_undated(archives, dated, policy)}

    def reasons(archive: Archive) -> Iterator[str]:
        if archive.name in ended:
            return
        if archive.held:
            yield "held"
        elif archive.name not in trusted and archive.name not in spare:
            yield "date in the future" if archive.time > now else "date not trusted"
        elif archive.name in wanted:
            yield wanted[archive.name]

    return {archive.name: tuple(reasons(archive)) for archive in archives}


def _require_one_source(archives: Sequence[Archive]) -> None:
    if len({archive.source for archive in archives}) > 1:
        raise ValueError("Retention decides over one source at a time.")


def _ordered(archives: Iterable[Archive]) -> list[Archive]:
    """Oldest first."""
    return sorted(archives, key=lambda archive: archive.sequence)


def _good(archives: Sequence[Archive]) -> list[Archive]:
    """All but the held ones, oldest first."""
    return _ordered(archive for archive in archives if not archive.held)


def _newest(ordered: Sequence[Archive], count: int) -> Sequence[Archive]:
    return ordered[-count:] if count else ()


def _past_the_end(archives: Sequence[Archive], policy: Policy, now: datetime) -> list[Archive]:
    """Those older than the end, the held ones too. One whose own date counts for nothing is older
    as soon as one that came after it is.
    """
    if policy.at_most is None:
        return []
    end, ordered = now - policy.at_most, _ordered(archives)
    last = max((one.sequence for one in _dated(ordered) if one.time < end), default=0)
    return [archive for archive in ordered if archive.sequence <= last]


def _dated(ordered: Sequence[Archive]) -> list[Archive]:
    """Those whose date counts, oldest first: taken on a trusted clock, and the largest set of those
    whose dates agree with their order, so that a few wrong ones stand out.
    """
    chains: list[_Chain] = []  # the best chain of each length: the one that ends earliest
    for archive in ordered:
        if archive.clock_trusted:
            length = bisect_left(chains, archive.time, key=lambda chain: chain.archive.time)
            chains[length : length + 1] = [_Chain(archive, chains[length - 1] if length else None)]
    return [*chains[-1]][::-1] if chains else []


@dataclass(frozen=True, slots=True)
class _Chain:
    """Archives in the order of both sequence and date, linked from the newest back."""

    archive: Archive
    before: _Chain | None

    def __iter__(self) -> Iterator[Archive]:
        link: _Chain | None = self
        while link:
            yield link.archive
            link = link.before


def _spare_undated(
    archives: Sequence[Archive], dated: Sequence[Archive], policy: Policy
) -> list[Archive]:
    """The good ones without a date that counts, once trusted ones surround them: one before, one
    after, the two close together, and the newest `last` all behind them.
    """
    trusted = {archive.name for archive in dated}
    settled = _newest(dated, max(policy.last, 1))

    def surrounded(archive: Archive) -> bool:
        before = [other for other in dated if other.sequence < archive.sequence]
        after = [other for other in dated if other.sequence > archive.sequence]
        if not before or len(after) < len(settled):
            return False
        return after[0].time - before[-1].time <= NARROW_GAP

    return [a for a in _good(archives) if a.name not in trusted and surrounded(a)]


def _reasons(dated: Sequence[Archive], policy: Policy, zone: ZoneInfo) -> dict[str, str]:
    """Why each dated archive is kept, as Borg counts: from the newest back, the newest of each
    period, an archive kept by one rule not counted by the next; a rule that finds too few
    keeps the oldest as well.
    """
    kept: dict[str, str] = {}
    for rule, count, period_of in _rules(policy, zone):
        taken, last_period, archive = 0, "", None
        for archive in reversed(dated):
            if taken == count:
                break
            period = period_of(archive)
            if period != last_period and archive.name not in kept:
                kept[archive.name] = f"{rule} {period}"
                taken += 1
            last_period = period
        if archive and taken < count and archive.name not in kept:
            kept[archive.name] = f"{rule}, the oldest there is"
    return kept


def _rules(policy: Policy, zone: ZoneInfo) -> Iterator[tuple[str, int, Callable[[Archive], str]]]:
    def local(form: str) -> Callable[[Archive], str]:
        return lambda archive: archive.time.astimezone(zone).strftime(form)

    yield "last", policy.last, lambda archive: f"number {archive.sequence}"
    yield "daily", policy.daily, local("%Y-%m-%d")
    yield "weekly", policy.weekly, local("%G-W%V")
    yield "monthly", policy.monthly, local("%Y-%m")
    yield "yearly", policy.yearly, local("%Y")
