"""The first screen."""

from __future__ import annotations

from tests.web.conftest import ORIGIN


def test_the_first_thing_is_whether_we_are_safe(keeper, box):
    box.facts["sentence"] = "Safe. Last good copy 6 hours ago, here."
    page = keeper.get("/", base_url=ORIGIN).text
    assert "Safe. Last good copy 6 hours ago, here." in page


def test_a_stranger_is_sent_to_the_door(visitor):
    answer = visitor.get("/", base_url=ORIGIN)
    assert (answer.status_code, answer.location) == (302, "/sign-in")
