"""The first run as the worker knows it: facts, the sheet that leaves it once, two words."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta

import pytest

from appliance import enrolment
from appliance.box import Box
from appliance.config import load
from appliance.core.errors import ApplianceError, ConfigError
from appliance.core.model import Copy, Outcome, Trigger
from appliance.first_run import FirstRun, Guesses
from appliance.pairing_request import OPEN_FOR, REQUEST, RESULT, PairingRequest
from appliance.worker import Engine
from tests.fakes import FakeClock
from tests.system.office import Office

WORDS = ("able", "baker", "charlie", "delta")


class Desk:
    """A worker's first run, and the runtime folder in which root answers."""

    def __init__(self, office):
        self.office = office
        self.box = Box(load(office.config, complete=False))
        self.clock = FakeClock()
        self.request = PairingRequest(self.box.state, self.clock.monotonic, lambda: None)
        self.first_run = FirstRun(self.box, self.request, office.config)

    def words(self, name="disk-a"):
        """What a person reads from the sheet."""
        (asked,) = (
            each["asked"] for each in self.first_run.facts()["repositories"] if each["name"] == name
        )
        passphrase = self.box.secrets.get(name).split("-")
        return [passphrase[number - 1] for number in asked]

    def prove(self):
        now = self.box.clock.now()
        self.box.ledger.add_copy(Copy("crm-1", "crm", "disk-a", now, now))

    def hold_the_button(self, name="disk-a"):
        assert json.loads((self.box.state / REQUEST).read_text())["sheet"] == name
        (self.box.state / REQUEST).unlink()
        (self.box.state / RESULT).write_text('{"ok": true, "sentence": "It may be shown."}')
        assert not self.request.look(), "no disk was paired"


@pytest.fixture
def office(tmp_path):
    folder = tmp_path / "office"
    folder.mkdir()
    return Office(folder)


@pytest.fixture
def desk(office):
    """A box with one place for backups and no backup yet."""
    made = office.folder / "disk"
    made.mkdir()
    office.ok("init", "disk-a", "--folder", made / "repo")
    desk = Desk(office)
    yield desk
    desk.box.ledger.close()


def test_a_box_that_was_just_installed_has_everything_before_it(office):
    desk = Desk(office)
    facts = desk.first_run.facts()
    assert (facts["name"], facts["timezone"]) == ("Office", "Europe/Berlin")
    assert not any(facts[key] for key in ("named", "repositories", "sources", "proved", "restored"))
    assert json.loads(json.dumps(facts)) == facts
    desk.box.ledger.close()


def test_a_name_is_written_down_and_what_stood_in_the_file_stays(office):
    office.config.write_text("# Ask Ada first.\n" + office.config.read_text())
    desk = Desk(office)
    desk.first_run.name_the_box("  Front   office ", "Europe/Vienna")
    settings = load(office.config)
    assert (settings.appliance.name, settings.appliance.timezone) == (
        "Front office",
        "Europe/Vienna",
    )
    assert office.config.read_text().startswith("# Ask Ada first.")
    assert desk.first_run.facts()["named"]
    desk.box.ledger.close()


@pytest.mark.parametrize(
    ("name", "zone", "error"),
    [
        ("", "UTC", ApplianceError),
        (" \n ", "UTC", ApplianceError),
        ("x" * 61, "UTC", ApplianceError),
        ("a\x1b[31m", "UTC", ApplianceError),
        ("Front office", "Europe/Nowhere", ConfigError),
        ("Front office", "../../etc/passwd", ConfigError),
    ],
)
def test_what_is_no_name_or_no_zone_changes_nothing(office, name, zone, error):
    desk = Desk(office)
    before = office.config.read_text()
    with pytest.raises(error):
        desk.first_run.name_the_box(name, zone)
    assert office.config.read_text() == before
    assert not desk.first_run.facts()["named"]
    desk.box.ledger.close()


