"""The data-protection sheet says what holds, in plain words, for every setting."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from appliance.config import load, parse
from appliance.core import forgetting
from appliance.core.model import Outcome, Trigger
from appliance.data_protection import data_sheet, facts, render, when_gone
from appliance.data_protection.people import IDLE_MINUTES
from appliance.engine import memory
from appliance.web import sessions
from tests.test_config import EXAMPLE, GOOD
from tests.web.offices import Office
from tests.web.reading import words
from tests.web.test_restore import NO_BORG

HOST = '[[repository]]\nname = "other-house"\nurl = "ssh://b@nas.example.org/./r"\n'
HOST += 'passphrase = "${secret:other}"\n'
END = '[retention]\nat_most = "400d"\n'
ENDLESS = Office().settings
SETTINGS = {
    "nothing": parse("", complete=False),
    "no cloud and no disk": parse(GOOD),
    "an end": parse(GOOD + END),
    "another house": parse(GOOD.replace("disk-a", "disk-b") + HOST),
    "disks alone": Office(cloud=False).settings,
    "no source": Office(sources=()).settings,
    "everything": load(EXAMPLE),
}


def sheet_of(office: Office, settings=None):
    return data_sheet(settings or office.settings, office.ledger, office.clock)


def rows_of(office: Office, settings=None) -> dict[str, str]:
    """All that is said, by what it is about."""
    return {
        f"{part.title}: {about}": said
        for part in sheet_of(office, settings).parts
        for about, said in part.rows
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_it_holds_for_every_setting_and_speaks_plainly(name: str) -> None:
    sheet = sheet_of(Office(), SETTINGS[name])
    page = render(sheet)
    assert all(about and said for part in sheet.parts for about, said in part.rows)
    assert all(part.rows for part in sheet.parts if part.title != "What is kept")
    assert "<table>\n</table>" not in page
    assert not NO_BORG.search(words(page)), NO_BORG.findall(words(page))
    assert not re.search(r"\bNone\b(?!:| yet)|\{|\}|\$", words(page))
    assert "  " not in " ".join(said for part in sheet.parts for _, said in part.rows)


def test_the_paper_says_what_the_page_is_told() -> None:
    told, printed = facts(sheet_of(Office())), html.unescape(render(sheet_of(Office())))
    assert json.loads(json.dumps(told)) == told
    assert told["title"] in printed
    for part in told["parts"]:
        for about, said in part["rows"]:
            assert about in printed
            assert re.sub(r"`(.*?)`", r"<code>\1</code>", said) in printed


def test_it_needs_nothing_from_outside() -> None:
    assert not re.search(r"(src|href)=|url\(|@import|<script|https?:", render(sheet_of(Office())))


def test_no_name_can_smuggle_markup_in() -> None:
    evil = "</title><script>alert(1)</script>&'"
    settings = parse(f'[appliance]\nname = "{evil}"\n' + GOOD.replace("crm.example.org", evil))
    tags: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            tags.add(tag)

    Reader().feed(render(sheet_of(Office(), settings)))
    assert "script" not in tags


def test_it_names_each_place_and_whether_it_can_be_read() -> None:
    said = rows_of(Office(), load(EXAMPLE))
    assert said["Where: disk-a"].startswith("A USB disk of the office. Encrypted")
    assert said["Where: server-room"].startswith("The folder /mnt/nas/appliance. Encrypted")
    assert said["Where: other-house"].startswith("The server nas.example.org. Encrypted")
    assert "b2:office/front" in said["Where: cloud"]
    assert "/var/lib/appliance/staging" in said["Where: The box itself"]
    assert "While no disk is here" in said["Where: The box itself"]
    assert "/srv/inbox/done for 30 days" in said["Where: by-hand"]
    assert "crm.example.org" in said["What leaves the box: Fetching"]
    assert said["What leaves the box: Copies"] == "Encrypted, to cloud and other-house."


def test_without_a_cloud_nothing_is_said_to_go_there() -> None:
    said = rows_of(Office(), parse(GOOD))
    assert "What leaves the box: Copies" not in said
    assert "While no disk is here" not in said["Where: The box itself"]
    assert not [about for about in said if "cloud" in about.lower() or "Disks" in about]


def test_the_date_is_the_one_that_is_kept_and_sources_alike_share_a_row() -> None:
    office = Office(sources=("contacts", "crm", "site"))
    text = '[[source]]\nname = "{}"\ntype = "inbox"\npath = "/srv/{}"\nkeep_done = "1d"\n'
    text += 'schedule = "daily at 03:00"\n'
    every = "".join(text.format(name, name) for name in ("crm", "site"))
    every += text.format("own", "own") + '[source.retention]\nat_most = "30d"\n'
    settings = parse(every + END, complete=False)
    said = rows_of(office, settings)
    day = timedelta(days=1)
    gone = forgetting.day(office.now + (400 + 30 + 14 + 4 + 1) * day, settings.zone)
    assert f"gone for sure by {gone}" in said["For how long: crm and site"]
    assert "none gets older than 30 days" in said["For how long: own"]
    assert when_gone(settings, office.now)[0].startswith("crm: What is deleted")


def test_by_counts_alone_there_is_no_date_here_nor_in_the_cloud() -> None:
    said = rows_of(Office())
    assert "There is no fixed date" in said["For how long: crm"]
    assert said["For how long: cloud"].endswith(
        "keeps it for ever: nothing says when it goes there."
    )
    assert "stays for ever" in said["For how long: Looked wrong"]
    assert (
        "goes with its age" in rows_of(Office(), SETTINGS["an end"])["For how long: Looked wrong"]
    )


def test_what_was_backed_up_is_counted_and_its_tables_are_named() -> None:
    office = Office()
    office.copied(timedelta(days=40)).copied(timedelta(days=1))
    older, newest = sorted({copy.archive for copy in office.ledger.copies()})
    table = {"since": {}, "id": []}
    names = ["Contacts", "Deals", "Leads", "Notes", "Tasks"]
    memory.note_became(
        office.ledger, older, "", [table | {"name": name, "rows": 7} for name in names]
    )
    contacts = table | {"name": "Contacts", "rows": 1234}
    memory.note_became(office.ledger, newest, older, [contacts])
    said = rows_of(office)["What is kept: crm"]
    assert "In it: Contacts (1,234 records), Deals (7 records), " in said
    assert said.count("records") == 3
    assert "and 2 more." in said
    assert "2 backups, of " in said


def test_a_backup_that_looked_wrong_does_not_say_what_is_in_it() -> None:
    office = Office()
    office.copied(timedelta(days=2))
    (name,) = {copy.archive for copy in office.ledger.copies()}
    run = office.ledger.begin("crm", Trigger.SCHEDULE, office.now)
    office.ledger.finish(run.id, Outcome.HELD, office.now, archive=name)
    memory.note_became(
        office.ledger, name, "", [{"name": "Login", "rows": 1, "id": []}], ["Wrong."]
    )
    assert "Login" not in rows_of(office)["What is kept: crm"]


def test_what_is_fetched_no_more_is_told_as_it_stays() -> None:
    office = Office()
    office.copied(sources=("crm", "old-crm"))
    said = rows_of(office)["What is kept: old-crm"]
    assert said.startswith(
        "Fetched no more; by itself the box removes nothing of it. 1 backup, of "
    )


def test_on_a_clock_in_doubt_no_date_is_promised() -> None:
    office = Office()
    assert "in doubt" not in sheet_of(office).about
    office.clock.synchronised = False
    assert "the dates below are in doubt" in sheet_of(office).about


def test_what_it_says_of_the_page_is_what_the_page_does() -> None:
    assert timedelta(minutes=IDLE_MINUTES) == sessions.IDLE
