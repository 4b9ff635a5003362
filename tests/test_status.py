"""How things stand as JSON: what lamps and page draw from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.config import Settings, parse
from appliance.core.model import Copy
from appliance.engine.memory import WAITING_ROOM
from appliance.sources.links import waiting
from appliance.sources.links.waiting import Waiting
from appliance.sources.recipe.memory import Memory, settle
from appliance.status import disks_away, health_of, reminder
from tests.fakes import FakeClock, FakeLedger

A, B = "4f0c7a7e-2c1b-4d3a-9f60-0d9a5f1c2b3d", "11111111-2222-4333-8444-555555555555"
OFFICE = f"""
[[source]]
name = "crm"
type = "inbox"
path = "/srv/inbox"
schedule = "daily at 03:00"
[[repository]]
name = "disk-a"
disk = "{A}"
passphrase = "${{secret:disk-a}}"
[[repository]]
name = "disk-b"
disk = "{B}"
passphrase = "${{secret:disk-b}}"
[[mirror]]
name = "cloud"
repository = "disk-a"
remote = "/cloud"
[disks]
remind = "weekly on fri at 16:00"
"""
FRIDAY = datetime(2026, 11, 27, 16, 30, tzinfo=UTC)


@pytest.fixture
def office() -> Settings:
    return parse(OFFICE)


def test_a_disk_is_away_while_its_filesystem_is_not_plugged_in(office, tmp_path: Path) -> None:
    (tmp_path / A).touch()
    assert disks_away(office, tmp_path) == {"disk-b"}


@pytest.mark.parametrize(
    ("hours", "asks"), [(-1, False), (0, True), (23, True), (25, False), (7 * 24, True)]
)
def test_the_office_is_reminded_on_the_day_it_chose(office, hours: int, asks: bool) -> None:
    said = reminder(office, {"disk-b"}, FRIDAY + timedelta(hours=hours))
    assert bool(said) is asks
    if asks:
        assert "bring disk-b" in said


def test_nobody_is_reminded_of_disks_that_are_all_here(office) -> None:
    assert reminder(office, set(), FRIDAY) == ""


def copies_in(office: Settings, *copies: tuple[str, timedelta]) -> object:
    clock, ledger = FakeClock(), FakeLedger()
    for place, age in copies:
        time = clock.time - age
        ledger.add_copy(Copy(f"crm-{time}", "crm", place, time, time))
    return health_of(office, ledger, clock, away={"disk-b"})["copies"]


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("copies", "office_copy", "cloud_copy"),
    [
        ((), "none", "none"),
        ((("disk-a", HOUR),), "fresh", "none"),
        ((("disk-a", HOUR), ("cloud", HOUR)), "fresh", "fresh"),
        ((("disk-a", 5 * DAY), ("cloud", 5 * DAY)), "old", "old"),
        (((WAITING_ROOM, HOUR),), "none", "none"),
        (((WAITING_ROOM, HOUR), ("disk-b", 5 * DAY)), "old", "none"),
    ],
)
def test_the_lamps_are_told_of_proved_copies_on_disks_alone(
    office, copies, office_copy, cloud_copy
) -> None:
    assert copies_in(office, *copies) == {"office": office_copy, "cloud": cloud_copy}


A_RECIPE = """type = "recipe"
base = "https://crm.example.org/"
hosts = ["crm.example.org"]
step = [{ name = "all", url = "all.csv", to = "all.csv" }]"""


def told_by(tmp_path: Path, clock: FakeClock, kind: str = "inbox") -> list[dict[str, object]]:
    """What status says of what the vendor of `crm` removes."""
    office = OFFICE
    if kind == "recipe":
        office = office.replace('type = "inbox"\npath = "/srv/inbox"', A_RECIPE)
    settings = parse(f'[appliance]\nstate = "{tmp_path}"\n' + office)
    ledger = FakeLedger()
    ledger.add_copy(Copy("crm-old", "crm", "disk-a", clock.time - HOUR, clock.time))
    (source,) = health_of(settings, ledger, clock, away=())["sources"]
    assert all(each["sentence"] in source["sentence"] or each["what"] for each in source["offers"])
    return source["offers"]


def test_what_a_recipe_and_an_inbox_note_of_a_vendor_is_counted_down(tmp_path) -> None:
    clock = FakeClock()
    assert told_by(tmp_path, clock) == []
    kept = Memory(tmp_path / "recipes" / "crm.json", lambda: clock.time)
    kept.offer(clock.time + 3 * DAY)
    link = Waiting("a.url", clock.time, frozenset({"mark"}))
    waiting.write(tmp_path / "links" / "crm.json", {"key": link}, 2 * DAY)
    for kind, what, days in (("inbox", "a.url", 2), ("recipe", "", 3)):
        (told,) = told_by(tmp_path, clock, kind)
        assert (told["what"], told["left_seconds"]) == (what, days * 86400), "and not the other's"
    kept.pulled()
    settle(tmp_path / "recipes" / "crm.json")
    waiting.write(tmp_path / "links" / "crm.json", {}, 2 * DAY)
    assert told_by(tmp_path, clock) == told_by(tmp_path, clock, "recipe") == []


@pytest.mark.parametrize("text", ["", "[", "[]", "7", '{"offer": 7}', "[" * 100_000])
def test_a_note_that_is_torn_says_nothing_and_harms_nothing(tmp_path, text) -> None:
    for folder in ("recipes", "links"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "crm.json").write_text(text)
    assert told_by(tmp_path, FakeClock()) == []
