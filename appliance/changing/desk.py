"""Where the office's settings are read and changed for the page.

Part of the rim. It outlives a configuration, as what somebody is about to change does. The file
itself is what counts: every answer reads it anew, and a change names the text that it was made for.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any

from .. import place
from ..box import Box
from ..config import Settings, load, parse, tables
from ..core.errors import ApplianceError, ConfigError, Problem
from ..core.foresight import Foresight, foresee
from ..core.offers import as_json as offer_as_json
from ..core.outbox import MESSAGES
from ..core.ports import Ledger
from ..core.settable import NAMED, SCHEDULED, SECTIONS
from ..data_protection import when_gone
from ..messaging import address
from ..system.files import make_private, write_durably
from . import editing, forms, offers
from .drafts import Drafts
from .proposals import CLOUDS, PAGE, Proposal, Proposer, names_in, shown

LAST_GOOD = "last-good.toml"
"""In the state folder: the file as it was when it was taken over."""
log = logging.getLogger("appliance")

_STORED = re.compile(r"\$\{secret:([a-z0-9_-]+)\}")
_IN_CLEAR = "an address that stands in the file itself"
_MOVED = "Somebody changed the settings meanwhile. Look at what will change once more, then save."
_NO_FILE = "The settings cannot be changed here: this worker was started without their file."


class Desk:
    """The settings of one box, for whoever asks at the worker's socket."""

    def __init__(self, file: Path | None, box: Box) -> None:
        self._file, self._secrets, self._state = file, box.secrets, box.state
        self.drafts = Drafts(box.clock.monotonic)
        self.problems: tuple[Problem, ...] = ()
        """What is wrong with the file, while the one before is in use."""
        self._good = ""
        self._lock = RLock()

    @property
    def file(self) -> Path | None:
        """The configuration's file, where the worker knows it."""
        return self._file

    def judge(self, read: Callable[[], Settings]) -> Settings:
        """Return what `read` does, and remember what is wrong where it raises ConfigError."""
        try:
            settings = read()
        except ConfigError as error:
            if error.problems != self.problems:
                log.warning("configuration=refused the old one stays: %s", error.message)
            self.problems = error.problems
            raise
        self.problems = ()
        return settings

    def facts(self, in_use: Settings) -> dict[str, object]:
        """Return all sections as the page shows them, and whether the file is in use."""
        raw = self._raw()
        return {
            "stamp": self._stamp(),
            "file": str(self._file or ""),
            "problems": [_as_json(each) for each in self._problems_now()],
            "waits": self._waits(in_use),
            "zone": in_use.appliance.timezone,
            "sections": {each: _section(raw, each) for each in SECTIONS if each not in NAMED}
            | {each: _sections(raw, each) for each in NAMED},
            "addresses": self._addresses(raw),
            "repositories": [each.name for each in in_use.repository if each.url is None],
            "panel": raw.get("panel", {}),
            "recipes": [offer_as_json(each) for each in offers.offered(_tables(raw, "source"))],
        }

    def _raw(self) -> Mapping[str, Any]:
        """Return the tables of the file; of the last good one where it is no TOML."""
        text = self._text()
        with suppress(ConfigError):
            raw = tables(text)
            if _is_usable(text):
                self._good = text
            return raw
        return tables(self._good)

    def _addresses(self, raw: Mapping[str, Any]) -> list[dict[str, str]]:
        """Return each address for messages by its secret's name, as it may be shown."""
        section = raw.get(MESSAGES)
        to = section.get("to") if isinstance(section, Mapping) else None
        found = [_STORED.fullmatch(str(each)) for each in (to if isinstance(to, list) else ())]
        names = [each[1] if each else "" for each in found]
        seen = address.numbered([self._seen(name) if name else _IN_CLEAR for name in names])
        return [{"name": name, "address": each} for name, each in zip(names, seen, strict=True)]

    def _seen(self, name: str) -> str:
        try:
            return address.shown(self._secrets.get(name))
        except ConfigError:
            return f"“{name}”, which is missing"

    def _text(self) -> str:
        if self._file is None:
            raise ApplianceError(_NO_FILE)
        return editing.text_of(self._file)

    def _stamp(self) -> str:
        return hashlib.sha256(self._text().encode()).hexdigest()

    def _problems_now(self) -> tuple[Problem, ...]:
        try:
            parse(self._text())
        except ConfigError as error:
            return error.problems
        return self.problems

    def _waits(self, in_use: Settings) -> bool:
        """Whether the file says something else than what is in use."""
        with suppress(ConfigError):
            return parse(self._text()) != in_use
        return True

    def propose(self, section: str, name: str, wish: forms.Wish | None) -> Proposal:
        """Return what a wish would make of the file; None: the section is to go."""
        text = self._text()
        proposer = Proposer(self._state, self.drafts, self._secrets.own_names())
        if wish is None:
            return proposer.removed(text, section, name)
        return proposer.changed(text, section, name, wish)

    def preview(
        self, section: str, name: str, wish: forms.Wish | None, ledger: Ledger, now: datetime
    ) -> dict[str, object]:
        """Return what would change, everything that is wrong, and what it would be made for."""
        with self._lock:
            stamp, proposal = self._stamp(), self.propose(section, name, wish)
        told: dict[str, object] = {**proposal.as_json(), "stamp": stamp}
        if section == "retention" and not proposal.problems:
            settings = parse(proposal.text)
            told["kept"] = _kept(settings, ledger, now)
            told["gone"] = when_gone(settings, now)
        return told

    def change(
        self, section: str, name: str, wish: forms.Wish | None, stamp: str
    ) -> dict[str, object]:
        """Save a wish that was made for the text with this stamp; return what was changed.

        Where the text is another one, or something is wrong, nothing is saved and the answer says
        so. Raise ConfigError or DiskFull where the file cannot be written.
        """
        if self._file is None:
            raise ApplianceError(_NO_FILE)
        with self._lock, editing.alone(self._file):
            proposal = self.propose(section, name, wish)
            if stamp != self._stamp():
                return {**proposal.as_json(), "saved": False, "moved": _MOVED}
            if proposal.problems:
                return {**proposal.as_json(), "saved": False}
            self._store(proposal)
            editing.replace_text(self._file, proposal.text)
        for mark in (wish or {}).values():
            self.drafts.drop(mark)
        return {**proposal.as_json(), "saved": True}

    def _store(self, proposal: Proposal) -> None:
        """What the new text names is there before it is; the old ones stay for the old text."""
        for name, value in proposal.secrets.items():
            self._secrets.put(name, value)
        for path, text in proposal.accounts.items():
            make_private(path.parent)
            write_durably(path, text.encode(), 0o600)

    def tidy(self, in_use: Settings) -> None:
        """The file is in use now: remember it as good, and remove secrets and accounts of the
        page's that it does not name.
        """
        with self._lock, suppress(ApplianceError, OSError):
            if self._file is None or self._waits(in_use):
                return
            self._remember(self._text())
            named = names_in(tables(self._text()))
            for name in self._secrets.own_names():
                if name.startswith(PAGE) and f"${{secret:{name}}}" not in named:
                    self._secrets.remove(name)
            for path in (self._state / CLOUDS).glob(f"{PAGE}*.conf"):
                if str(path) not in named:
                    path.unlink()

    def _remember(self, text: str) -> None:
        kept = self._state / LAST_GOOD
        if not kept.exists() or kept.read_text(encoding="utf-8") != text:
            make_private(self._state)
            write_durably(kept, text.encode(), 0o600)


