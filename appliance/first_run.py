"""The first run as the page asks about it: what is set up, what was proved, what comes next.

Part of the rim. How far somebody is follows from what is configured and what the ledger knows, so
it holds over reloads and restarts. The emergency sheet leaves the worker only while nothing was
proved yet and nobody confirmed that sheet, or for five minutes after the button was held for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import enrolment
from .box import Box
from .changing import editing
from .config import RepositorySection
from .core.errors import ApplianceError
from .core.model import AttachedDisk, Outcome
from .engine import memory
from .pairing_request import PairingRequest
from .repositories import sheet as emergency_sheet

NAMED = "office-named"
"""Noted once a person said what the box is called."""
CONFIRMED = "sheet-confirmed"
"""Noted by the repository's id: another one of the same name has another sheet."""
RESTORED = "page:download"
"""What people did on the page that brought a file back, as the ledger has it."""
_LOOKED_BACK = 50
_LONGEST_NAME = 60
_ASKED_WORDS = 2
_LONGEST_WAIT_SECONDS = 900.0
_CLAIM_BY_COMMAND = "Type on the box: sudo appliance web claim"
_BY_COMMAND = "Or type it on the box: sudo appliance sheet {name} --to /tmp/sheet.html"


class FirstRun:
    """Answers the page; what it must not know it is not told."""

    def __init__(self, box: Box, request: PairingRequest, file: Path | None) -> None:
        """`file` is the configuration's, where there is one."""
        self._box, self._request, self._file = box, request, file
        self._guesses = Guesses(box.clock.monotonic)

    def facts(self) -> Mapping[str, object]:
        """Return how far the first run is, as plain JSON values."""
        settings, ledger = self._box.settings, self._box.ledger
        return {
            "name": settings.appliance.name,
            "timezone": settings.appliance.timezone,
            "named": bool(ledger.noted(memory.key(NAMED, memory.BOX))),
            "has_button": settings.panel is not None,
            "attached": [self._attached(one) for one in _attached_disks()],
            "repositories": [self._repository(each) for each in settings.repository],
            "sources": [each.name for each in settings.source],
            "proved": bool(ledger.copies()),
            "restored": any(
                run.outcome is Outcome.OK for run in ledger.runs(RESTORED, _LOOKED_BACK)
            ),
        }

    def name_the_box(self, name: str, timezone: str) -> None:
        """Write name and time zone into the configuration; raise ConfigError where one is wrong."""
        name = " ".join(name.split())
        if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
            raise ApplianceError(f"A name has 1 to {_LONGEST_NAME} letters.")
        if self._file is None:
            raise ApplianceError("This box has no configuration of its own.")
        editing.describe_office(self._file, name, timezone)
        now = self._box.clock.now().isoformat()
        self._box.ledger.note(memory.key(NAMED, memory.BOX), now)

    def ask_for_sheet(self, name: str) -> str:
        """Have the box ask whether a sheet may be shown; return the question for a person."""
        section = self._box.settings.repository_named(name)
        if self._box.settings.panel is None:
            raise ApplianceError("This box has no button.", hint=_BY_COMMAND.format(name=name))
        return self._request.make_for_sheet(section.name)

    def ask_to_claim(self, who: str) -> str:
        """Have the box ask whether the box may be theirs; return the question for a person."""
        if self._box.settings.panel is None:
            raise ApplianceError("This box has no button.", hint=_CLAIM_BY_COMMAND)
        return self._request.make_for_claim(who)

    def sheet(self, name: str) -> Mapping[str, object]:
        """Return what a sheet says; raise ApplianceError where it must not be shown now."""
        section = self._box.settings.repository_named(name)
        if not self._may_be_shown(section):
            raise ApplianceError(
                f"The sheet of {name} is shown only before the first backup.",
                hint="Hold the button on the box for it. " + _BY_COMMAND.format(name=name),
            )
        return emergency_sheet.facts(enrolment.kept_sheet(self._box, name))

    def confirm_sheet(self, name: str, words: Sequence[str]) -> bool:
        """Given the two words that were asked for, return whether they stand on the sheet; the
        first time they do, it counts as printed. Raise ApplianceError after too many wrong ones.
        """
        section = self._box.settings.repository_named(name)
        identity = self._identity(section)
        if not identity:
            raise ApplianceError(f"{name} is not ready yet.")
        right = self._guesses.judged(name, self._words(section), [_plain(one) for one in words])
        if right and not self._is_confirmed(section):
            now = self._box.clock.now().isoformat()
            self._box.ledger.note(memory.key(CONFIRMED, identity), now)
        return right

    def _repository(self, section: RepositorySection) -> Mapping[str, object]:
        is_ready = bool(self._identity(section)) and self._box.secrets.has(section.passphrase)
        asked = self._guesses.asked(section.name, self._words(section)) if is_ready else []
        return {
            "name": section.name,
            "kind": "disk" if section.disk else "folder" if section.path else "server",
            "ready": is_ready,
            "confirmed": self._is_confirmed(section),
            "sheet_open": is_ready and self._may_be_shown(section),
            "asked": asked,
        }

    def _attached(self, disk: AttachedDisk) -> Mapping[str, object]:
        from .hw import erasable, wording  # noqa: PLC0415 - an office without disks needs no udev

        ours = {each.disk: each.name for each in self._box.settings.repository if each.disk}
        name = next((ours[one.uuid] for one in disk.filesystems if one.uuid in ours), "")
        why_not = f"It is {name} of this box." if name else ""
        try:
            erasable.require_erasable(disk, (), None, "", erasable.word_for(disk))
        except ApplianceError as error:
            why_not = why_not or error.message
        return {
            "node": disk.node,
            "words": wording.in_words(disk),
            "contents": wording.on_it(disk),
            "why_not": why_not,
        }

    def _may_be_shown(self, section: RepositorySection) -> bool:
        if self._request.shows_sheet_of(section.name):
            return True
        return not self._is_confirmed(section) and not self._box.ledger.copies()

    def _is_confirmed(self, section: RepositorySection) -> bool:
        identity = self._identity(section)
        return bool(identity and self._box.ledger.noted(memory.key(CONFIRMED, identity)))

    def _identity(self, section: RepositorySection) -> str:
        return self._box.ledger.noted(memory.key(memory.REPOSITORY_ID, section.name)) or ""

    def _words(self, section: RepositorySection) -> Sequence[str]:
        return emergency_sheet.words_of(self._box.secrets.get(section.passphrase))


