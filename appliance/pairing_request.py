"""A disk is paired without a terminal: the worker asks, the button answers, root prepares.

Part of the rim. The worker can only write down which disk it means; the panel, another user, starts
the unit of root's when somebody at the box holds the button; and that looks at everything anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from .box import Box
from .core.errors import ApplianceError, WrongDisk
from .system.files import write_durably

REQUEST, RESULT = "pair.json", "pair-result.json"
"""In the runtime folder: which disk is meant, and what came of it."""
_LONGEST_BYTES = 16 * 1024
OPEN_FOR = timedelta(minutes=5)


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
        raise ApplianceError("Nobody asks for a disk any more.", hint="Ask once more.")
    return wish


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
    """At most one at a time; `changed` is called when there is something new to show."""

    def __init__(self, box: Box, changed: Callable[[], None]) -> None:
        self._box, self._changed = box, changed
        self._request, self._result = box.runtime / REQUEST, box.runtime / RESULT
        self._until = 0.0
        self._question = self._answer = ""

    def make(self, node: str, name: str) -> str:
        """Ask whether a disk may be erased and used; return the question. Raise WrongDisk where
        it must not be, ApplianceError where the name is taken.
        """
        from .hw import disks, wording  # noqa: PLC0415 - only who pairs needs udev

        if name in self._box.repositories:
            raise ApplianceError(f"There is a {name} already.", hint="Take another name.")
        disk = next((one for one in disks.attached() if one.node == node), None)
        if disk is None or disk.is_system or any(one.mounted_at for one in disk.filesystems):
            raise WrongDisk(f"{node} is no disk that may be erased.")
        contents = wording.on_it(disk)
        wish = {"node": node, "serial": disk.serial, "size_bytes": disk.size_bytes}
        wish |= {"name": name, "contents": contents, "asked": self._box.clock.monotonic()}
        self._result.unlink(missing_ok=True)
        write_durably(self._request, json.dumps(wish).encode(), 0o640)
        self._until = self._box.clock.monotonic() + OPEN_FOR.total_seconds()
        self._question = (
            f"Erase {wording.in_words(disk)} (on it: {contents}) and make it {name}? "
            "Hold the button on the box for five seconds."
        )
        self._answer = ""
        self._changed()
        return self._question

    def facts(self) -> Mapping[str, object] | None:
        """Return the open question, or what came of it; None where there is neither."""
        if self._question:
            return {"question": self._question}
        return {"question": "", "answer": self._answer} if self._answer else None

    def look(self) -> bool:
        """See what became of it; return whether a disk was paired just now."""
        if self._question and (ended := self._ended()) is not None:
            self._close(str(ended.get("sentence", "")))
            return bool(ended.get("ok"))
        if (self._question or self._answer) and self._box.clock.monotonic() > self._until:
            self._close("")
        return False

    def _ended(self) -> Mapping[str, object] | None:
        with suppress(OSError, ValueError):
            ended = json.loads(self._result.read_text())
            return ended if isinstance(ended, dict) else None
        return None

    def _close(self, answer: str) -> None:
        self._question, self._answer = "", answer
        self._until = self._box.clock.monotonic() + OPEN_FOR.total_seconds()
        for file in (self._request, self._result):
            with suppress(OSError):
                file.unlink(missing_ok=True)
        self._changed()
