"""The only home of TIME: what a person writes when they mean a point in the past."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

EXAMPLES = '"2026-11-21", "2026-11-21 14:30", "yesterday" or "3 days ago"'

_SPANS = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800}


def parse(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    """Given TIME as a person wrote it, return the UTC moment that it means.

    A date alone means the end of that day in the office's zone, `yesterday` the end of
    yesterday, `3 days ago` exactly so long before `now`. Raise ValueError with examples.
    """
    words = text.strip().lower()
    if words in {"now", "today", "latest"}:
        return now
    if words == "yesterday":
        return _end_of_day(now.astimezone(zone) - timedelta(days=1), zone)
    ago = re.fullmatch(r"(\d{1,5}) (minute|hour|day|week)s? ago", words)
    if ago:
        return now - timedelta(seconds=int(ago[1]) * _SPANS[ago[2]])
    return _iso(text.strip(), zone)


def _iso(text: str, zone: ZoneInfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if re.fullmatch(r"\d{4}-?\d\d-?\d\d", text):
            return _end_of_day(moment, zone)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f'"{text}" is not a time; write {EXAMPLES}') from None


def _end_of_day(day: datetime, zone: ZoneInfo) -> datetime:
    return datetime.combine(day.date(), time.max, zone).astimezone(UTC)
