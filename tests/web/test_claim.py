"""Making the box one's own: nobody does who has not seen its terminal."""

from __future__ import annotations

import threading

import pytest

from appliance.web import claim_code, create_app
from appliance.web.confirm import THROTTLE
from appliance.web.people import ClaimedAlready, People
from appliance.web.policy import Role
from appliance.web.throttle import Throttle
from tests.web.people import ORIGIN, PASSWORD, Browser
from tests.web.routes import routes

TWICE = {"password": PASSWORD, "again": PASSWORD}


@pytest.fixture
def people(tmp_path):
    """A box that is nobody's yet."""
    return People(tmp_path)


def open_door(browser, people):
    return browser.send("/claim/", {"code": claim_code.new(people.folder)})


def test_E2_until_it_is_claimed_the_page_shows_nothing_else(app, box, visitor):
    app.config["WTF_CSRF_ENABLED"] = False
    for path, method, endpoint, _ in routes(app):
        if endpoint == "static" or endpoint.startswith("claim."):
            continue
        answer = visitor.open(path, method=method, base_url=ORIGIN)
        assert (answer.status_code, answer.location) == (302, "/claim/"), endpoint
    assert "not yours yet" in visitor.get("/claim/", base_url=ORIGIN).text
    assert box.asked == []


@pytest.mark.parametrize("password", ["", "admin", "password", "appliance", "raspberry", PASSWORD])
def test_E2_no_password_is_there_from_the_start(people, password):
    assert people.role_of(password) is None


def test_E2_the_code_of_the_terminal_leads_to_the_password_and_in(browse, people, box):
    browser = browse()
    assert open_door(browser, people).location == "/claim/password"
    answer = browser.send("/claim/password", TWICE)
    assert answer.location == "/first-run"
    assert browser.is_in()
    assert people.role_of(PASSWORD) is Role.CHANGE
    assert box.asked[-1] == (
        "note", "claim", "Somebody made this box theirs and set the password, from 192.168.1.7.",
        True,
    )  # fmt: skip


def test_E2_or_the_button_on_the_box_does(browse, people, box):
    box.beginning["has_button"] = True
    browser, other = browse(), browse("192.168.1.8")
    assert "Ask the box" in browser.get("/claim/").text
    assert browser.send("/claim/button", page="/claim/").location == "/claim/button"
    (who,) = [each[1] for each in box.asked if each[0] == "ask to claim"]
    box.button_said[who] = "waiting"
    answer = browser.get("/claim/button")
    assert (answer.status_code, answer.headers["Refresh"]) == (200, "2")
    assert browser.get("/claim/password").location == "/claim/"
    box.button_said[who] = "yes"
    assert other.get("/claim/button").status_code == 409
    assert other.get("/claim/password").location == "/claim/"
    assert browser.get("/claim/button").location == "/claim/password"
    assert browser.send("/claim/password", TWICE).location == "/first-run"
    assert browser.get("/claim/button").location == "/sign-in"
    assert browser.is_in()


def test_E2_a_button_that_nobody_held_opens_nothing(browse, people, box):
    browser = browse()
    assert "Ask the box" not in browser.get("/claim/").text, "it has none"
    box.beginning["has_button"] = True
    browser.send("/claim/button", page="/claim/")
    answer = browser.get("/claim/button")
    assert (answer.status_code, "Nobody held the button" in answer.text) == (409, True)
    box.refuses = True
    assert browser.send("/claim/button", page="/claim/").status_code == 409
    assert not people.is_claimed()


def test_E2_without_the_code_nobody_sets_a_password(browse, people):
    browser = browse()
    assert browser.get("/claim/password").location == "/claim/"
    assert browser.send("/claim/password", TWICE, page="/claim/").location == "/claim/"
    answer = browser.send("/claim/", {"code": "AAAA-AAAA-AAAA-AAAA"})
    assert (answer.status_code, "not the code" in answer.text) == (401, True)
    assert not people.is_claimed()


def test_E2_a_code_works_once(browse, people):
    first, second = browse(), browse("192.168.1.8")
    code = claim_code.new(people.folder)
    assert first.send("/claim/", {"code": code}).status_code == 302
    assert second.send("/claim/", {"code": code}).status_code == 401


