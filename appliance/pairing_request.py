"""A disk is paired without a terminal: the worker asks, the button answers, root prepares.

Part of the rim. The worker can only write down which disk it means; the panel, another user, starts
the unit of root's when somebody at the box holds the button; and that looks at everything anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta

from .box import Box
from .core.errors import ApplianceError, WrongDisk
from .system.files import write_durably

REQUEST, RESULT = "pair.json", "pair-result.json"
"""In the runtime folder: which disk is meant, and what came of it."""
OPEN_FOR = timedelta(minutes=5)


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
        wish |= {"name": name, "contents": contents}
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
