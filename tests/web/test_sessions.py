"""How long somebody is known."""

from __future__ import annotations

import pytest

from appliance.web import create_app, sessions
from appliance.web.policy import Role
from tests.web.people import LOOKERS, ORIGIN, PASSWORD, Browser


def test_E7_after_a_quarter_of_an_hour_without_use_it_has_ended(browse, time):
    browser = browse()
    browser.sign_in()
    for _ in range(5):
        time.passes(minutes=14)
        assert browser.is_in()
    time.passes(minutes=16)
    assert not browser.is_in()


def test_E7_after_half_a_day_it_has_ended_however_much_it_was_used(browse, time):
    browser = browse()
    browser.sign_in()
    for _ in range(12 * 6):
        assert browser.is_in()
        time.passes(minutes=10)
    time.passes(minutes=1)
    assert not browser.is_in()


def test_E7_a_tab_that_asks_by_itself_does_not_keep_it_alive(browse, time):
    browser = browse()
    browser.sign_in()
    for _ in range(16):
        time.passes(minutes=1)
        browser.get("/", Sec_Fetch_Dest="empty")
    assert not browser.is_in()


@pytest.mark.parametrize("years", [-10, 10])
def test_E7_a_clock_that_jumps_neither_ends_nor_revives_it(browse, time, monkeypatch, years):
    import time as clock

    browser, gone = browse(), browse()
    gone.sign_in()
    time.passes(minutes=16)
    browser.sign_in()
    really = clock.time()
    monkeypatch.setattr(clock, "time", lambda: really + years * 365 * 86400)
    assert browser.is_in()
    assert not gone.is_in()


def test_E7_after_signing_out_the_cookie_opens_nothing(app, browse):
    browser, thief = browse(), app.test_client()
    browser.sign_in()
    stolen = browser.cookie()
    browser.send("/sign-out", page="/")
    thief.set_cookie("__Host-appliance", stolen, domain="localhost", secure=True)
    assert thief.get("/", base_url=ORIGIN).status_code == 302


def test_E7_signing_in_gives_another_cookie_than_before(browse):
    browser = browse()
    browser.get("/sign-in")
    before = browser.cookie("__Host-visitor")
    browser.sign_in()
    first = browser.cookie()
    assert before is not None
    assert first not in (None, before)
    browser.send("/sign-out", page="/")
    browser.sign_in()
    assert browser.cookie() not in (None, first)


def test_E7_a_cookie_that_a_thief_chose_is_not_taken_up(app, browse):
    browser = browse()
    browser.client.set_cookie("__Host-visitor", "chosen", domain="localhost", secure=True)
    browser.client.set_cookie("__Host-appliance", "chosen", domain="localhost", secure=True)
    browser.sign_in()
    assert browser.cookie() != "chosen"
    assert browser.is_in()


def test_E7_the_cookie_is_a_random_number_of_256_bits_and_nothing_else(browse):
    seen = set()
    for _ in range(3):
        browser = browse()
        browser.sign_in()
        seen.add(browser.cookie())
    assert len(seen) == 3
    assert {len(each) for each in seen} == {43}  # 32 bytes in base64


def test_E7_a_restart_ends_it(app, box, people, browse):
    browser = browse()
    browser.sign_in()
    again = Browser(create_app(box, people))
    again.client.set_cookie("__Host-appliance", browser.cookie(), domain="localhost", secure=True)
    assert not again.is_in()


@pytest.mark.parametrize("role", [Role.CHANGE, Role.LOOK])
def test_E7_another_password_ends_every_session_also_one_set_at_the_terminal(browse, people, role):
    browser, looker = browse(), browse()
    browser.sign_in()
    looker.sign_in(LOOKERS)
    people.set_password(role, "another one that is long")
    assert not browser.is_in()
    assert not looker.is_in()


def test_E7_an_answer_under_way_does_not_revive_a_session_that_was_ended(app, browse):
    browser = browse()
    browser.sign_in()
    store = app.session_interface
    with app.test_request_context(
        base_url=ORIGIN, headers={"Cookie": f"__Host-appliance={browser.cookie()}"}
    ) as context:
        session = store.open_session(app, context.request)
        assert session["_user_id"]
        store.end_all()
        session["more"] = 1
        answer = app.response_class()
        store.save_session(app, session, answer)
    assert "Set-Cookie" not in answer.headers
    assert not browser.is_in()


def test_E7_visitors_push_out_nobody_who_has_signed_in_and_fill_no_memory(app, browse):
    browser, waiting = browse(), browse("192.168.1.9")
    browser.sign_in()
    token = waiting.token("/sign-in")
    for _ in range(100):
        browse("192.168.1.66").get("/sign-in")
    assert len(app.session_interface._visitors.sessions) < 40
    assert browser.is_in()
    answer = waiting.client.post(
        "/sign-in",
        data={"csrf_token": token, "password": PASSWORD},
        base_url=ORIGIN,
        environ_overrides={"REMOTE_ADDR": waiting.address},
    )
    assert answer.status_code == 302


def test_E7_there_are_never_more_sessions_than_fit(app, browse, monkeypatch):
    monkeypatch.setattr(sessions, "_MOST", 3)
    browsers = [browse() for _ in range(5)]
    for browser in browsers:
        browser.sign_in()
    assert [browser.is_in() for browser in browsers] == [False, False, True, True, True]
