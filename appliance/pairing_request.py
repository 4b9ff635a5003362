"""A disk is paired without a terminal: the worker asks, the button answers, root prepares.

An emergency sheet is shown, and a new box made somebody's own, in the same way: all that root does
then is to say that somebody did hold the button, for nobody but the panel can have root asked.

Part of the rim. The worker can only write down which disk it means; the panel, another user, starts
the unit of root's when somebody at the box holds the button; and that looks at everything anew.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import RLock
from typing import Literal

from .config.values import require_name
from .core.errors import ApplianceError, WrongDisk
from .core.model import AttachedDisk
from .system.files import write_durably

REQUEST, RESULT = "pair.json", "pair-result.json"
"""In the runtime folder: which disk is meant, and what came of it."""
_ENROLLING = "enrolling.lock"
"""In the state folder."""
_LONGEST_BYTES = 16 * 1024
OPEN_FOR = timedelta(minutes=5)
"""How long the button is waited for, and how long what came of it is shown."""
PREPARED_WITHIN = timedelta(minutes=65)
"""Trying a disk takes long; root's unit is ended after an hour."""
_NOT_YOU = "Was that not you? Do not touch the button, and ask again in some minutes."
_A_MOMENT = timedelta(seconds=30)
_SOMEBODY = "somebody who asks for this box"
_LONGEST_CHARACTERS = 10_000
_ENDED_BY_ITSELF = ("success", "exit-code")
CUT_OFF = "Preparing the disk was cut off. Ask for it again: it goes on where it was."


@contextmanager
def enrolling(state: Path) -> Iterator[None]:
    """Have the worker leave a new disk alone for the length of the block: it is in the
    configuration already, and not yet the box's own. The kernel ends it, however we end.
    """
    with (state / _ENROLLING).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_enrolling(state: Path) -> bool:
    """Return whether somebody makes a disk the box's own right now."""
    with (state / _ENROLLING).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def take(folder: Path, now_seconds: float) -> Mapping[str, object]:
    """Read the request that lies in a folder, and remove it: it counts once, and not for long.

    Given the time of the clock that `Clock.monotonic` reads. The folder is the worker's and we are
    root, so nothing there is followed anywhere else. Raise OSError, ValueError or TypeError where
    there is none that can be read, ApplianceError where it is too old.
    """
    with _open(folder) as inside:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(REQUEST, flags, dir_fd=inside), "rb") as file:
            text = file.read(_LONGEST_BYTES)
        os.unlink(REQUEST, dir_fd=inside)
    try:
        wish = json.loads(text or b"")
    except RecursionError as error:
        raise ValueError("it is too deep") from error
    if not isinstance(wish, dict):
        raise TypeError("it is no object")
    if not 0 <= now_seconds - float(wish["asked"]) <= OPEN_FOR.total_seconds():
        raise ApplianceError("Nobody asks for that any more.", hint="Ask once more.")
    return wish


def answer_cut_off(folder: Path, service_result: str) -> None:
    """Given what systemd calls the end of root's unit, answer for it where it could not.

    Else the worker would wait for more than an hour before another disk may be asked for.
    """
    if service_result not in _ENDED_BY_ITSELF:
        answer(folder, {"ok": False, "sentence": CUT_OFF})


def answer(folder: Path, ended: Mapping[str, object]) -> None:
    """Leave what came of it where the worker looks, as root, following nothing."""
    with _open(folder) as inside:
        with suppress(FileNotFoundError):
            os.unlink(RESULT, dir_fd=inside)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(RESULT, flags, 0o644, dir_fd=inside), "w") as file:
            os.fchmod(file.fileno(), 0o644)  # whatever the umask says
            json.dump(ended, file)