@pytest.mark.slow
def test_before_the_first_backup_the_sheet_is_shown_and_it_is_the_printed_one(desk):
    shown = desk.first_run.sheet("disk-a")
    assert "-".join(shown["words"]) == desk.box.secrets.get("disk-a") == shown["passphrase"]
    printed = (desk.box.state / "sheet-disk-a.html").read_text()
    assert all(word in printed for word in shown["words"])
    assert shown["key"].splitlines()[1] in printed
    kept = (desk.box.state / "sheet-disk-a.json").read_text()
    assert shown["passphrase"] not in kept
    (facts,) = desk.first_run.facts()["repositories"]
    assert facts["sheet_open"]
    assert shown["passphrase"] not in json.dumps(desk.first_run.facts())


@pytest.mark.slow
def test_once_it_was_confirmed_or_something_was_proved_the_sheet_stays_where_it_is(desk):
    assert desk.first_run.confirm_sheet("disk-a", desk.words())
    with pytest.raises(ApplianceError, match="only before the first backup"):
        desk.first_run.sheet("disk-a")
    (facts,) = desk.first_run.facts()["repositories"]
    assert facts["confirmed"]
    assert not facts["sheet_open"]
    again = Desk(desk.office)  # after a restart
    assert again.first_run.facts()["repositories"][0]["confirmed"]
    again.box.ledger.close()


@pytest.mark.slow
def test_E2_whoever_claims_a_box_that_is_at_work_does_not_get_its_keys(desk):
    desk.prove()
    with pytest.raises(ApplianceError, match="only before the first backup"):
        desk.first_run.sheet("disk-a")
    assert desk.first_run.confirm_sheet("disk-a", desk.words()), "who has the paper may say so"


@pytest.mark.slow
def test_holding_the_button_shows_that_one_sheet_for_five_minutes(desk, office):
    desk.prove()
    office.sections = [office.config.read_text()]
    office.add("[panel]", button=17, led_office=22, led_cloud=23, led_attention=24)
    held = Desk(office)
    question = held.first_run.ask_for_sheet("disk-a")
    assert "sheet of disk-a" in question
    assert held.request.facts() == {"question": question}
    with pytest.raises(ApplianceError):
        held.first_run.sheet("disk-a")
    held.hold_the_button()
    assert held.first_run.sheet("disk-a")["words"]
    assert not held.request.shows_sheet_of("disk-b")
    held.clock.forward(OPEN_FOR)
    with pytest.raises(ApplianceError):
        held.first_run.sheet("disk-a")
    held.box.ledger.close()


@pytest.mark.slow
def test_without_a_button_the_way_is_the_command(desk):
    with pytest.raises(ApplianceError) as refused:
        desk.first_run.ask_for_sheet("disk-a")
    assert "appliance sheet disk-a" in refused.value.hint


@pytest.mark.slow
def test_a_question_that_nobody_answered_shows_nothing(desk, office):
    request = desk.request
    request.make_for_sheet("disk-a")
    desk.clock.forward(OPEN_FOR + timedelta(seconds=1))
    request.look()
    assert request.facts() is None
    assert not request.shows_sheet_of("disk-a")
    assert not (office.state / REQUEST).exists()
    assert request.make_for_sheet("disk-a"), "and it may be asked again"


@pytest.mark.slow
def test_a_refusal_of_root_shows_nothing(desk):
    desk.request.make_for_sheet("disk-a")
    (desk.box.state / REQUEST).unlink()
    (desk.box.state / RESULT).write_text('{"ok": false, "sentence": "No."}')
    assert not desk.request.look()
    assert not desk.request.shows_sheet_of("disk-a")


@pytest.mark.slow
def test_E2_the_button_makes_the_box_theirs_who_asked_and_nobody_elses(desk, office):
    request = desk.request
    with pytest.raises(ApplianceError, match="no button") as refused:
        desk.first_run.ask_to_claim("me")
    assert "appliance web claim" in refused.value.hint
    assert "theirs" in request.make_for_claim("me")
    assert "theirs" in request.make_for_claim("me"), "asked once more, it is the same question"
    for another in (request.make_for_claim, request.make_for_sheet):
        with pytest.raises(ApplianceError, match="Another browser") as refused:
            another("somebody else")
        assert "Do not touch the button" in refused.value.hint
    assert (request.claimed("me"), request.claimed("somebody else")) == ("waiting", "no")
    assert json.loads((office.state / REQUEST).read_text()).keys() == {"claim", "asked"}
    (office.state / REQUEST).unlink()
    (office.state / RESULT).write_text('{"ok": true, "sentence": "Yes."}')
    assert not request.look(), "no disk was paired"
    assert (request.claimed("me"), request.claimed("somebody else")) == ("yes", "no")
    with pytest.raises(ApplianceError, match="Another browser"):
        request.make_for_claim("somebody else")  # who would take my yes away
    assert request.claimed("me") == "yes"
    assert not request.shows_sheet_of("me")
    desk.clock.forward(OPEN_FOR)
    assert request.claimed("me") == "no"


