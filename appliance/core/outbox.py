"""The only home of what waits to be sent: letters, and how each address takes them.

Values alone. An address is known by the name of its secret; what it says stands nowhere in here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .vitals import Condition, Vital
from .words import age, listed, plural, when

MESSAGES = "messages"
"""The vital that says whether they get out."""
MOST_LETTERS = 20
"""So many wait at most; of more the oldest go."""
PAUSES = tuple(timedelta(minutes=each) for each in (1, 5, 15, 60, 240))
"""After each failure in a row; the last one repeats."""
_URGENT_PAUSE = timedelta(minutes=15)
"""What cannot wait is tried again after so long at most."""
_MOST_REFUSALS = 5
"""So often an address may refuse one letter; then it is let go for others that wait behind it."""
_LET_GO_TOLD = timedelta(days=1)
"""So long it is told that one was let go."""
_HICCUPS = 2
"""So often in a row an address must fail before anybody is told of it."""
_LATE = timedelta(hours=1)
TAKEN = ""
"""Instead of a reason: the letter was taken."""
WHY: Mapping[str, str] = {
    "absent": "the server does not answer",
    "slow": "the server takes too long",
    "login": "the server refuses the login",
    "certificate": "the server's certificate is not trusted",
    "refused": "the message was not taken",
    "address": "the address is not one that messages can go to",
    "secret": "the address is missing in the secret store",
}
"""Why a letter was not taken, by the one word that the sender says. No words of a library or of a
server are shown: they may hold the password."""
_TODO = "Look at the address under Settings, Messages, and send a test message."


@dataclass(frozen=True, slots=True)
class Letter:
    """One message, and who has yet to get it."""

    number: int
    written: datetime
    subject: str
    body: str
    to: tuple[str, ...]
    is_urgent: bool = False
    """Whether it goes out in quiet hours, too."""
    had: tuple[str, ...] = ()
    """Who got it."""
    let_go: int = 0
    """How many before it were let go, as too many waited."""

    def text(self, zone: ZoneInfo, now: datetime) -> str:
        """Return what it says now: where it waited for long, since when, and what went before."""
        notes = []
        if now - self.written >= _LATE:
            notes.append(f"This message waited since {when(self.written, zone)}.")
        if self.let_go:
            was = "was" if self.let_go == 1 else "were"
            notes.append(f"{plural(self.let_go, 'older message')} {was} let go.")
        return f"({' '.join(notes)})\n\n{self.body}" if notes else self.body


@dataclass(frozen=True, slots=True)
class Route:
    """How one address took what was sent last."""

    took: datetime | None = None
    """When it last took something."""
    failing: datetime | None = None
    """Since when it takes nothing."""
    why: str = ""
    tries: int = 0
    again: datetime | None = None
    """Not before then is it tried again."""
    number: int = 0
    """Which letter it refused last."""
    refusals: int = 0
    """How often it refused that one."""
    lost: datetime | None = None
    """When a letter to it was last let go."""

    @property
    def is_stuck(self) -> bool:
        """Whether somebody should hear of it."""
        return self.failing is not None and self.tries >= _HICCUPS

    def may_try(self, now: datetime, *, is_urgent: bool = False) -> bool:
        """Return whether it is time; a clock that went back makes nobody wait for longer."""
        if self.again is None:
            return True
        pause = PAUSES[min(max(self.tries - 1, 0), len(PAUSES) - 1)]
        less = max(pause - _URGENT_PAUSE, timedelta()) if is_urgent else timedelta()
        return not now < self.again - less <= now + PAUSES[-1]

    def after(self, why: str, now: datetime) -> Route:
        """Return how it is after a try that ended so."""
        if why == TAKEN:
            return Route(took=now, lost=self.lost)
        pause = PAUSES[min(self.tries, len(PAUSES) - 1)]
        return replace(
            self, failing=self.failing or now, why=why, tries=self.tries + 1, again=now + pause
        )


@dataclass(frozen=True, slots=True)
class Outbox:
    """All that waits, oldest first, and each address that was ever tried."""

    letters: tuple[Letter, ...] = ()
    routes: Mapping[str, Route] = field(default_factory=dict)
    last_number: int = 0

    def put(
        self, subject: str, body: str, to: Sequence[str], now: datetime, is_urgent: bool = False
    ) -> Outbox:
        """Return it with one more letter."""
        number = self.last_number + 1
        letter = Letter(number, now, subject, body, tuple(to), is_urgent)
        letters = _bounded([*self.letters, letter]) if to else self.letters
        return replace(self, letters=letters, last_number=number)

    def only_to(self, addresses: Collection[str]) -> Outbox:
        """Return it without addresses that there are no more.

        A letter that waited only for such goes to all that did not get it: a mistyped address was
        replaced by another.
        """
        kept = []
        for each in self.letters:
            to = tuple(one for one in each.to if one in addresses)
            new = tuple(one for one in addresses if one not in each.had)
            kept.append(replace(each, to=to or new))
        routes = {name: route for name, route in self.routes.items() if name in addresses}
        return replace(self, letters=tuple(each for each in kept if each.to), routes=routes)

    def for_address(self, name: str, *, is_quiet: bool = False) -> tuple[Letter, ...]:
        """Return what waits for an address, oldest first; in quiet hours what cannot wait."""
        letters = (each for each in self.letters if each.is_urgent or not is_quiet)
        return tuple(letter for letter in letters if name in letter.to)

    def due(self, now: datetime, *, is_quiet: bool = False) -> tuple[str, ...]:
        """Return the addresses for which something waits and that may be tried."""
        names: dict[str, bool] = {}
        for letter in self.letters:
            for name in letter.to if letter.is_urgent or not is_quiet else ():
                names[name] = names.get(name, False) or letter.is_urgent
        return tuple(
            name
            for name, is_urgent in names.items()
            if self.route(name).may_try(now, is_urgent=is_urgent)
        )

    def route(self, name: str) -> Route:
        """Return how an address is."""
        return self.routes.get(name, Route())

    def tried(self, name: str, number: int, why: str, now: datetime) -> Outbox:
        """Return it after an address was sent a letter.

        0 is one that is not in here, a test: what waits is tried no later because of it.
        """
        if not number and why != TAKEN:
            return self._with(name, replace(self.route(name), why=why))
        route = self.route(name).after(why, now)
        if why == TAKEN:
            return self._with(name, route, self._without(name, number, is_taken=True))
        if why == "refused":
            again = route.refusals if route.number == number else 0
            route = replace(route, number=number, refusals=again + 1)
        is_in_the_way = route.refusals >= _MOST_REFUSALS and len(self.for_address(name)) > 1
        if why != "refused" or not is_in_the_way:
            return self._with(name, route)
        gone = replace(route, number=0, refusals=0, again=None, lost=now)
        return self._with(name, gone, self._without(name, number))

    def _with(self, name: str, route: Route, letters: tuple[Letter, ...] | None = None) -> Outbox:
        letters = self.letters if letters is None else letters
        return replace(self, letters=letters, routes={**self.routes, name: route})

    def _without(self, name: str, number: int, *, is_taken: bool = False) -> tuple[Letter, ...]:
        """Return what waits without a letter for one address."""
        left = []
        for each in self.letters:
            if each.number != number:
                left.append(each)
            elif to := tuple(one for one in each.to if one != name):
                left.append(replace(each, to=to, had=(*each.had, name) if is_taken else each.had))
        return tuple(left)

    @property
    def last(self) -> datetime | None:
        """When anybody last took something."""
        return max((route.took for route in self.routes.values() if route.took), default=None)


def _bounded(letters: list[Letter]) -> tuple[Letter, ...]:
    """Let the oldest go that can wait, else the oldest; the next one says so."""
    while len(letters) > MOST_LETTERS:
        older = letters[:-1]
        going = next((i for i, each in enumerate(older) if not each.is_urgent), 0)
        gone = letters.pop(going)
        heir = letters[going]
        letters[going] = replace(heir, let_go=heir.let_go + gone.let_go + 1)
    return tuple(letters)


def vital(box: Outbox, shown: Mapping[str, str], zone: ZoneInfo, now: datetime) -> Vital:
    """Given what waits and how each address is shown (without what it must not), judge it."""
    stuck = {name: box.route(name) for name in shown if box.route(name).is_stuck}
    if not stuck:
        if lost := [name for name in shown if _is_lost(box.route(name), now)]:
            whom = listed([shown[name] for name in lost])
            words = f"A message was refused again and again and let go: {whom}."
            return Vital(MESSAGES, Condition.LOOK, words, _TODO)
        last = f"The last message got out {age(now - box.last)}." if box.last else ""
        return Vital(MESSAGES, Condition.OK, last or "No message had to go out yet.")
    since = min(route.failing for route in stuck.values() if route.failing)
    reasons = [f"{shown[name]}: {WHY.get(route.why, route.why)}" for name, route in stuck.items()]
    whose = "Messages" if len(stuck) == len(shown) else f"Some messages ({len(stuck)} addresses)"
    if len(shown) > len(stuck) == 1:
        whose = f"Messages to {listed([shown[name] for name in stuck])}"
        reasons = [WHY.get(route.why, route.why) for route in stuck.values()]
    sentence = f"{whose} have not got out since {when(since, zone)}: {'; '.join(reasons)}."
    return Vital(MESSAGES, Condition.LOOK, sentence, _TODO)


def _is_lost(route: Route, now: datetime) -> bool:
    return route.lost is not None and route.lost <= now < route.lost + _LET_GO_TOLD


def as_json(box: Outbox) -> dict[str, object]:
    """Return it as plain JSON values."""
    return {
        "last_number": box.last_number,
        "letters": [
            {
                "number": each.number,
                "written": each.written.isoformat(),
                "subject": each.subject,
                "body": each.body,
                "to": list(each.to),
                "urgent": each.is_urgent,
                "had": list(each.had),
                "let_go": each.let_go,
            }
            for each in box.letters
        ],
        "routes": {
            name: {
                "took": _iso(route.took),
                "failing": _iso(route.failing),
                "why": route.why,
                "tries": route.tries,
                "again": _iso(route.again),
                "number": route.number,
                "refusals": route.refusals,
                "lost": _iso(route.lost),
            }
            for name, route in box.routes.items()
        },
    }


def from_json(told: Mapping[str, Any]) -> Outbox:
    """Given what `as_json` made, return it."""
    letters = [
        Letter(
            each["number"],
            datetime.fromisoformat(each["written"]),
            each["subject"],
            each["body"],
            tuple(each["to"]),
            each["urgent"],
            tuple(each.get("had", ())),
            each.get("let_go", 0),
        )
        for each in told.get("letters", ())
    ]
    routes = {
        name: Route(
            _time(route["took"]),
            _time(route["failing"]),
            route["why"],
            route["tries"],
            _time(route["again"]),
            route.get("number", 0),
            route.get("refusals", 0),
            _time(route.get("lost")),
        )
        for name, route in told.get("routes", {}).items()
    }
    return Outbox(tuple(letters), routes, told.get("last_number", 0))


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
