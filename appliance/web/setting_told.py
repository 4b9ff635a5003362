"""What the worker says of settings, in the words of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ..core import forgetting, pins, words
from ..core.settable import SECTIONS, SET, Field, Kind
from . import when
from .setting_words import KINDS, LOGINS, plain
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
        "messages": _messages(sections.get("messages", {})),
    }


def _messages(said: Mapping[str, str]) -> str:
    weekly = said.get("weekly") or "weekly on mon at 08:00"
    word = (
        "No weekly word"
        if weekly == "never"
        else f"A word that all is well {when.in_words(weekly)}"
    )
    quiet = f"; quiet from {said['quiet'].replace('-', ' to ')}" if said.get("quiet") else ""
    return f"{word}{quiet}."


def kind_of(source: Mapping[str, Any]) -> str:
    """Return what a source is: its vendor's name, or the kind of place."""
    kind = str(source["type"])
    return str(source["title"]) or (KINDS[kind].label if kind in KINDS else "Steps of its own")


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


def addresses(facts: Mapping[str, Any], told: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return each address for messages of the file, and how it does where it is in use."""
    known = {each["name"]: each for each in told}
    return [
        {**each, "state": _how_it_does(known.get(each["name"]), ZoneInfo(str(facts["zone"])))}
        for each in facts.get("addresses", ())
    ]


def _how_it_does(told: Mapping[str, Any] | None, zone: ZoneInfo) -> str:
    if told is None:
        return ""
    if told["failing"]:
        since = words.when(datetime.fromisoformat(told["failing"]), zone)
        return f"Please look: it has taken nothing since {since}, as {told['why']}."
    if told["took"]:
        return f"It took a message on {words.when(datetime.fromisoformat(told['took']), zone)}."
    return "Nothing was sent there yet."


def test_in_words(told: Sequence[Mapping[str, Any]]) -> str:
    """Return how each address took a test message."""
    said = [f"{each['address']}: {'taken' if each['taken'] else each['why']}" for each in told]
    taken = any(each["taken"] for each in told)
    arrives = " What was taken should arrive now." if taken else ""
    return f"A test message was sent. {'; '.join(said)}.{arrives}"


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
        "checks": [_check_in_words(each) for each in seen.get("checks", ())],
        "verdict": _verdict(seen.get("checks", ())),
        "files": [_file_in_words(each, sheet.zone) for each in seen.get("files", ())],
    }


def _verdict(checks: Sequence[Mapping[str, Any]]) -> str:
    bad = sum(not each["ok"] for each in checks)
    kinds = f"{bad} of {words.plural(len(checks), 'kind')} of records"
    return f"Not all of it works: {kinds} would be missing." if bad else "It works."


def _check_in_words(check: Mapping[str, Any]) -> dict[str, Any]:
    says = plain(str(check["says"]).strip())
    return {**check, "says": says if says.endswith((".", "!", "?")) else f"{says}."}


def _file_in_words(file: Mapping[str, Any], zone: ZoneInfo) -> dict[str, str]:
    size, modified = file["size_bytes"], file["modified"]
    return {
        "name": file["name"],
        "size": file.get("amount") or ("size not told" if size is None else words.size(size)),
        "time": words.when(datetime.fromisoformat(modified), zone) if modified else "",
    }