@pytest.mark.slow
def test_E2_a_hold_that_came_too_late_is_no_yes_to_the_next_who_asks(desk):
    request = desk.request
    request.make_for_claim("me")
    desk.clock.forward(OPEN_FOR + timedelta(seconds=1))
    request.look()
    with pytest.raises(ApplianceError, match="Another browser"):
        request.make_for_claim("somebody else")
    desk.clock.forward(OPEN_FOR)
    assert "some" in request.make_for_claim("somebody else"), "and it is another question"


@pytest.mark.slow
def test_two_right_words_in_any_case_are_enough_and_one_is_not(desk):
    first, second = desk.words()
    assert not desk.first_run.confirm_sheet("disk-a", [first, "zebra"])
    assert not desk.first_run.facts()["repositories"][0]["confirmed"]
    desk.first_run._guesses._again_at = 0.0
    assert desk.first_run.confirm_sheet("disk-a", [f" {first.upper()} ", f"{second}-"])


@pytest.mark.slow
def test_a_new_disk_of_an_old_name_has_a_sheet_that_nobody_printed(desk):
    assert desk.first_run.confirm_sheet("disk-a", desk.words())
    enrolment._note(desk.box, "disk-a", "cd" * 32)
    assert not desk.first_run.facts()["repositories"][0]["confirmed"]


def test_E3_guessing_words_gets_slower_and_slower_and_never_stops_for_good():
    clock = FakeClock()
    guesses = Guesses(clock.monotonic)
    asked = guesses.asked("disk-a", WORDS)
    assert len(set(asked)) == 2
    assert guesses.asked("disk-a", WORDS) == asked, "whoever reloads does not choose"
    tried = []
    for second in range(3600):
        clock.forward(timedelta(seconds=1))
        with suppress(ApplianceError):
            assert not guesses.judged("disk-a", WORDS, ["no", "no"])
            tried.append(second)
    assert len(tried) <= 15
    assert tried[-1] > 1800, "it goes on"
    clock.forward(timedelta(minutes=15))
    assert guesses.judged("disk-a", WORDS, [WORDS[number - 1] for number in asked])


@pytest.mark.slow
def test_every_showing_and_every_answer_is_in_the_record(desk):
    engine = Engine(desk.box)
    engine.sheet("disk-a")
    engine.confirm_sheet("disk-a", ["no", "no"])
    runs = desk.box.ledger.runs("page:sheet")
    assert [(run.trigger, run.outcome) for run in runs] == [
        (Trigger.PAGE, Outcome.WARNING),
        (Trigger.PAGE, Outcome.OK),
    ]
    assert "was shown" in runs[1].message
    text = " ".join(run.message for run in runs)
    assert not any(word in text.split() for word in desk.box.secrets.get("disk-a").split("-"))


@pytest.mark.slow
def test_a_file_came_back_once_a_download_went_well(desk):
    engine = Engine(desk.box)
    engine.note("download", "A wrong password was typed for a download.", went_well=False)
    assert not engine.first_run()["restored"]
    engine.note("download", "One row was taken home.")
    assert engine.first_run()["restored"]


@pytest.mark.slow
def test_a_folder_by_command_is_in_the_configuration_once(office):
    (office.folder / "disk").mkdir()
    office.ok("init", "disk-a", "--folder", office.folder / "disk" / "repo")
    assert load(office.config, complete=False).repository_named("disk-a").path
    told = office.call("init", "disk-a", "--folder", office.folder / "disk" / "other")
    assert told.returncode == 2
    assert "there is one of this name already" in told.stderr