@contextmanager
def _open(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


class PairingRequest:
    """At most one at a time; `changed` is called when there is something new to show.

    It outlives a configuration: a disk that was paired is in the next one.
    """

    def __init__(
        self, runtime: Path, monotonic: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        self._monotonic, self._changed = monotonic, changed
        self._request, self._result = runtime / REQUEST, runtime / RESULT
        self._until = 0.0
        self._question = self._answer = self._about = ""
        self._permit, self._permitted_until = "", 0.0
        """What the button allows, where no disk is meant."""
        self._reserved_until = 0.0
        self._lock = RLock()
        with suppress(OSError):  # nobody remembers what was asked before we began
            self._request.unlink(missing_ok=True)

    def make(self, node: str, name: str, taken: Collection[str]) -> str:
        """Ask whether a disk may be erased and used; return the question. Raise WrongDisk where
        it must not be, ApplianceError where the name is taken or none, or another disk's turn is
        not over.
        """
        _require_free(name, taken)
        disk, contents = _erasable(node)
        from .hw import wording  # noqa: PLC0415 - only who pairs needs it

        wish = {"node": node, "serial": disk.serial, "size_bytes": disk.size_bytes}
        wish |= {"name": name, "contents": contents, "asked": self._monotonic()}
        with self._lock:
            self._write_down(wish, wording.in_words(disk))
            question = (
                f"Erase {self._about} (on it: {contents}) and make it {name}? "
                "Hold the button on the box for five seconds."
            )
            self._permit = ""
            self._show(question=question, within=OPEN_FOR)
        return question

    def make_for_sheet(self, name: str) -> str:
        """Ask whether a repository's emergency sheet may be shown on the page; return the question.
        Raise ApplianceError where a disk's turn is not over.
        """
        asked = f"Show the emergency sheet of {name} on the page?"
        return self._ask(f"sheet:{name}", {"sheet": name}, f"the sheet of {name}", asked)

    def shows_sheet_of(self, name: str) -> bool:
        """Return whether the button was held for that sheet less than five minutes ago."""
        with self._lock:
            return self._is_permitted(f"sheet:{name}")

    def make_for_claim(self, who: str) -> str:
        """Ask whether whoever has this token may make the box their own; return the question.
        Raise ApplianceError where somebody else asked, or a disk's turn is not over.
        """
        permit, mark = f"claim:{who}", who[:4]
        asked = f"Is this box to be theirs whose page says {mark}?"
        with self._lock:
            if self.claimed(who) != "no":
                return self._question or asked
            if self._is_of_another(permit):
                raise ApplianceError("Another browser asks for this box already.", hint=_NOT_YOU)
            return self._ask(permit, {"claim": True}, _SOMEBODY, asked)

    def _is_of_another(self, permit: str) -> bool:
        """Whether the button was, or a moment ago might have been, held for another browser: its
        yes must be nobody else's.
        """
        if not self._permit.startswith("claim:") or self._permit == permit:
            return False
        return self._monotonic() < max(self._permitted_until, self._reserved_until)

    def claimed(self, who: str) -> Literal["yes", "waiting", "no"]:
        """Return what the button said to that token, less than five minutes ago."""
        with self._lock:
            if self._is_permitted(f"claim:{who}"):
                return "yes"
            return "waiting" if self._about and self._permit == f"claim:{who}" else "no"

    def _ask(self, permit: str, wish: Mapping[str, object], about: str, asked: str) -> str:
        question = f"{asked} Hold the button on the box for five seconds."
        with self._lock:
            self._write_down({**wish, "asked": self._monotonic()}, about)
            self._permit, self._permitted_until = permit, 0.0
            self._reserved_until = self._monotonic() + (OPEN_FOR + _A_MOMENT).total_seconds()
            self._show(question=question, within=OPEN_FOR)
        return question

    def _is_permitted(self, permit: str) -> bool:
        return self._permit == permit and self._monotonic() < self._permitted_until

    def facts(self) -> Mapping[str, object] | None:
        """Return the open question, or what came of it; None where there is neither."""
        with self._lock:
            if self._question:
                return {"question": self._question}
            return {"question": "", "answer": self._answer} if self._answer else None

    def look(self) -> bool:
        """See what became of it; return whether a disk was paired just now."""
        with self._lock:
            if (ended := self._ended()) is not None:
                self._clear()
                self._show(answer=str(ended.get("sentence", "")), within=OPEN_FOR)
                return self._decided(bool(ended.get("ok")))
            if self._question and not self._request.exists():
                answer = f"{self._about} is being prepared: leave it plugged in."
                self._show(answer="" if self._permit else answer, within=PREPARED_WITHIN)
            elif self._is_open() and self._monotonic() >= self._until:
                self._clear()
                self._show(within=OPEN_FOR)
        return False

    def _is_open(self) -> bool:
        return bool(self._question or self._answer or self._about)

    def _decided(self, is_yes: bool) -> bool:
        """Take a decision in; return whether it means another disk."""
        if self._permit and is_yes:
            self._permitted_until = self._monotonic() + OPEN_FOR.total_seconds()
        return is_yes and not self._permit

    def _write_down(self, wish: Mapping[str, object], about: str) -> None:
        """Leave a wish for root, who reads it once the button was held."""
        self._require_nothing_else()
        self._result.unlink(missing_ok=True)
        write_durably(self._request, json.dumps(wish).encode(), 0o640)
        self._about = about

    def _require_nothing_else(self) -> None:
        """What a person at the button reads must not become another disk while they hold it."""
        if self._about == _SOMEBODY:
            raise ApplianceError("Another browser asks for this box already.", hint=_NOT_YOU)
        if self._about:
            raise ApplianceError(
                f"It is {self._about}'s turn.",
                hint="Hold the button for it, or ask again when that is over.",
            )

    def _ended(self) -> Mapping[str, object] | None:
        with suppress(OSError, ValueError, RecursionError):
            with self._result.open(encoding="utf-8") as file:
                ended = json.loads(file.read(_LONGEST_CHARACTERS))
            return ended if isinstance(ended, dict) else None
        return None

    def _show(self, *, question: str = "", answer: str = "", within: timedelta) -> None:
        self._question, self._answer = question, answer
        self._until = self._monotonic() + within.total_seconds()
        self._changed()

    def _clear(self) -> None:
        self._about = ""
        for file in (self._request, self._result):
            with suppress(OSError):
                file.unlink(missing_ok=True)


def _require_free(name: str, taken: Collection[str]) -> None:
    try:
        require_name(name)
    except ValueError as error:
        raise ApplianceError(f"{error}.") from None
    if name in taken:
        raise ApplianceError(f"There is a {name} already.", hint="Take another name.")


def _erasable(node: str) -> tuple[AttachedDisk, str]:
    """Return the disk and what is on it; what only root can see is for root to refuse."""
    from .hw import disks, erasable, wording  # noqa: PLC0415 - only who pairs needs udev

    disk = next((one for one in disks.attached() if one.node == node), None)
    if disk is None:
        raise WrongDisk(
            f"There is no disk at {node}.", hint="`appliance disk list` shows what is plugged in."
        )
    erasable.require_erasable(disk, (), None, "", erasable.word_for(disk))
    return disk, wording.on_it(disk)
