"""The only home of what may be asked at the worker's socket: these fixed verbs and no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..core.model import Trigger
from ..core.ports import Appliance

_LONGEST_FOLLOW_SECONDS = 60.0
THE_PANEL = "appliance-panel"
"""The user that lamps and button run as."""
_FOR_THE_PANEL = frozenset({"status", "follow", "start", "eject"})
"""E12: whoever takes that small process over changes no setting and gets nothing back."""


class Question:
    """What somebody asks. What is missing or of a wrong kind raises ValueError, KeyError or
    TypeError.
    """

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._said = said

    @property
    def verb(self) -> str:
        """What is wanted."""
        return str(self._said["do"])

    def text(self, name: str) -> str:
        """Return a text, which must be there."""
        return str(self._said[name])

    def text_or_none(self, name: str) -> str | None:
        """Return a text, None where there is none."""
        said = self._said.get(name)
        return None if said is None else str(said)

    def texts(self, name: str) -> list[str]:
        """Return several texts, which must be there."""
        return [str(each) for each in self._said[name]]

    def number(self, name: str) -> int:
        """Return a whole number, 0 where there is none."""
        return int(self._said.get(name) or 0)

    def number_or_none(self, name: str) -> int | None:
        """Return a whole number, None where there is none."""
        said = self._said.get(name)
        return None if said is None else int(said)

    def seconds(self) -> float:
        """Return how long somebody would wait."""
        return min(max(float(self._said["seconds"]), 0.0), _LONGEST_FOLLOW_SECONDS)

    def is_true(self, name: str) -> bool:
        """Return whether it is so."""
        return self._said[name] is True

    def facts(self, name: str) -> dict[str, object] | None:
        """Return what somebody says of itself, None where nothing is said."""
        said = self._said.get(name)
        return None if said is None else dict(said)

    def wish(self) -> dict[str, str] | None:
        """Return the fields of a form, None where its section is to go."""
        said = self._said.get("wish")
        return None if said is None else {str(key): str(value) for key, value in said.items()}


def answered(appliance: Appliance, asked: Question, user: str = "") -> object:
    """Given a question and whose it is, return the answer; raise ValueError for a verb that there
    is none of, or not for that user.
    """
    if asked.verb not in (_FOR_THE_PANEL if user == THE_PANEL else _VERBS):
        raise ValueError(asked.verb)
    return _VERBS[asked.verb](appliance, asked)


_VERBS: Mapping[str, Callable[[Appliance, Question], object]] = {
    "status": lambda box, _: box.status(),
    "follow": lambda box, asked: box.follow(
        asked.number("version"), asked.seconds(), asked.facts("panel")
    ),
    "start": lambda box, asked: box.start(asked.text("source"), Trigger(asked.text("trigger"))),
    "fetch_link": lambda box, asked: box.fetch_link(
        asked.text("source"), asked.text("link"), Trigger(asked.text("trigger"))
    ),
    "cancel": lambda box, asked: box.cancel(asked.text("source")),
    "eject": lambda box, asked: box.eject(asked.text_or_none("disk")),
    "reload": lambda box, _: box.reload(),
    "pair": lambda box, asked: box.pair(asked.text("node"), asked.text("name")),
    # What was done.
    "days": lambda box, asked: box.days(asked.number("count")),
    "activity": lambda box, asked: box.activity(
        asked.text("about"),
        asked.text("outcome"),
        asked.number_or_none("before"),
        asked.number("limit"),
    ),
    "run": lambda box, asked: box.run(asked.number("run_id")),
    "audit": lambda box, _: box.audit(),
    "note": lambda box, asked: box.note(
        asked.text("what"), asked.text("words"), asked.is_true("went_well")
    ),
    # Exports that look wrong.
    "held": lambda box, _: box.held(),
    "decide": lambda box, asked: box.decide(
        asked.text("archive"), asked.is_true("is_right"), asked.text("reason")
    ),
    # Getting something back.
    "backups": lambda box, asked: box.backups(asked.text_or_none("source") or None),
    "open_backup": lambda box, asked: box.open_backup(
        asked.text("source"),
        asked.text("name"),
        asked.text("who"),
        asked.text("cloud"),
        asked.text_or_none("only") or "",
    ),
    "opened": lambda box, asked: box.opened(asked.text("ticket")),
    "close_backup": lambda box, asked: box.close_backup(asked.text("ticket")),
    "rows": lambda box, asked: box.rows(
        asked.text("ticket"), asked.number("file"), asked.number("count")
    ),
    "find": lambda box, asked: box.find(
        asked.text("ticket"), asked.text("text"), asked.number("file"), asked.number("place")
    ),
    "seek": lambda box, asked: box.seek(
        asked.text("source"), asked.text("text"), asked.text("who")
    ),
    "sought": lambda box, asked: box.sought(asked.text("ticket")),
    "download": lambda box, asked: box.download(
        asked.text("ticket"),
        asked.text("what"),
        asked.number("file"),
        asked.number("place"),
        asked.text_or_none("text") or "",
    ),
    # The first run.
    "first_run": lambda box, _: box.first_run(),
    "name_the_box": lambda box, asked: box.name_the_box(asked.text("name"), asked.text("timezone")),
    "ask_to_claim": lambda box, asked: box.ask_to_claim(asked.text("who")),
    "claimed": lambda box, asked: box.claimed(asked.text("who")),
    "ask_for_sheet": lambda box, asked: box.ask_for_sheet(asked.text("repository")),
    "sheet": lambda box, asked: box.sheet(asked.text("repository")),
    "confirm_sheet": lambda box, asked: box.confirm_sheet(
        asked.text("repository"), asked.texts("words")
    ),
    # Settings.
    "settings": lambda box, _: box.settings(),
    "data_protection": lambda box, _: box.data_protection(),
    "preview_settings": lambda box, asked: box.preview_settings(
        asked.text("section"), asked.text_or_none("name") or "", asked.wish()
    ),
    "change_settings": lambda box, asked: box.change_settings(
        asked.text("section"),
        asked.text_or_none("name") or "",
        asked.wish(),
        asked.text("stamp"),
    ),
    "put_secret": lambda box, asked: box.put_secret(asked.text("value")),
    "try_source": lambda box, asked: box.try_source(
        asked.text_or_none("name") or "", asked.wish() or {}
    ),
    "trust_source": lambda box, asked: box.trust_source(
        asked.text_or_none("name") or "", asked.wish() or {}, asked.text("fingerprint")
    ),
    "sign_in": lambda box, asked: box.sign_in(asked.text("source")),
    "begin_sign_in": lambda box, asked: box.begin_sign_in(asked.text("source")),
    "finish_sign_in": lambda box, asked: box.finish_sign_in(
        asked.text("source"), asked.text("line")
    ),
    "leave_sign_in": lambda box, asked: box.leave_sign_in(asked.text("source")),
    "messages": lambda box, _: box.messages(),
    "test_messages": lambda box, _: box.test_messages(),
    "try_cloud": lambda box, asked: box.try_cloud(
        asked.text_or_none("name") or "", asked.wish() or {}
    ),
}
