"""Where a form may come from."""

from __future__ import annotations

import pytest

from tests.web.people import ORIGIN
from tests.web.routes import routes

ACTS = ("cancel", "eject", "note", "pair", "reload", "start")
ELSEWHERE = ("https://evil.example", "null", "http://localhost", "https://localhost:81", "", "x")


def forms(app):
    return [(path, method, name) for path, method, name, _ in routes(app) if method != "GET"]


def test_E6_no_form_is_taken_without_the_token_of_its_session(app, box, browse):
    browser, other = browse(), browse("192.168.1.8")
    browser.sign_in()
    other.sign_in()
    foreign = other.token("/")
    box.asked.clear()
    assert foreign
    for path, method, name in forms(app):
        for token in ("", "guessed", foreign):
            answer = browser.client.open(
                path, method=method, base_url=ORIGIN, data={"csrf_token": token}
            )
            closed = (302,) if name.startswith("claim.") else ()  # the box is somebody's
            assert answer.status_code in (400, *closed), (name, token)
    assert box.asked == []


def test_E6_no_form_is_taken_from_elsewhere_even_with_the_token(app, box, browse):
    browser = browse()
    browser.sign_in()
    token = browser.token("/")
    box.asked.clear()
    for path, method, name in forms(app):
        for origin in ELSEWHERE:
            answer = browser.client.open(
                path,
                method=method,
                base_url=ORIGIN,
                data={"csrf_token": token},
                headers={"Origin": origin},
            )
            closed = (302,) if name.startswith("claim.") else ()
            assert answer.status_code in (400, *closed), (name, origin)
    assert box.asked == []


def test_E6_a_stranger_s_form_needs_a_token_too(visitor):
    answer = visitor.post("/sign-in", data={"password": "x"}, base_url=ORIGIN)
    assert answer.status_code == 400
    assert "too old" in answer.text


def test_E6_a_form_in_another_site_s_frame_brings_no_session(browse):
    browser = browse()
    browser.sign_in()
    (cookie,) = [c for c in browser.client._cookies.values() if c.key == "__Host-appliance"]
    assert (cookie.same_site, cookie.secure, cookie.http_only) == ("Strict", True, True)


def test_E6_looking_changes_nothing(app, box, browse):
    """What a GET does to the box is a question, never a verb that acts."""
    browser = browse()
    browser.sign_in()
    box.asked.clear()
    for path, method, _, _ in routes(app):
        if method == "GET":
            browser.get(path)
    assert [each for each in box.asked if each[0] in ACTS] == []
    assert browser.is_in()


@pytest.mark.parametrize("clock", [-10, 10])
def test_E7_a_clock_that_jumps_spoils_no_form(browse, monkeypatch, clock):
    import time

    browser = browse()
    token = browser.token("/sign-in")
    really = time.time()
    monkeypatch.setattr(time, "time", lambda: really + clock * 365 * 86400)
    answer = browser.client.post(
        "/sign-in", base_url=ORIGIN, data={"csrf_token": token, "password": "x" * 12}
    )
    assert answer.status_code == 401
