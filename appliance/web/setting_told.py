"""What the worker says of settings, in the words of the page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ..core import forgetting, pins, words
from ..core.settable import SECTIONS, SET, Field, Kind
from . import when
from .setting_words import LOGINS, plain
from .sheets import SCHEDULES, Sheet


def summaries(facts: Mapping[str, Any]) -> dict[str, str]:
    """Given what the worker says, return a sentence for each section that there is once."""
    sections = facts["sections"]
    said = sections["retention"]
    kept = {each.key: said.get(each.key) or each.default for each in SECTIONS["retention"]}
    remind = sections["disks"].get("remind")
    reminded = f"Reminder {when.in_words(remind)}." if remind else "No reminder."
    away = sections["disks"].get("grace") or "14d"
    return {
        "appliance": f"{sections['appliance'].get('name') or 'Office'}, {facts['zone']}",
        "retention": forgetting.numbers(kept),
        "disks": f"{reminded} A disk may be away for {away}.",
    }


def pin_places(panel: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return which part is on which pin, and where that comes out on the header."""
    names = {
        "button": "Button",
        "led_office": "Lamp OFFICE COPY",
        "led_cloud": "Lamp CLOUD COPY",
        "led_attention": "Lamp PLEASE LOOK",
        "buzzer": "Buzzer",
    }
    return [
        {"name": name, "bcm": str(panel[key]), "place": str(pins.PLACES.get(panel[key], "?"))}
        for key, name in names.items()
        if key in panel
    ]


def kept_in_words(kept: Any, zone: ZoneInfo) -> list[str]:
    """Return what retention would keep, a sentence for each source."""
    return [_foreseen(each, zone) for each in kept or ()]


def _foreseen(kept: Mapping[str, Any], zone: ZoneInfo) -> str:
    oldest = datetime.fromisoformat(kept["oldest"]).astimezone(zone)
    now = f"{words.plural(kept['today'], 'backup')} today"
    if kept["go"]:
        now += f", of which {kept['go']} would go little by little"
    later = f"after a year of nightly backups about {kept['in_a_year']}"
    return f"{kept['source']}: {now}; {later}, the oldest from {oldest:%B %Y}."


def change_in_words(sheet: Sheet, change: Mapping[str, str]) -> dict[str, Any]:
    """Return what one change is about, what was before and what is after it."""
    one = next(each for each in sheet.fields if each.key == change["field"])
    before, after = (_shown(one, change[each]) for each in ("before", "after"))
    if one.kind.is_secret:
        after = {SET: "is stored", "replaced": "is replaced"}.get(change["after"], "is forgotten")
        before = ""
    times = sheet.next_times(one.key) if one.key in SCHEDULES else []
    return {"label": sheet.words(one.key).label, "before": before, "after": after, "times": times}


def _shown(one: Field, value: str) -> str:
    if one.key in SCHEDULES and value:
        return when.in_words(value)
    if one.kind is Kind.CHOICE:
        return LOGINS.get(value, value)
    return value.replace("\n", ", ") or one.default or "nothing"


def in_a_note(change: Mapping[str, Any]) -> str:
    """Return a change as Activity has it: of a secret only that it is another one."""
    return f"{change['label']} {change['after']}"


def sight(sheet: Sheet) -> dict[str, Any] | None:
    """What a try showed, in words."""
    if sheet.tried is None:
        return None
    error = sheet.tried.get("error")
    trouble = plain(f"{error['message']} {error['hint']}".strip()) if error else ""
    seen = dict(sheet.tried.get("sight") or {})
    return {
        **seen,
        "trouble": trouble,
        "keeps": sheet.tried.get("keeps"),
        "files": [_file_in_words(each, sheet.zone) for each in seen.get("files", ())],
    }


def _file_in_words(file: Mapping[str, Any], zone: ZoneInfo) -> dict[str, str]:
    """Return a change as Activity has it."""
    """Return what one change is called, and what was before and is after it."""
    """Return what retention would keep, a sentence for each source."""
    """Return which part is on which pin, and where that is on the header."""
    """Given what the worker says, return a sentence for each section that there is once."""
    size, modified = file["size_bytes"], file["modified"]
    return {
        "name": file["name"],
        "size": "size not told" if size is None else words.size(size),
        "time": words.when(datetime.fromisoformat(modified), zone) if modified else "",
    }
