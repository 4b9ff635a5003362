"""What went wrong, in words."""

from __future__ import annotations

import pytest
from flask import Blueprint, abort

from appliance.core.errors import ApplianceError
from appliance.system.socket import Client, WorkerAbsent
from appliance.web import create_app
from appliance.web.policy import Role, open_to
from tests.web.people import ORIGIN, Browser

HOSTILE = "<script>alert(1)</script>"


def raising(error):
    def view():
        raise error

    return view


@pytest.fixture
def broken(box, people, monkeypatch):
    """A signed-in browser at a page with a room where things go wrong."""
    from appliance.web import app as made

    room = Blueprint("broken", __name__)
    for code in (400, 401, 403, 404, 405, 413, 418, 429, 500, 503):
        view = open_to(Role.LOOK)(lambda code=code: abort(code, description=HOSTILE))
        room.get(f"/abort-{code}", endpoint=f"abort-{code}")(view)
    for name, error in {
        "bug": ZeroDivisionError(HOSTILE),
        "away": WorkerAbsent("The worker is not running."),
        "no": ApplianceError(f"The disk {HOSTILE} is not here.", hint="Plug it in."),
    }.items():
        room.get(f"/{name}", endpoint=name)(open_to(Role.LOOK)(raising(error)))
    monkeypatch.setattr(made, "ROOMS", (*made.ROOMS, room))
    browser = Browser(create_app(box, people))
    browser.sign_in()
    return browser


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 413, 418, 429, 500, 503])
def test_every_error_is_said_in_words_and_nothing_of_it_comes_back(broken, code):
    answer = broken.get(f"/abort-{code}")
    assert answer.status_code == code
    assert "<h1>" in answer.text
    assert "alert(1)" not in answer.text
    assert "Traceback" not in answer.text


def test_a_fault_of_ours_shows_no_traceback(broken):
    answer = broken.get("/bug")
    assert (answer.status_code, "Something went wrong in the box." in answer.text) == (500, True)
    assert "ZeroDivision" not in answer.text
    assert "alert(1)" not in answer.text


def test_a_worker_that_is_away_is_said_in_words(broken):
    answer = broken.get("/away")
    assert (answer.status_code, "worker does not answer" in answer.text) == (503, True)
    assert "appliance daemon" not in answer.text


def test_what_the_box_refuses_is_said_in_its_own_words(broken):
    answer = broken.get("/no")
    assert answer.status_code == 409
    assert "Plug it in." in answer.text
    assert "The disk &lt;script&gt;" in answer.text


def test_a_page_that_there_is_none_of_is_said_in_words(keeper):
    answer = keeper.get("/nothing", base_url=ORIGIN)
    assert (answer.status_code, "There is no such page." in answer.text) == (404, True)


def test_E11_a_form_that_is_too_large_is_refused_in_words(browse):
    answer = browse().send("/sign-in", {"password": "y" * 70_000})
    assert (answer.status_code, "too much at once" in answer.text) == (413, True)


def test_E11_a_form_of_very_many_fields_is_refused(visitor):
    fields = {f"field{number}": "x" for number in range(600)}
    answer = visitor.post(
        "/sign-in", data=fields, base_url=ORIGIN, content_type="multipart/form-data"
    )
    assert answer.status_code == 413


def test_a_worker_that_is_away_stops_nobody_from_signing_in_and_out(people, tmp_path):
    browser = Browser(create_app(Client(tmp_path / "nobody.sock"), people))
    assert browser.sign_in().status_code == 302
    assert browser.get("/").status_code == 503
    assert browser.get("/account/").status_code == 200
    assert browser.send("/sign-out", page="/account/").status_code == 302
