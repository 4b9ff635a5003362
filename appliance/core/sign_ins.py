"""The only home of what is known of a sign-in at a vendor: since when it holds, and until when.

Nothing here is secret: the token itself lies in the secret store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from .signals import Reason
from .vitals import Condition, Vital

BY_A_PERSON = ("authorization_code", "device_code")
"""Grants for which somebody signs in once; afterwards the box does it with a refresh token."""
RENEWED = ("refresh_token", *BY_A_PERSON)
"""Grants that live on a refresh token."""
MOVED = "The servers of this source are others than when somebody signed in."
_NEAR = timedelta(days=14)
_SOON = timedelta(days=1)
_LONGEST_SECRET_NAME = 64
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December")  # fmt: skip


@dataclass(frozen=True, slots=True)
class SignIn:
    """What is remembered of the sign-in of one source."""

    since: datetime | None = None
    """When a person signed in, or what the box signs in with was used for the first time."""
    used: datetime | None = None
    """When the vendor let the box in last."""
    told: datetime | None = None
    """Until when it holds, where the vendor says so."""
    count: int = 0
    """How often the vendor let the box in."""
    who: str = ""
    """As whom, where the vendor says so."""
    bound_to: str = ""
    """For which servers it was given: it is shown to no others. See `bound_to`."""
    mark: str = ""
    """Tells what the box signs in with from another one; see `mark`."""


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long a vendor that says nothing lets a sign-in live, as the office was told."""

    lasts: timedelta | None = None
    """Since somebody signed in."""
    idle: timedelta | None = None
    """Since it was used last."""


class Standing(StrEnum):
    """How a sign-in stands."""

    GOOD = "good"
    NONE = "none"
    """Nobody has signed in yet."""
    NEAR = "near"
    """It ends soon."""
    OVER = "over"
    REFUSED = "refused"
    """The vendor said no when the box tried it last."""


def secret_name(source: str) -> str:
    """Given a source's name, return the name of the secret that its sign-in brings."""
    name = f"signin-{source}"
    if len(name) <= _LONGEST_SECRET_NAME:
        return name
    return f"{name[:48]}-{hashlib.sha256(source.encode()).hexdigest()[:12]}"


def mark(secret: str) -> str:
    """Return what tells a token or a key from another one; of no use to whoever reads it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16] if secret else ""


def bound_to(*places: str) -> str:
    """Given which app asks and the servers that see what a sign-in brings, return what tells them
    from others: whoever may change an address must not have a stored sign-in sent there.
    """
    return hashlib.sha256("\n".join(places).encode()).hexdigest()[:16]


def ends(found: SignIn, lasting: Lasting) -> datetime | None:
    """Return until when a sign-in holds, as far as anybody said; None where nobody did, or where it
    was good for longer than they said.
    """
    said = [found.told]
    if lasting.lasts is not None and found.since is not None:
        said.append(found.since + lasting.lasts)
    if lasting.idle is not None and found.used is not None:
        said.append(found.used + lasting.idle)
    used = found.used
    return min((one for one in said if one is not None and (not used or one >= used)), default=None)


def standing(
    found: SignIn, lasting: Lasting, now: datetime, *, is_there: bool, is_refused: bool
) -> Standing:
    """Given what is remembered, whether there is anything to sign in with, and whether the vendor
    said no since, return how it stands. `now` must be a trusted time.
    """
    if not is_there:
        return Standing.NONE
    if is_refused:
        return Standing.REFUSED
    end = ends(found, lasting)
    if end is None:
        return Standing.GOOD
    if end <= now:
        return Standing.OVER
    return Standing.NEAR if end - now <= _near(found, end) else Standing.GOOD


def _near(found: SignIn, end: datetime) -> timedelta:
    """A token that lives for a week is not near its end all the time."""
    began = found.used if found.told == end else found.since
    return min(_NEAR, (end - began) / 3) if began is not None and began < end else _NEAR


def day(moment: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Return a day as one says it: `4 March`; another year, and today's hour, are said too."""
    local, today = moment.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"today {local:%H:%M}"
    year = f" {local.year}" if local.year != today.year else ""
    return f"{local.day} {_MONTHS[local.month - 1]}{year}"


def last_day(end: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Say by when somebody must have signed in again: ` by 3 March` for an end on the fourth, as
    that may be before the night's backup; or that it must be today.
    """
    return " today" if end - now <= _SOON else f" by {day(end - _SOON, zone, now)}"


def sentence(
    source: str, how: Standing, end: datetime | None, zone: ZoneInfo, now: datetime
) -> str:
    """Say in one sentence how a sign-in stands."""
    match how:
        case Standing.REFUSED:
            return f"The vendor of {source} does not accept the box's sign-in any more."
        case Standing.NONE:
            return f"Nobody has signed in at the vendor of {source} yet."
        case Standing.OVER:
            return f"The sign-in at the vendor of {source} is over."
        case _ if end is not None:
            return f"The sign-in at the vendor of {source} holds until {day(end, zone, now)}."
        case _:
            return f"The sign-in at the vendor of {source} is in order."


def todo(
    source: str,
    how: Standing,
    end: datetime | None,
    zone: ZoneInfo,
    now: datetime,
    *,
    by_a_person: bool,
) -> str:
    """Say what somebody has to do about it; empty where nothing is to be done."""
    if how is Standing.GOOD:
        return ""
    if not by_a_person:
        return f"Give the box a new key or password for {source}: the vendor's screens make one."
    by = last_day(end, zone, now) if how is Standing.NEAR and end is not None else ""
    again = "" if how is Standing.NONE else " again"
    return f"Sign in{again}{by}: `appliance signin {source}`, or on the page under Settings."


def vital(fact: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> Vital:
    """Given a sign-in as `status` tells it, return how it stands beside the parts of the box."""
    how, end = Standing(fact["state"]), _moment(fact["until"])
    words = str(fact["sentence"])
    name = f"sign-in {fact['source']}"
    if how is Standing.GOOD:
        return Vital(name, Condition.OK, words)
    urgent = how is not Standing.NEAR or (end is not None and end - now <= _SOON)
    by_a_person = bool(fact["by_a_person"])
    what = todo(str(fact["source"]), how, end, zone, now, by_a_person=by_a_person)
    return Vital(name, Condition.LOOK, words, what, Reason.SIGN_IN, urgent)


def as_json(found: SignIn) -> dict[str, object]:
    """Return what is remembered as plain JSON values."""
    return {
        "since": _iso(found.since),
        "used": _iso(found.used),
        "told": _iso(found.told),
        "count": found.count,
        "who": found.who,
        "bound_to": found.bound_to,
        "mark": found.mark,
    }


def from_json(said: Mapping[str, Any]) -> SignIn:
    """Given what `as_json` made, return it; raise ValueError, KeyError or TypeError."""
    return SignIn(
        _moment(said["since"]),
        _moment(said["used"]),
        _moment(said["told"]),
        int(said["count"]),
        str(said["who"]),
        str(said["bound_to"]),
        str(said["mark"]),
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: Any) -> datetime | None:
    """A time without a zone would break every comparison later."""
    if text is None:
        return None
    found = datetime.fromisoformat(str(text))
    if found.tzinfo is None:
        raise ValueError(text)
    return found
