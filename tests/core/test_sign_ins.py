"""How a sign-in stands: until when it holds, from when on that is said, and how."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from appliance.core import message_words, sign_ins, vitals
from appliance.core.sign_ins import Lasting, SignIn, Standing
from appliance.core.signals import Reason

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ZONE = ZoneInfo("Europe/Berlin")
NOBODY_SAID = Lasting()


def signed(since: float = 1, used: float = 1, told: float | None = None) -> SignIn:
    end = None if told is None else NOW + told * DAY
    return SignIn(NOW - since * DAY, NOW - used * DAY, end, 3, "ann@shop.example", "b", "m")


@pytest.mark.parametrize(
    ("found", "lasting", "days"),
    [
        (signed(), Lasting(), None),
        (signed(since=2), Lasting(lasts=7 * DAY), 5),  # Google, in testing
        (signed(since=200, used=0), Lasting(idle=30 * DAY), 30),  # Salesforce: each use counts
        (signed(since=80, used=0), Lasting(90 * DAY, 30 * DAY), 10),
        (signed(told=3), Lasting(lasts=90 * DAY), 3),
        (signed(since=91, used=0), Lasting(lasts=90 * DAY), None),  # it was good for longer
        (SignIn(), Lasting(90 * DAY, 30 * DAY), None),
    ],
)
def test_the_earliest_end_that_anybody_said_counts(found, lasting, days):
    assert sign_ins.ends(found, lasting) == (None if days is None else NOW + days * DAY)


def standing(found: SignIn, lasting: Lasting = NOBODY_SAID, **more: bool) -> Standing:
    how = {"is_there": True, "is_refused": False} | more
    return sign_ins.standing(found, lasting, NOW, **how)


@pytest.mark.parametrize(
    ("found", "lasting", "how"),
    [
        (signed(), Lasting(), Standing.GOOD),
        (signed(since=30), Lasting(lasts=90 * DAY), Standing.GOOD),
        (signed(since=77), Lasting(lasts=90 * DAY), Standing.NEAR),
        (signed(since=90), Lasting(lasts=90 * DAY), Standing.OVER),
        (signed(since=4), Lasting(lasts=7 * DAY), Standing.GOOD),  # a third is left at least
        (signed(since=5), Lasting(lasts=7 * DAY), Standing.NEAR),
        (signed(used=0, told=7), Lasting(), Standing.GOOD),  # told anew with each use
        (signed(used=0.02, told=0.001), Lasting(), Standing.NEAR),  # Keycloak without offline
        (signed(told=-1), Lasting(), Standing.OVER),
    ],
)
def test_from_when_on_somebody_is_asked(found, lasting, how):
    assert standing(found, lasting) is how


def test_a_no_of_the_vendor_counts_more_than_any_date_and_nobody_more_than_that():
    assert standing(signed(told=50), is_refused=True) is Standing.REFUSED
    assert standing(SignIn(), is_there=False, is_refused=True) is Standing.NONE


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(2027, 3, 4, 12, tzinfo=UTC), "4 March 2027"),
        (datetime(2026, 12, 1, 23, 30, tzinfo=UTC), "2 December"),  # in Berlin
        (datetime(2026, 11, 21, 17, tzinfo=UTC), "today 18:00"),
    ],
)
def test_a_day_is_said_as_one_says_it(moment, words):
    assert sign_ins.day(moment, ZONE, NOW) == words


def fact(how: Standing, until: datetime | None = None, by_a_person: bool = True) -> dict:
    return {
        "source": "crm",
        "state": str(how),
        "sentence": sign_ins.sentence("crm", how, until, ZONE, NOW),
        "until": until.isoformat() if until else None,
        "by_a_person": by_a_person,
    }


@pytest.mark.parametrize(
    ("told", "is_urgent", "words"),
    [
        (fact(Standing.GOOD), None, "in order"),
        (fact(Standing.GOOD, NOW + 90 * DAY), None, "holds until 19 February 2027"),
        (fact(Standing.NEAR, NOW + 10 * DAY), False, "Sign in again by 30 November:"),
        (fact(Standing.NEAR, NOW + DAY / 2), True, "Sign in again today:"),
        (fact(Standing.OVER, NOW - DAY), True, "is over"),
        (fact(Standing.REFUSED), True, "does not accept"),
        (fact(Standing.NONE), True, "Nobody has signed in"),
        (fact(Standing.REFUSED, by_a_person=False), True, "new key or password"),
    ],
)
def test_it_is_a_part_of_the_box_that_is_well_or_wants_a_look(told, is_urgent, words):
    found = sign_ins.vital(told, ZONE, NOW)
    assert words in f"{found.sentence} {found.todo}"
    assert found.reason is (None if is_urgent is None else Reason.SIGN_IN)
    assert found.is_urgent is bool(is_urgent)
    assert vitals.from_json(json.loads(json.dumps(vitals.as_json(found)))) == found


def test_a_message_says_what_it_is_and_what_to_do_and_nothing_of_the_vendors():
    found = sign_ins.vital(fact(Standing.REFUSED), ZONE, NOW)
    status = {"sources": [], "vitals": [vitals.as_json(found)]}
    (trouble,) = message_words.troubles(message_words.Scene(status), ZONE, NOW)
    assert trouble.headline == "The vendor of crm does not accept the box's sign-in any more"
    assert "`appliance signin crm`" in trouble.todo
    assert trouble.is_urgent
    assert trouble.is_lasting
    assert not trouble.patience


def test_two_sources_are_two_troubles():
    parts = [fact(Standing.OVER), fact(Standing.OVER) | {"source": "site"}]
    found = [vitals.as_json(sign_ins.vital(each, ZONE, NOW)) for each in parts]
    status = {"sources": [], "vitals": found}
    assert len(message_words.troubles(message_words.Scene(status), ZONE, NOW)) == 2


def test_a_secrets_name_is_one_whatever_the_source_is_called():
    from appliance.system.secrets import _NAME

    names = {sign_ins.secret_name("a" * length) for length in range(1, 200)}
    assert len(names) == 199
    assert all(_NAME.fullmatch(name) for name in names)
    assert sign_ins.secret_name("crm") == "signin-crm"


def test_what_is_known_survives_the_disk_and_what_is_odd_is_refused():
    found = signed(told=3)
    assert sign_ins.from_json(json.loads(json.dumps(sign_ins.as_json(found)))) == found
    for odd in ({}, {"since": "x"}, sign_ins.as_json(found) | {"used": "2026-11-21T03:00:00"}):
        with pytest.raises((ValueError, KeyError, TypeError)):
            sign_ins.from_json(odd)


def test_other_servers_or_another_app_are_told_apart():
    first = sign_ins.bound_to("box", "https://a", "https://b")
    assert first == sign_ins.bound_to("box", "https://a", "https://b")
    assert first != sign_ins.bound_to("box", "https://a", "https://c")
    assert first != sign_ins.bound_to("kiosk", "https://a", "https://b")
