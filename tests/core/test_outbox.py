"""What waits to be sent: bounded, tried again with growing pauses, and told where it is stuck."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from appliance.core.outbox import (
    MOST_LETTERS,
    PAUSES,
    TAKEN,
    Outbox,
    as_json,
    from_json,
    vital,
)
from appliance.core.vitals import Condition

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
ZONE = ZoneInfo("UTC")
SHOWN = {"mail": "mail to …@shop.example", "phone": "ntfy"}


def letter_for(*names: str) -> Outbox:
    return Outbox().put("subject", "body", names, NOW)


def test_a_letter_waits_until_each_address_has_taken_it() -> None:
    box = letter_for("mail", "phone").tried("mail", 1, TAKEN, NOW)
    assert (box.for_address("mail"), len(box.for_address("phone"))) == ((), 1)
    assert box.tried("phone", 1, TAKEN, NOW).letters == ()


def test_an_address_that_fails_is_tried_again_with_growing_pauses() -> None:
    box, now, waited = letter_for("mail"), NOW, []
    for _ in range(7):
        box = box.tried("mail", 1, "absent", now)
        start = now
        while not box.due(now):
            now += timedelta(minutes=1)
        waited.append(now - start)
    assert waited == [*PAUSES, PAUSES[-1], PAUSES[-1]]
    assert box.route("mail").failing == NOW


def test_a_clock_that_went_back_makes_no_letter_wait_for_years() -> None:
    box = letter_for("mail").tried("mail", 1, "absent", NOW)
    assert box.due(NOW - timedelta(days=400)) == ("mail",)


def test_what_waits_is_bounded_and_the_newest_stays() -> None:
    box = Outbox()
    for number in range(100):
        box = box.put(f"{number}", "body", ["mail"], NOW)
    assert len(box.letters) == MOST_LETTERS
    assert box.letters[-1].subject == "99"


def test_of_too_many_what_can_wait_goes_first_and_the_next_one_says_so() -> None:
    box = Outbox().put("gone", "412 are gone.", ["mail"], NOW, is_urgent=True)
    for number in range(MOST_LETTERS + 2):
        box = box.put(f"{number}", "body", ["mail"], NOW)
    assert [each.subject for each in box.letters[:2]] == ["gone", "3"]
    assert box.letters[1].text(ZONE, NOW) == "(3 older messages were let go.)\n\nbody"
    assert box.letters[0].text(ZONE, NOW) == "412 are gone."


def test_a_letter_that_waits_for_an_address_that_is_gone_goes_to_who_did_not_get_it() -> None:
    box = letter_for("mail", "phone").tried("phone", 1, TAKEN, NOW)
    box = from_json(as_json(box)).only_to(["phone", "other"])
    assert box.letters[0].to == ("other",)
    assert letter_for("mail").only_to(["other"]).letters[0].to == ("other",)
    assert letter_for("mail").only_to(["mail", "other"]).letters[0].to == ("mail",)


def test_a_letter_that_is_refused_again_and_again_holds_up_no_other() -> None:
    box, now = letter_for("mail").put("second", "body", ["mail"], NOW), NOW
    for _ in range(4):
        box = from_json(as_json(box.tried("mail", 1, "refused", now)))
    assert len(box.letters) == 2
    box = box.tried("mail", 1, "refused", now)
    assert [each.subject for each in box.letters] == ["second"]
    assert box.due(now) == ("mail",)
    box = from_json(as_json(box.tried("mail", 2, TAKEN, now)))
    told = vital(box, {"mail": SHOWN["mail"]}, ZONE, now)
    assert told.state is Condition.LOOK
    assert (
        told.sentence == "A message was refused again and again and let go: mail to …@shop.example."
    )
    later = vital(box, {"mail": SHOWN["mail"]}, ZONE, now + timedelta(days=1))
    assert later.state is Condition.OK


def test_a_letter_that_is_in_nobody_s_way_is_tried_for_ever() -> None:
    box = letter_for("mail")
    for _ in range(9):
        box = box.tried("mail", 1, "refused", NOW)
    assert len(box.letters) == 1
    box = box.put("second", "body", ["mail"], NOW).tried("mail", 1, "refused", NOW)
    assert [each.subject for each in box.letters] == ["second"]


def test_a_server_that_is_away_refuses_nothing() -> None:
    box = letter_for("mail")
    for why in ("refused", "absent") * 4:
        box = box.tried("mail", 1, why, NOW)
    assert len(box.letters) == 1


def test_what_cannot_wait_is_tried_again_within_a_quarter_of_an_hour() -> None:
    box = letter_for("mail")
    for _ in range(6):
        box = box.tried("mail", 1, "absent", NOW)
    quarter = NOW + timedelta(minutes=15)
    assert box.due(quarter) == ()
    box = box.put("gone", "412 are gone.", ["mail"], NOW, is_urgent=True)
    assert (box.due(quarter - timedelta(minutes=1)), box.due(quarter)) == ((), ("mail",))


def test_a_test_that_fails_makes_nothing_that_waits_go_later() -> None:
    box = letter_for("mail").tried("mail", 0, "login", NOW)
    assert (box.due(NOW), box.route("mail").why, box.route("mail").tries) == (("mail",), "login", 0)


def test_what_goes_to_an_address_that_is_gone_is_forgotten() -> None:
    box = letter_for("mail", "phone").tried("phone", 1, "absent", NOW)
    kept = box.only_to(["mail"])
    assert (kept.letters[0].to, dict(kept.routes)) == (("mail",), {})
    assert kept.only_to([]).letters == ()


def test_with_no_address_nothing_waits() -> None:
    assert Outbox().put("s", "b", (), NOW).letters == ()


def test_what_waited_for_long_says_so() -> None:
    (letter,) = letter_for("mail").letters
    assert letter.text(ZONE, NOW) == "body"
    assert "waited since Mon 23 Nov 10:00" in letter.text(ZONE, NOW + timedelta(days=2))


def test_it_survives_as_json() -> None:
    box = letter_for("mail", "phone").tried("mail", 1, TAKEN, NOW).tried("phone", 1, "slow", NOW)
    assert from_json(as_json(box)) == box
    assert from_json({}) == Outbox()


def test_one_failure_is_a_hiccup_two_are_told_without_the_address() -> None:
    box = letter_for("mail").tried("mail", 1, "login", NOW)
    assert vital(box, {"mail": SHOWN["mail"]}, ZONE, NOW).state is Condition.OK
    box = box.tried("mail", 1, "login", NOW + timedelta(minutes=1))
    told = vital(box, {"mail": SHOWN["mail"]}, ZONE, NOW)
    assert told.state is Condition.LOOK
    assert told.sentence == (
        "Messages have not got out since Mon 23 Nov 10:00: mail to …@shop.example: the server "
        "refuses the login."
    )


def test_where_one_of_two_addresses_is_stuck_it_is_named() -> None:
    box = letter_for("mail", "phone").tried("phone", 1, TAKEN, NOW)
    box = box.tried("mail", 1, "slow", NOW).tried("mail", 1, "slow", NOW)
    told = vital(box, SHOWN, ZONE, NOW)
    assert told.sentence.startswith("Messages to mail to …@shop.example have not got out since")


def test_when_the_last_message_got_out_is_told() -> None:
    box = letter_for("mail").tried("mail", 1, TAKEN, NOW)
    told = vital(box, SHOWN, ZONE, NOW + timedelta(hours=5))
    assert (told.state, told.sentence) == (Condition.OK, "The last message got out 5 hours ago.")