def test_E2_a_code_is_typed_as_people_type(browse, people):
    code = claim_code.new(people.folder)
    typed = f" {code.lower().replace('-', ' ')} "
    assert browse().send("/claim/", {"code": typed}).status_code == 302


def test_E2_a_code_is_hard_to_guess_and_written_down_nowhere(people):
    codes = {claim_code.new(people.folder) for _ in range(200)}
    assert len(codes) == 200
    assert {len(code) for code in codes} == {19}
    assert not set("0O1IL") & set("".join(codes))
    *_, last = codes
    assert all(last not in file.read_text() for file in people.folder.iterdir())
    assert {file.stat().st_mode & 0o077 for file in people.folder.iterdir()} == {0}


def test_E2_a_new_code_makes_the_old_one_void(people):
    old, new = claim_code.new(people.folder), claim_code.new(people.folder)
    assert not claim_code.use_up(people.folder, old)
    assert claim_code.use_up(people.folder, new)


def test_E2_a_code_lasts_a_quarter_of_an_hour_of_this_start(people, monkeypatch, tmp_path):
    import time

    code = claim_code.new(people.folder)
    now = time.monotonic()
    monkeypatch.setattr(claim_code.time, "monotonic", lambda: now + 15 * 60 + 1)
    assert not claim_code.use_up(people.folder, code)
    monkeypatch.undo()
    (tmp_path / "another").write_text("another start")
    monkeypatch.setattr(claim_code, "_START", tmp_path / "another")
    assert not claim_code.use_up(people.folder, code)
    monkeypatch.undo()
    assert claim_code.use_up(people.folder, code)


def test_E2_of_two_browsers_one_wins_and_the_other_is_told(browse, people):
    slow, quick = browse(), browse("192.168.1.8")
    open_door(slow, people)
    open_door(quick, people)
    token = slow.token("/claim/password")
    assert quick.send("/claim/password", TWICE).location == "/first-run"
    other = {"password": "mine mine all of it", "again": "mine mine all of it"}
    answer = slow.client.post(
        "/claim/password", base_url=ORIGIN, data={"csrf_token": token} | other
    )
    assert answer.location == "/sign-in"
    assert "somebody&#39;s already" in slow.get("/sign-in").text
    assert people.role_of(PASSWORD) is Role.CHANGE
    assert people.role_of("mine mine all of it") is None


def test_E2_of_many_at_the_same_moment_one_wins(people):
    code, won, barrier = claim_code.new(people.folder), [], threading.Barrier(8)

    def race(number):
        barrier.wait()
        if claim_code.use_up(people.folder, code):
            won.append(("code", number))
        try:
            People(people.folder).claim(f"password of {number}")
            won.append(("password", number))
        except ClaimedAlready:
            pass

    racers = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(what for what, _ in won) == ["code", "password"]
    (winner,) = [number for what, number in won if what == "password"]
    assert people.role_of(f"password of {winner}") is Role.CHANGE


def test_E2_guessing_codes_is_slowed_down(app, browse, people, time):
    app.extensions[THROTTLE] = Throttle(people.folder, time)
    answers = [browse().send("/claim/", {"code": f"AAAA-{n}"}).status_code for n in range(6)]
    assert answers == [401, 401, 401, 429, 429, 429]
    time.passes(seconds=16)
    assert open_door(browse(), people).status_code == 302


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"password": "tiny one", "again": "tiny one"}, "too short"),
        ({"password": PASSWORD, "again": "another one"}, "not the same"),
        ({"password": "Password2024!", "again": "Password2024!"}, "others try first"),
        ({"password": "frontoffice1", "again": "frontoffice1"}, "others try first"),
    ],
)
def test_a_password_that_will_not_do_is_refused_in_words(box, people, fields, says):
    from appliance.web.office import Office

    browser = Browser(create_app(box, people, lambda: Office("Front office")))
    open_door(browser, people)
    answer = browser.send("/claim/password", fields)
    assert (answer.status_code, says in answer.text) == (400, True)
    assert fields["password"] not in answer.text
    assert browser.send("/claim/password", TWICE).status_code == 302


def test_once_it_is_somebody_s_the_claim_is_closed(browse, people):
    people.set_password(Role.CHANGE, PASSWORD)
    browser = browse()
    assert browser.get("/claim/").location == "/sign-in"
    assert "somebody&#39;s already" in browser.get("/sign-in").text
