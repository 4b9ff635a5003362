"""The two passwords, and typing the password again."""

from __future__ import annotations

import pytest

from appliance.web import confirm
from appliance.web.policy import Role
from appliance.web.throttle import TooManyTries
from tests.web.people import LOOKERS, ORIGIN, PASSWORD

NEW = "another one that is long"


@pytest.fixture
def owner(browse):
    browser = browse()
    browser.sign_in()
    return browser


def fields(password=PASSWORD, new=NEW, again=None):
    return {"password": password, "new": new, "again": new if again is None else again}


def send(owner, what, values=None):
    return owner.send(f"/account/{what}", values or {}, page="/account/")


def test_changing_the_password_ends_every_other_session_and_goes_on_in_this_one(
    owner, browse, people, box
):
    other, looker = browse("192.168.1.8"), browse("192.168.1.9")
    other.sign_in()
    looker.sign_in(LOOKERS)
    before = owner.cookie()
    assert send(owner, "password", fields()).location == "/account/"
    assert owner.is_in()
    assert owner.cookie() != before
    assert not other.is_in()
    assert not looker.is_in()
    assert people.role_of(NEW) is Role.CHANGE
    assert people.role_of(PASSWORD) is None
    assert box.asked[-1][1] == "password"
    assert NEW not in str(box.asked)


@pytest.mark.parametrize(
    ("values", "code", "says"),
    [
        (fields(password="a wrong one, again"), 403, "not the password"),
        (fields(password=LOOKERS), 403, "not the password"),
        (fields(again="not the same"), 400, "not the same"),
        (fields(new="tiny"), 400, "too short"),
        (fields(new=LOOKERS), 400, "two different passwords"),
    ],
)
def test_a_change_that_will_not_do_changes_nothing(owner, people, values, code, says):
    answer = send(owner, "password", values)
    assert (answer.status_code, says in answer.text) == (code, True)
    assert people.role_of(PASSWORD) is Role.CHANGE
    assert owner.is_in()


def test_the_password_to_look_is_set_changed_and_removed(owner, browse, people):
    people.remove_password(Role.LOOK)
    owner.sign_in()
    assert "There is none" in owner.get("/account/").text
    assert send(owner, "look", fields()).status_code == 302
    assert people.role_of(NEW) is Role.LOOK
    looker = browse()
    looker.sign_in(NEW)
    assert looker.is_in()
    assert "Account" not in looker.get("/").text
    assert looker.get("/account/").status_code == 403
    assert send(owner, "look/remove", {"password": PASSWORD}).status_code == 302
    assert people.role_of(NEW) is None
    assert not looker.is_in()
    assert owner.is_in()


def test_whoever_may_only_look_shares_no_password_with_whoever_may_change(owner, people):
    answer = send(owner, "look", fields(new=PASSWORD))
    assert (answer.status_code, "two different" in answer.text) == (400, True)
    assert people.role_of(LOOKERS) is Role.LOOK


def test_removing_needs_the_password_too(owner, people):
    assert send(owner, "look/remove", {"password": "a wrong one, again"}).status_code == 403
    assert people.role_of(LOOKERS) is Role.LOOK


def test_signing_everybody_out_ends_this_session_too(owner, browse):
    looker = browse("192.168.1.9")
    looker.sign_in(LOOKERS)
    assert send(owner, "sign-out-everywhere").location == "/sign-in"
    assert "Everybody is signed out" in owner.get("/sign-in").text
    assert not owner.is_in()
    assert not looker.is_in()


def asking(app, browser, password):
    """Have a room ask for the password again, in a request of this browser."""
    cookie = f"__Host-appliance={browser.cookie()}"
    with app.test_request_context(
        base_url=ORIGIN,
        headers={"Cookie": cookie},
        environ_overrides={"REMOTE_ADDR": browser.address},
    ):
        confirm.require_password({"password": password})


def test_the_password_again_is_that_of_whoever_is_signed_in(app, browse, owner):
    looker = browse("192.168.1.9")
    looker.sign_in(LOOKERS)
    asking(app, owner, PASSWORD)
    asking(app, looker, LOOKERS)
    asking(app, looker, PASSWORD)
    with pytest.raises(confirm.PasswordWrong):
        asking(app, owner, LOOKERS)


def test_E3_a_stolen_session_guesses_the_password_no_faster_than_the_door(app, browse, time):
    thief = browse("192.168.1.66")
    thief.sign_in()
    wrong = 0
    for _ in range(10):
        try:
            asking(app, thief, "a wrong one, again")
        except confirm.PasswordWrong:
            wrong += 1
        except TooManyTries:
            break
    assert wrong == 3
    assert browse("192.168.1.66").sign_in().status_code == 429  # it is one count
