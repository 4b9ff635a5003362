"""A schedule as a form asks for it, in words, and when it comes true next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from ..core import words
from ..core.schedule import describe, parse

NEXT = 3
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
UNITS = {"min": "minutes", "h": "hours", "d": "days"}
_FORMS = (
    ("daily", r"daily at (?P<at>\S+)"),
    ("weekdays", r"weekdays at (?P<at>\S+)"),
    ("weekly", r"weekly on (?P<day>mon|tue|wed|thu|fri|sat|sun) at (?P<at>\S+)"),
    ("monthly", r"monthly on (?P<date>\d{1,2}) at (?P<at>\S+)"),
    ("every", r"every (?P<count>\d+) ?(?P<unit>min|h|d)"),
    ("after", r"after backup"),
    ("never", r"(?:never)?"),
)
_EMPTY = {"at": "03:00", "day": "mon", "date": "1", "count": "6", "unit": "h", "text": ""}


def taken_apart(text: str) -> dict[str, str]:
    """Given a schedule as the file has it, return what the form shows; `mode` is which of its
    lines is chosen, `text` where none of the others can say it.
    """
    said = " ".join(text.lower().split())
    for mode, pattern in _FORMS:
        if found := re.fullmatch(pattern, said):
            return {**_EMPTY, **found.groupdict(), "mode": mode, "text": text}
    return {**_EMPTY, "mode": "text", "text": text}


def put_together(form: Mapping[str, str], key: str) -> str:
    """Given what was filled in for a field, return the schedule as the file has it; what is wrong
    with it the worker says.
    """

    def of(mode: str, part: str) -> str:
        return form.get(f"{key}.{mode}.{part}", "").strip()

    said = {
        "daily": f"daily at {of('daily', 'at')}",
        "weekdays": f"weekdays at {of('weekdays', 'at')}",
        "weekly": f"weekly on {of('weekly', 'day')} at {of('weekly', 'at')}",
        "monthly": f"monthly on {of('monthly', 'date')} at {of('monthly', 'at')}",
        "every": f"every {of('every', 'count')} {of('every', 'unit')}",
        "after": "after backup",
        "never": "",
    }
    return said.get(form.get(f"{key}.mode", "text"), form.get(f"{key}.text", "").strip())


def in_words(text: str) -> str:
    """Return a schedule in words; the text itself where it is none."""
    try:
        return describe(parse(text))
    except ValueError:
        return text


def next_times(text: str, zone: ZoneInfo, now: datetime) -> list[str]:
    """Return the next three times on the office's clock; none where it has none."""
    try:
        schedule = parse(text)
    except ValueError:
        return []
    found: list[datetime] = []
    for _ in range(NEXT):
        slot = schedule.next(zone, found[-1] if found else now)
        if slot is None:
            break
        found.append(slot.due)
    return [words.when(each, zone, now) for each in islice(found, NEXT)]
