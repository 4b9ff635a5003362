"""How often a password may be tried."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from appliance.web.confirm import THROTTLE
from appliance.web.throttle import FILE, LONGEST_WAIT, Throttle, TooManyTries
from tests.web.people import LOOKERS, PASSWORD, Browser


@pytest.fixture
def throttle(tmp_path, time):
    return Throttle(tmp_path, time)


def tries(throttle, peers):
    """How many of these may try."""
    taken = 0
    for peer in peers:
        try:
            throttle.take(peer)
        except TooManyTries:
            continue
        taken += 1
    return taken


def wait_of(throttle, peer):
    with pytest.raises(TooManyTries) as caught:
        throttle.take(peer)
    return caught.value.seconds


def test_E3_ten_thousand_guesses_from_as_many_addresses_are_thirty_an_hour(throttle, time):
    taken = []
    for number in range(10_000):
        time.passes(seconds=0.36)
        taken.append(tries(throttle, [f"10.0.{number // 250}.{number % 250}"]))
    assert 25 <= sum(taken) <= 30


def test_E3_no_hour_sees_more_whenever_it_begins(throttle, time):
    moments = []
    for number in range(3 * 3600):
        time.passes(seconds=1)
        if number > 3000 and tries(throttle, [f"peer {number}"]):
            moments.append(number)
    assert max(sum(begin <= m < begin + 3600 for m in moments) for begin in moments) <= 30


def test_E3_each_wrong_try_of_one_address_makes_it_wait_longer_but_never_for_ever(throttle, time):
    waits = []
    for _ in range(20):
        while True:
            try:
                throttle.take("192.168.1.66")
                break
            except TooManyTries as error:
                waits.append(error.seconds)
                time.passes(seconds=error.seconds)
        time.passes(hours=0)
    by_the_address = [wait for wait in waits if wait >= 15]
    assert by_the_address[:4] == [15, 30, 60, 120]
    assert max(waits) <= LONGEST_WAIT.total_seconds()


def test_E3_the_owner_gets_in_after_waiting(app, browse, time):
    for number in range(40):
        browse(f"10.0.0.{number}").sign_in("a wrong one, again")
    owner = browse("192.168.1.20")
    answer = owner.sign_in()
    assert answer.status_code == 429
    assert "Too many wrong tries. Wait" in answer.text
    assert int(answer.headers["Retry-After"]) <= LONGEST_WAIT.total_seconds()
    time.passes(seconds=int(answer.headers["Retry-After"]))
    assert owner.sign_in().status_code == 302


def test_E3_strangers_who_never_stop_keep_no_owner_out_who_was_in_before(app, browse, time):
    owner = browse("192.168.1.20")
    owner.sign_in()
    owner.send("/sign-out", page="/")
    addresses = itertools.count()
    for _ in range(60):
        browse(f"10.0.0.{next(addresses)}").sign_in("a wrong one, again")
        time.passes(seconds=5)
    assert browse("192.168.1.21").sign_in().status_code == 429
    assert owner.sign_in().status_code == 302


def test_E3_what_a_known_browser_tries_is_counted_as_well(browse, time):
    owner = browse()
    owner.sign_in()
    owner.send("/sign-out", page="/")
    answers = [owner.sign_in("a wrong one, again").status_code for _ in range(6)]
    assert answers == [401, 401, 401, 429, 429, 429]
    time.passes(seconds=15)
    assert owner.sign_in().status_code == 302


def test_E3_whoever_may_only_look_gets_no_share_of_their_own(browse):
    looker = browse()
    looker.sign_in(LOOKERS)
    assert looker.cookie("__Host-browser") is None


def test_E3_a_made_up_cookie_is_no_known_browser(app, browse):
    for number in range(40):
        thief = browse("10.0.0.1")
        thief.client.set_cookie("__Host-browser", f"guess {number}", domain="localhost")
        answer = thief.sign_in("a wrong one, again")
    assert answer.status_code == 429


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP", "CF-Connecting-IP"]
)
def test_E4_headers_that_claim_another_address_change_nothing(browse, box, header):
    answers = []
    for number in range(5):
        browser, value = browse("10.0.0.1"), f"1.2.3.{number}"
        value = f"for={value}" if header == "Forwarded" else value
        fields = {"password": "a wrong one, again"}
        answers.append(browser.send("/sign-in", fields, headers={header: value}).status_code)
    assert answers == [401, 401, 401, 429, 429]
    assert all("10.0.0.1" in words for _, _, words, _ in box.asked)


def test_E4_forwarded_headers_make_nobody_secure_or_another_host(visitor):
    answer = visitor.get(
        "/sign-in",
        base_url="http://localhost",
        headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"},
    )
    assert (answer.status_code, answer.location) == (302, "https://localhost/sign-in")


def test_E3_a_restart_forgets_nothing(tmp_path, throttle, time):
    assert tries(throttle, ["192.168.1.66"] * 9) == 3
    assert tries(throttle, [f"10.0.0.{n}" for n in range(9)]) == 3
    again = Throttle(tmp_path, time)
    assert wait_of(again, "192.168.1.66") > 14
    assert wait_of(again, "10.1.1.1") > 100


def test_E3_a_clock_that_jumps_and_a_start_of_the_machine_shorten_no_wait(tmp_path, time):
    throttle = Throttle(tmp_path, time)
    assert tries(throttle, [f"10.0.0.{n}" for n in range(9)]) == 6
    for start in (0.0, 10.0**9):  # monotonic time begins anew
        again = Throttle(tmp_path, lambda start=start: start)
        assert 149 <= wait_of(again, "10.1.1.1") <= 150


def test_E3_a_try_is_counted_before_it_is_known_to_be_wrong(app, people, browse, time):
    """Whoever cuts the power between trying and counting would guess as often as they like."""
    seen = []

    def looking(password):
        seen.append(wait_of(Throttle(people.folder, time), "10.9.9.9") if len(seen) == 5 else 0)

    people.role_of = looking
    for number in range(6):
        browse(f"10.0.0.{number}").sign_in("a wrong one, again")
    assert seen[-1] > 100


@pytest.mark.parametrize("text", ["", "[]", "{", '{"shares": 7, "peers": []}', '{"peers": {}}'])
def test_a_file_that_is_broken_keeps_nobody_out(tmp_path, time, text):
    (tmp_path / FILE).write_text(text)
    Throttle(tmp_path, time).take("192.168.1.7")


def test_a_card_that_cannot_be_written_keeps_nobody_out(app, browse, people, monkeypatch):
    from appliance.core.errors import DiskReadOnly
    from appliance.web import throttle

    def refuse(*_):
        raise DiskReadOnly("No.")

    monkeypatch.setattr(throttle, "write_durably", refuse)
    answer = browse().sign_in()
    assert answer.status_code == 302


def test_the_right_password_costs_nothing(app, browse, time):
    for _ in range(50):
        assert browse().sign_in().status_code == 302
    assert browse("10.0.0.1").sign_in("a wrong one, again").status_code == 401


def test_E3_many_at_once_are_counted_like_many_one_after_the_other(app, browse, people):
    from concurrent.futures import ThreadPoolExecutor

    tried = []
    people.role_of = tried.append
    browsers = [browse(f"10.0.0.{number}") for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda browser: browser.sign_in("a wrong one, again"), browsers))
    assert len(tried) == 6


def test_what_it_remembers_of_addresses_is_bounded(throttle, time, tmp_path):
    for number in range(500):
        time.passes(minutes=3)
        tries(throttle, [f"10.0.{number}"])
    assert len(throttle._peers) < 30
    assert (tmp_path / FILE).stat().st_size < 10_000
    assert timedelta(0) < LONGEST_WAIT


def test_every_wrong_try_is_written_down_and_none_that_was_refused(app, browse, box):
    for _ in range(9):
        browse().sign_in("a wrong one, again")
    assert (
        box.asked
        == [("note", "sign-in", "A wrong password was typed at the door, from 192.168.1.7.", False)]
        * 3
    )
    assert app.extensions[THROTTLE]
    assert isinstance(browse(), Browser)
    assert PASSWORD not in str(box.asked)
