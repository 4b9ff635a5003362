"""The lamps on the page: as they should look, in words, and the demo's button."""

from __future__ import annotations

import pytest

from appliance.core.face import Edge
from appliance.core.signals import LAMPS, Lamp
from appliance.system.socket import WorkerAbsent
from appliance.web import create_app
from appliance.web.people import People
from appliance.web.policy import Role
from tests.web.conftest import ORIGIN, PASSWORD

PANEL = {"name": "panel", "state": "ok", "sentence": "", "todo": "", "reason": ""}


class Board:
    """A board that says what it was told and remembers who pressed."""

    def __init__(self):
        self.pressed = []

    def edges(self, since):
        return 7.5, [Edge(7.0, Lamp.CLOUD, True)]

    def press(self, seconds):
        self.pressed.append(seconds)


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def demo(box, board, tmp_path):
    """Somebody who has signed in to a page with a board."""
    people = People(tmp_path / "demo")
    people.set_password(Role.CHANGE, PASSWORD)
    app = create_app(box, people, board=board)
    app.config["WTF_CSRF_ENABLED"] = False
    visitor = app.test_client()
    visitor.post("/sign-in", data={"password": PASSWORD}, base_url=ORIGIN)
    return visitor


def get(visitor, path):
    return visitor.get(path, base_url=ORIGIN)


def test_each_lamp_has_its_label_its_rhythm_and_what_that_means(keeper):
    page = get(keeper, "/panel/").text
    for lamp in Lamp:
        assert LAMPS[lamp].label in page
    assert "<strong>steady</strong>: a proved copy is fresh." in page
    assert "<strong>off</strong>: nothing to do." in page
    assert page.count(" lit") == 2


def test_a_reason_to_look_is_said_with_what_to_do(keeper, box):
    box.say(state="look", reasons=["disk"])
    page = get(keeper, "/panel/").text
    assert "<strong>1 flash</strong>: disk missing or wrong. Plug in the backup disk" in page


def test_a_worker_that_is_away_darkens_the_copies(keeper, box, monkeypatch):
    def away():
        raise WorkerAbsent("The worker is not running.")

    monkeypatch.setattr(box, "status", away)
    page = get(keeper, "/panel/").text
    assert "the box does not answer" in page
    assert "a proved copy is fresh." not in page


def test_on_a_real_box_the_edges_are_drawn_and_nobody_presses_anything(keeper):
    told = get(keeper, "/panel/edges").json
    assert {lamp for _, lamp, _ in told["edges"]} == set(Lamp)
    lit = {lamp: lit for _, lamp, lit in told["edges"]}
    assert lit[Lamp.ATTENTION] is False
    assert "Tap the button" not in get(keeper, "/panel/").text
    assert keeper.post("/panel/press", data={"how": "tap"}, base_url=ORIGIN).status_code == 404


def test_nothing_that_is_no_time_breaks_it(keeper):
    for since in ("x", "nan", "-1", "1e300", "inf"):
        assert get(keeper, f"/panel/edges?since={since}").status_code == 200


def test_the_demos_board_lights_the_lamps_and_is_pressed(demo, board):
    assert get(demo, "/panel/edges?since=1").json == {"now": 7.5, "edges": [[7.0, "cloud", True]]}
    assert "Tap the button" in get(demo, "/panel/").text
    for how in ("tap", "hold", "yes"):
        assert demo.post("/panel/press", data={"how": how}, base_url=ORIGIN).location == "/panel/"
    tap, hold, yes = board.pressed
    assert 0.05 <= tap <= 0.5
    assert 3 <= hold <= 5
    assert 5 <= yes <= 10
    assert demo.post("/panel/press", data={"how": "x"}, base_url=ORIGIN).status_code == 404


def test_a_question_is_answered_by_a_longer_hold(demo, box):
    box.say(pairing={"question": "Erase it?"})
    page = get(demo, "/panel/").text
    assert "Erase it?" in page
    assert 'value="yes"' in page
    assert "hold the button for five seconds to say yes" in page


def test_the_way_there_is_shown_where_there_are_lamps(keeper, demo, box):
    assert ">Lamps</a>" not in get(keeper, "/activity/").text
    assert ">Lamps</a>" in get(demo, "/activity/").text


def test_a_box_that_has_lamps_leads_there(keeper, box):
    box.say(vitals=[PANEL])
    assert ">Lamps</a>" in get(keeper, "/activity/").text
