"""The trail of what people did: bounded whatever is said, proved every day, said when broken."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest

from appliance import audit
from appliance.audit import HOUR, MOST_IN_AN_HOUR, PROVE_EVERY, Audit, fault_in
from appliance.core.errors import DiskFull
from appliance.core.model import Outcome, Trigger
from appliance.core.vitals import Condition
from tests.fakes import FakeClock, FakeLedger


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
def trail(ledger: FakeLedger, clock: FakeClock) -> Audit:
    return Audit(ledger, clock)


def said(ledger: FakeLedger) -> list[str]:
    return [act.run.message for act in ledger.acts(limit=10_000)]


def test_what_was_done_is_written_down_at_once(trail, ledger, clock):
    trail.note("sign-in", "Somebody came in.")
    trail.note("sign-in", "A wrong password.", went_well=False)
    trail.note("pairing", "disk-a is ready.", trigger=Trigger.BUTTON)
    good, bad, paired = (act.run for act in ledger.acts())
    assert (good.source, good.outcome, good.started) == ("page:sign-in", Outcome.OK, clock.now())
    assert (bad.outcome, bad.message) == (Outcome.WARNING, "A wrong password.")
    assert (paired.source, paired.trigger) == ("button:pairing", Trigger.BUTTON)
    assert fault_in(ledger) == ""


@pytest.mark.parametrize("what", ["", "Sign-in", "a:b", "x" * 31, "../x", "a b", "é", "-", "a\n"])
def test_what_is_no_plain_word_is_something_else(trail, ledger, what):
    trail.note(what, "words")
    assert [act.run.source for act in ledger.acts()] == ["page:something-else"]


def test_words_of_any_length_and_kind_become_one_bounded_line(trail, ledger):
    trail.note("download", "a\x00b\n\tc\u202ed \x1b[31m" + "x" * 10**6)
    (text,) = said(ledger)
    assert text.startswith("a b c d [31mxxx")
    assert len(text) == 501
    trail.note("download", "<script>alert('☃')</script> na\udcefve")
    assert said(ledger)[1] == "<script>alert('☃')</script> na\udcefve"


def test_ten_thousand_wrong_passwords_do_not_fill_the_record(trail, ledger, clock):
    most = MOST_IN_AN_HOUR[False]
    for _ in range(10_000):
        trail.note("sign-in", "A wrong password.", went_well=False)
    trail.note("download", "Refused.", went_well=False)
    assert len(said(ledger)) == most + 1
    assert "only counted" in said(ledger)[-1]

    trail.note("sign-in", "Somebody came in.")
    assert said(ledger)[-1] == "Somebody came in.", "what goes well has room of its own"

    clock.forward(HOUR)
    trail.look()
    trail.look()
    assert said(ledger)[-2:] == [
        "1 more came that were only counted.",
        f"{10_000 - most:,} more came that were only counted.",
    ]
    assert [act.run.source for act in ledger.acts()[-2:]] == ["page:download", "page:sign-in"]
    trail.note("sign-in", "A wrong password.", went_well=False)
    assert said(ledger)[-1] == "A wrong password."


def test_a_day_of_rattling_leaves_a_bounded_number_of_lines(trail, ledger, clock):
    for _ in range(24 * 60):
        for _ in range(10):
            trail.note("sign-in", "A wrong password.", went_well=False)
        clock.forward(timedelta(minutes=1))
    assert len(said(ledger)) <= 24 * (MOST_IN_AN_HOUR[False] + 2)


def test_E18_the_trail_is_proved_once_a_day_and_a_broken_one_is_said(trail, ledger, clock, caplog):
    assert trail.vital().state is Condition.UNKNOWN
    trail.note("sign-in", "Somebody came in.")
    trail.note("settings", "Another one.")
    trail.look()
    assert (trail.fault, trail.vital().state) == ("", Condition.OK)

    del ledger._runs[1]
    trail.look()
    assert trail.vital().state is Condition.OK, "it was proved today"
    clock.forward(PROVE_EVERY)
    with caplog.at_level(logging.ERROR):
        trail.look()
    assert trail.vital().state is Condition.LOOK
    assert trail.vital().todo
    assert "no. 2" in trail.vital().sentence
    assert "audit=broken" in caplog.text


def test_each_hash_goes_to_the_systems_log_too_and_no_words_do(trail, ledger, caplog):
    with caplog.at_level(logging.INFO):
        trail.note("download", "crm of yesterday, to 192.0.2.7")
    (act,) = ledger.acts()
    assert re.search(rf"audit=1 what=download sha256={act.sha256}", caplog.text)
    assert "192.0.2.7" not in caplog.text


def test_what_is_added_while_it_is_proved_is_no_fault(ledger, clock, monkeypatch):
    audit.write(ledger, clock, "sign-in", "one", True, Trigger.PAGE)
    real, once = ledger.acts, []

    def acts(after=0, limit=500):
        found = real(after, limit)
        if not once:
            once.append(1)
            audit.write(ledger, clock, "sign-in", "two", True, Trigger.PAGE)
        return found

    monkeypatch.setattr(ledger, "acts", acts)
    assert fault_in(ledger) == ""


def test_a_full_disk_fails_the_act_and_not_the_worker(trail, ledger):
    ledger.error = DiskFull("full")
    with pytest.raises(DiskFull):
        trail.note("download", "words")
    trail.look()