def begin_with(file: Path) -> Settings:
    """Return what the file says; where it is broken, what it said when it was in use last.

    Raise ConfigError where there is no such one: a start, too, goes on with the last good one.
    """
    try:
        return load(file)
    except ConfigError as error:
        kept = (place.state(file) or place.STATE) / LAST_GOOD
        with suppress(ConfigError):
            settings = load(kept)
            log.warning("configuration=refused the last good one is used: %s", error.message)
            return settings
        raise


def _is_usable(text: str) -> bool:
    with suppress(ConfigError):
        parse(text)
        return True
    return False


def _section(raw: Mapping[str, Any], section: str) -> dict[str, str]:
    return shown(raw, section, "")


def _sections(raw: Mapping[str, Any], section: str) -> list[dict[str, object]]:
    return [
        {
            "name": str(one.get("name", "")),
            "type": str(one.get("type", "")),
            "fields": shown(raw, section, str(one.get("name", ""))),
            **(_of_source(one) if section == "source" else {}),
        }
        for one in _tables(raw, section)
    ]


def _of_source(one: Mapping[str, Any]) -> dict[str, object]:
    offer = offers.of(one)
    recipe = str(one.get("recipe", ""))
    told = {"recipe": recipe, "title": Path(recipe).stem, "by_hand": offers.by_hand(one)}
    if offer is not None:
        told |= {"type": offer.kind, "title": offer.title}
    return {**told, "schedule": str(one.get("schedule", "")) or _default(one)}


def _default(source: Mapping[str, Any]) -> str:
    found = (*offers.fields("source", source), *SCHEDULED)
    return next(each.default for each in found if each.key == "schedule")


def _tables(raw: Mapping[str, Any], section: str) -> list[Mapping[str, Any]]:
    """Return the tables of a section; what is written in another way is told as a mistake."""
    found = raw.get(section, ())
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _as_json(problem: Problem) -> dict[str, str]:
    return {"path": problem.path, "message": problem.message}


def _kept(settings: Settings, ledger: Ledger, now: datetime) -> list[dict[str, object]]:
    """Return for each source what would become of its backups."""
    return [
        {"source": each.name, **_foreseen(_foresight(settings, ledger, each.name, now))}
        for each in settings.source
    ]


def _foresight(settings: Settings, ledger: Ledger, source: str, now: datetime) -> Foresight:
    policy = settings.policy(settings.source_named(source))
    times = {copy.archive: copy.time for copy in ledger.copies(source) if copy.time <= now}
    return foresee(tuple(times.values()), policy, settings.zone, now)


def _foreseen(found: Foresight) -> dict[str, object]:
    return {
        "today": found.today,
        "go": found.go,
        "in_a_year": found.in_a_year,
        "oldest": found.oldest.isoformat(),
    }
