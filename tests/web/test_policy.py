"""Who may use which route: nobody, unless the view says so."""

from __future__ import annotations

import pytest

from appliance.web import create_app
from appliance.web.policy import Role, Undeclared
from tests.web.people import LOOKERS, ORIGIN
from tests.web.routes import doors, routes


def test_E1_a_route_that_declares_nothing_stops_the_page_from_starting(box, people, monkeypatch):
    from flask import Blueprint

    from appliance.web import app as made

    room = Blueprint("open", __name__)
    room.get("/open")(lambda: "everything")
    monkeypatch.setattr(made, "ROOMS", (*made.ROOMS, room))
    with pytest.raises(Undeclared, match="open"):
        create_app(box, people)


def test_E1_a_stranger_sees_the_door_and_nothing_else(app, box, visitor):
    app.config["WTF_CSRF_ENABLED"] = False
    for path, method, endpoint, role in routes(app):
        if role is Role.ANYBODY:
            continue
        answer = visitor.open(path, method=method, base_url=ORIGIN)
        assert (answer.status_code, answer.location) == (302, "/sign-in"), endpoint
    assert box.asked == []


def test_E1_what_a_stranger_may_use_is_known_by_name(app):
    assert doors(app) == {
        "static",
        "door.sign_in",
        "door.try_password",
        "claim.start",
        "claim.try_code",
        "claim.ask",
        "claim.wait",
        "claim.choose",
        "claim.take",
        "programs.metrics",
        "programs.status",
    }


def test_E1_a_stranger_does_not_learn_which_pages_there_are(visitor):
    for path in ("/nothing", "/restore/../x", "/static", "/%00", "/" + "a" * 3000):
        answer = visitor.get(path, base_url=ORIGIN)
        assert (answer.status_code, answer.location) == (302, "/sign-in"), path


def test_E1_whoever_may_look_changes_nothing(app, box, browse):
    looker = browse()
    looker.sign_in(LOOKERS)
    box.asked.clear()
    app.config["WTF_CSRF_ENABLED"] = False
    for path, method, endpoint, role in routes(app):
        if role is Role.CHANGE:
            answer = looker.client.open(path, method=method, base_url=ORIGIN)
            assert answer.status_code == 403, endpoint
    assert box.asked == []


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"])
def test_E1_no_other_method_is_a_way_around(visitor, method):
    answer = visitor.open("/", method=method, base_url=ORIGIN)
    assert answer.status_code in (302, 405)
    assert "safe" not in answer.text.lower()


def test_whoever_signs_in_gets_the_page_that_they_wanted(browse):
    browser = browse()
    browser.get("/activity/?source=crm")
    assert browser.sign_in().location == "/activity/?source=crm"


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "/%2f%2fevil.example/"])
def test_nobody_is_sent_elsewhere_after_signing_in(browse, path):
    browser = browse()
    browser.client.get(path, base_url=ORIGIN)
    assert browser.sign_in().location == "/"


def test_a_script_of_the_page_is_told_that_it_is_signed_out(visitor):
    answer = visitor.get("/", base_url=ORIGIN, headers={"Sec-Fetch-Dest": "empty"})
    assert answer.status_code == 401
