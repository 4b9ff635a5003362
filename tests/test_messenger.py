"""The messenger: what stands wrong becomes a letter, and a letter waits until it is taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Event, Lock
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from appliance.config import parse
from appliance.core.errors import ApplianceError
from appliance.core.model import Outcome, Trigger
from appliance.core.outbox import TAKEN
from appliance.engine import memory
from appliance.messaging.child import Post
from appliance.messenger import NOTE, Messenger
from appliance.system.secrets import Secrets
from tests.fakes import FakeClock, FakeLedger, Power, PowerCut

OFFICE = """
[appliance]
name = "Front office"
timezone = "Europe/Berlin"
[[source]]
name = "crm"
type = "inbox"
path = "/srv/inbox"
[[repository]]
name = "disk-a"
path = "/mnt/a"
passphrase = "${secret:disk-a}"
[messages]
to = ["${secret:mail}", "${secret:phone}"]
quiet = "22:00-07:00"
"""
PASSWORD = "hunter2"
ADDRESSES = {
    "mail": f"mailtos://u:{PASSWORD}@smtp.example/?to=boss@shop.example",
    "phone": f"ntfys://ntfy.sh/{PASSWORD}",
}
NOON = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)  # a Tuesday
HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
SAFE = {"source": "crm", "reasons": [], "sentence": "Fine.", "last_message": "", "last_run": None}
AWAY = SAFE | {"reasons": ["disk"], "sentence": "disk-a is away."}


class Office:
    """A messenger, the world it looks at, and what went out."""

    def __init__(self, folder: Path, settings: str = OFFICE) -> None:
        self.clock, self.power = FakeClock(), Power()
        self.clock.time = NOON
        self.ledger = FakeLedger(self.power)
        self.secrets = Secrets(folder / "secrets")
        for name, address in ADDRESSES.items():
            self.secrets.put(name, address)
        self.settings = parse(settings)
        self.source = dict(SAFE)
        self.more: dict[str, object] = {}
        self.out: list[tuple[str, str, str]] = []
        self.why: dict[str, str] = {}
        self.messenger = self.anew()

    def anew(self) -> Messenger:
        """As after a start of the box: only the ledger and the secrets are as before."""
        box = SimpleNamespace(
            settings=self.settings,
            ledger=self.ledger,
            clock=self.clock,
            secrets=self.secrets,
            zone=ZoneInfo("Europe/Berlin"),
        )
        self.messenger = Messenger(box, self.status, self.send)
        return self.messenger

    def status(self) -> dict[str, object]:
        return {
            "state": "look" if self.source["reasons"] else "safe",
            "sources": [self.source],
            "vitals": [],
            "configuration": [],
            "running": None,
            "waiting": [],
            "clock_trusted": True,
            "as_of": self.clock.time.isoformat(),
            "box": {"name": "Front office", "timezone": "Europe/Berlin"},
            "disks": [],
        } | self.more

    def send(self, address: str, posts: Sequence[Post]):
        name = next(name for name, known in ADDRESSES.items() if known == address)
        for post in posts:
            why = self.why.get(name, TAKEN)
            if why == TAKEN:
                self.out.append((name, post.subject, post.body))
            yield post.number, why
            if why != TAKEN:
                return

    def live(self, length: timedelta, each: timedelta = 5 * MINUTE) -> None:
        until = self.clock.time + length
        while self.clock.time < until:
            self.clock.forward(each)
            self.messenger.look()
            self.messenger.send()

    def to(self, name: str) -> list[str]:
        return [subject for who, subject, _ in self.out if who == name]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_trouble_goes_to_each_address_once_and_so_does_its_end(office) -> None:
    office.source = AWAY
    office.live(5 * HOUR)
    office.source = dict(SAFE)
    office.live(3 * HOUR)
    expected = [
        "Front office: please look: disk missing or wrong",
        "Front office: all is well again",
    ]
    assert (office.to("mail"), office.to("phone")) == (expected, expected)


def test_F14_a_disk_that_comes_and_goes_for_a_week_makes_three_messages_at_most(office) -> None:
    office.settings = parse(OFFICE + 'weekly = "never"\n')
    office.anew()
    for _ in range(7 * 12):
        office.source = AWAY
        office.live(HOUR)
        office.source = dict(SAFE)
        office.live(HOUR)
    assert 1 <= len(office.to("mail")) <= 3


def test_what_is_not_taken_waits_and_is_tried_again_and_the_other_address_has_it(office) -> None:
    office.source, office.why = AWAY, {"mail": "absent"}
    office.live(8 * HOUR)
    assert (len(office.to("mail")), len(office.to("phone"))) == (0, 1)
    (told,) = office.messenger.vitals()
    assert told.sentence == (
        "Messages to mail to b…s@shop.example have not got out since Tue 24 Nov 12:05: the server "
        "does not answer."
    )
    office.why = {}
    office.anew()  # and a restart forgets nothing
    office.live(5 * HOUR - 5 * MINUTE)
    assert len(office.to("mail")) == 1
    assert "waited since Tue 24 Nov 12:05" in office.out[-1][2]
    assert office.messenger.vitals()[0].state == "ok"


def test_in_quiet_hours_nothing_goes_out_that_can_wait(office) -> None:
    office.clock.time = NOON + 11 * HOUR  # 23:00 in Berlin
    office.source = AWAY
    office.live(7 * HOUR)
    assert office.out == []
    office.live(2 * HOUR)
    assert len(office.to("mail")) == 1


def test_what_waited_since_the_day_waits_through_the_quiet_hours_too(office) -> None:
    office.source, office.why = AWAY, {"mail": "absent", "phone": "absent"}
    office.live(HOUR)
    office.clock.forward(10 * HOUR)  # 23:00 in Berlin
    office.why = {}
    office.live(7 * HOUR)
    assert office.out == []
    office.live(5 * HOUR)
    assert len(office.to("mail")) == 1


def hold(office: Office) -> None:
    """An export in which 412 contacts are missing is held."""
    from appliance.core.model import Archive, Copy

    time = office.clock.time - HOUR
    for name, at, held in (("crm-a", time - DAY, False), ("crm-b", time, True)):
        run = office.ledger.begin("crm", Trigger.SCHEDULE, at)
        office.ledger.remember("crm", Archive(name, "crm", at, run.id, "", True, held), ())
        office.ledger.add_copy(Copy(name, "crm", "disk-a", at, at))
        outcome = Outcome.HELD if held else Outcome.OK
        office.ledger.finish(run.id, outcome, at, archive=name, message="x")
    table = {"name": "contacts", "rows": 3, "id": ["id"], "earlier": [415]}
    since = {"added": 0, "changed": 0, "removed": 412}
    memory.note_became(office.ledger, "crm-b", "crm-a", [table | {"since": since}], ["gone"])
    office.source = SAFE | {"reasons": ["held"], "sentence": "x", "last_message": "x"}


def test_a_mass_deletion_is_told_by_night_and_with_its_count(office) -> None:
    office.clock.time = NOON + 11 * HOUR
    hold(office)
    office.live(10 * MINUTE)
    ((_, subject, body), _) = office.out
    assert subject == "Front office: please look: an export looks wrong (crm)"
    assert "412 contacts that were here" in body
    assert "3 are left" in body


def test_the_weekly_word_goes_out_once_a_week_from_the_first_time_after_it_was_asked_for(
    office,
) -> None:
    office.live(5 * DAY + 19 * HOUR, each=HOUR)
    assert office.out == []
    office.live(14 * DAY, each=HOUR)
    assert len(office.to("mail")) == 2
    assert office.out[0][1] == "Front office, this week: Safe"


def test_the_weekly_word_counts_what_the_week_brought(office) -> None:
    office.live(MINUTE)
    office.clock.time = NOON + 5 * DAY
    hold(office)
    office.source = dict(SAFE)
    office.live(2 * DAY, each=HOUR)
    (body,) = {body for _, _, body in office.out}
    assert body.startswith("Safe. 1 backup this week, the last one Sat 28 Nov 11:00")


def test_the_weekly_word_can_be_switched_off(office) -> None:
    office.settings = parse(OFFICE + 'weekly = ""\n')
    office.anew()
    office.live(15 * DAY, each=HOUR)
    assert office.out == []


def test_the_disk_that_is_away_is_asked_for_once_on_the_day_that_the_office_chose(office) -> None:
    remind = '[disks]\nremind = "weekly on fri at 16:00"\n'
    office.settings = parse(OFFICE + 'weekly = ""\n' + remind)
    office.anew()
    told = "Today the disks change: bring disk-b and plug it in."
    for _ in range(14 * 24):
        is_friday = office.clock.time - timedelta(hours=15)
        shown = is_friday.weekday() == 4  # for a day from 16:00 in Berlin
        office.more = {"reminder": told if shown else ""}
        office.live(HOUR, each=HOUR)
    assert [body for who, _, body in office.out if who == "mail"] == [told, told]


def test_a_test_takes_the_way_that_all_take_and_says_how_it_went(office) -> None:
    office.why = {"phone": "login"}
    told = office.messenger.test()
    assert [(each["address"], each["taken"], each["why"]) for each in told] == [
        ("mail to b…s@shop.example", True, ""),
        ("ntfy to ntfy.sh", False, "the server refuses the login"),
    ]
    assert office.to("mail") == ["Front office: a test message"]
    assert office.messenger.facts()[0]["took"] == NOON.isoformat()


def test_a_missing_or_wrong_address_is_said_without_sending(office) -> None:
    office.secrets.remove("mail")
    office.secrets.put("phone", f"exec://{PASSWORD}")
    told = office.anew().test()
    assert [each["why"] for each in told] == [
        "the address is missing in the secret store",
        "the address is not one that messages can go to",
    ]
    assert PASSWORD not in json.dumps(told)


def test_without_addresses_nothing_happens_and_a_test_says_so(office) -> None:
    office.settings = parse(OFFICE.partition("[messages]")[0])
    office.anew()
    office.source = AWAY
    office.live(DAY, each=HOUR)
    assert (office.out, office.messenger.vitals()) == ([], ())
    assert office.ledger.noted(NOTE) is None
    with pytest.raises(ApplianceError, match="There is no address"):
        office.messenger.test()


def test_no_part_of_an_address_is_in_the_ledger_or_in_what_is_told(office, caplog) -> None:
    office.source, office.why = AWAY, {"mail": "login"}
    with caplog.at_level("DEBUG"):
        office.live(DAY, each=HOUR)
        office.messenger.test()
    said = [office.ledger.noted(NOTE), caplog.text, json.dumps(office.messenger.facts())]
    said += [each.sentence for each in office.messenger.vitals()]
    assert PASSWORD not in "".join(said)
    assert "boss" not in "".join(said)


def test_where_nothing_changes_nothing_is_written(office) -> None:
    office.source = AWAY
    office.live(HOUR)
    writes = office.power.writes
    office.live(5 * HOUR)
    assert office.power.writes == writes


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_sudden_end_anywhere_loses_no_letter_and_doubles_one_at_most(office, cut: int) -> None:
    office.source = AWAY
    office.power.cut_after = cut
    with suppress(PowerCut):
        office.live(HOUR)
    office.power.on, office.power.cut_after = True, None
    office.anew()
    office.live(HOUR)
    assert set(office.to("mail")) == set(office.to("phone"))
    assert len(office.out) in (2, 3)


def test_the_clock_is_waited_for_after_a_start(office) -> None:
    office.clock.synchronised, office.source = False, AWAY
    office.live(4 * MINUTE, each=MINUTE)
    assert office.out == []
    office.live(2 * MINUTE, each=MINUTE)
    assert len(office.to("mail")) == 1


def test_the_thread_outlives_whatever_fails_in_it(office, caplog) -> None:
    stop, rounds = Event(), []

    def status() -> dict[str, object]:
        rounds.append(1)
        raise ApplianceError("There is no room left.")

    office.messenger._status = status
    for _ in range(3):
        office.messenger._turn()
    assert len(rounds) == 3
    assert caplog.text.count("There is no room left.") == 1
    stop.set()
    office.messenger.run(stop)


def test_what_waits_is_sent_though_nobody_can_judge_what_to_say_and_the_page_says_so(
    office,
) -> None:
    office.source, office.why = AWAY, {"mail": "absent"}
    office.live(MINUTE, each=MINUTE)
    office.why = {}
    office.clock.forward(MINUTE)
    status, office.messenger._status = office.messenger._status, dict
    office.messenger._turn()
    assert len(office.to("mail")) == 1
    (told,) = office.messenger.vitals()
    assert told.state == "look"
    assert "cannot judge what to say" in told.sentence
    office.messenger._status = status
    office.messenger._turn()
    assert office.messenger.vitals()[0].state == "ok"


@pytest.mark.parametrize("note", ["{", '{"said": {"disk": {}}}', '{"box": 7}', "[]"])
def test_a_note_that_cannot_be_read_is_begun_anew_and_takes_no_status_with_it(
    office, note: str, caplog
) -> None:
    office.ledger.note(NOTE, note)
    for _ in range(3):
        assert office.messenger.vitals()
        assert office.messenger.facts()
    assert caplog.text.count("messages=forgotten") == 1
    office.source = AWAY
    office.live(MINUTE, each=MINUTE)
    assert len(office.to("mail")) == 1


def test_more_troubles_than_are_remembered_make_one_message(office) -> None:
    vital = {"state": "look", "sentence": "It is hot.", "todo": "", "reason": "power"}
    many = [{**vital, "name": f"part {n}", "reason": ""} for n in range(100)]
    office.more = {"vitals": many}
    office.live(HOUR, each=MINUTE)
    assert len(office.to("mail")) == 1


def test_an_address_that_gets_the_name_of_one_that_failed_is_tried_at_once(office) -> None:
    office.source, office.why = AWAY, {"mail": "absent", "phone": "absent"}
    office.live(8 * HOUR)
    box, before = office.messenger._box, office.settings
    box.settings = parse(OFFICE.partition("[messages]")[0])
    office.messenger.go_on_with(box, office.status)
    office.live(MINUTE, each=MINUTE)
    box.settings, office.why = before, {}
    office.messenger.go_on_with(box, office.status)
    office.live(MINUTE, each=MINUTE)
    assert len(office.to("mail")) == 1


def test_a_letter_that_only_a_mistyped_address_should_get_goes_to_the_one_in_its_place(
    office,
) -> None:
    office.source, office.why = AWAY, {"mail": "absent"}
    office.settings = parse(OFFICE.replace(', "${secret:phone}"', ""))
    office.anew()
    office.live(HOUR)
    box = office.messenger._box
    box.settings = parse(OFFICE.replace('"${secret:mail}", ', ""))
    office.messenger.go_on_with(box, office.status)
    office.live(5 * MINUTE)
    assert len(office.to("phone")) == 1


def test_a_test_sends_to_three_addresses_at_once_at_most(office) -> None:
    running, most, lock = 0, 0, Lock()
    full = Barrier(3)

    def send(_address: str, posts: Sequence[Post]) -> list[tuple[int, str]]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        full.wait(20)
        with lock:
            running -= 1
        return [(posts[0].number, TAKEN)]

    office.messenger._send = send
    told = office.messenger.test(["mail", "phone"] * 3)
    assert (len(told), most) == (6, 3)
    assert told[0]["address"] == "mail to b…s@shop.example (1)"


def test_another_configuration_is_gone_by_and_who_is_out_of_it_gets_nothing_more(office) -> None:
    office.source, office.why = AWAY, {"mail": "absent", "phone": "absent"}
    office.live(HOUR)
    box = office.messenger._box
    box.settings = parse(OFFICE.replace('"${secret:mail}", ', ""))
    office.messenger.go_on_with(box, office.status)
    office.why = {}
    office.live(5 * HOUR)
    assert (office.to("mail"), len(office.to("phone"))) == ([], 1)
    assert [each["name"] for each in office.messenger.facts()] == ["phone"]