class Guesses:
    """Which words of a sheet are asked back, and how long to wait after a wrong answer.

    The worker chooses the places and says only yes or no to both together: who has the page and not
    the sheet would guess one of four million pairs, at last one every quarter of an hour.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._asked: dict[str, list[int]] = {}
        self._wait_seconds = 0.5
        self._again_at = 0.0

    def asked(self, name: str, words: Sequence[str]) -> list[int]:
        """Return which words of a sheet are asked back, counted from 1: the same until answered."""
        if name not in self._asked:
            chosen = secrets.SystemRandom().sample(range(1, len(words) + 1), _ASKED_WORDS)
            self._asked[name] = sorted(chosen)
        return self._asked[name]

    def judged(self, name: str, words: Sequence[str], typed: Sequence[str]) -> bool:
        """Return whether that was typed what was asked for; raise ApplianceError too soon after a
        wrong answer.
        """
        now = self._monotonic()
        if now < self._again_at:
            raise ApplianceError(
                "That was tried too often.", hint=f"Wait {_wait(self._again_at - now)}."
            )
        wanted = [words[number - 1] for number in self.asked(name, words)]
        right = list(typed) == wanted
        self._wait_seconds = 0.5 if right else min(2 * self._wait_seconds, _LONGEST_WAIT_SECONDS)
        self._again_at = now if right else now + self._wait_seconds
        if right:
            del self._asked[name]
        return right


def _wait(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes > 1 else "a minute" if seconds > 20 else "a moment"


def _plain(word: str) -> str:
    return word.strip().strip("-").lower()


def _attached_disks() -> Sequence[AttachedDisk]:
    from .hw import disks  # noqa: PLC0415 - an office without disks needs no udev

    return [disk for disk in disks.attached() if not disk.is_system]
