"""A download link pasted on the first screen."""

from __future__ import annotations

import pytest

from appliance.core.errors import ApplianceError
from tests.web.conftest import ORIGIN
from tests.web.offices import OFFICES
from tests.web.reading import block, words
from tests.web.test_home import page, press, show

LINK = "https://download.zoho.com/Data.zip?signature=0123456789abcdef"


@pytest.fixture(autouse=True)
def seen_anew(monkeypatch):
    monkeypatch.setattr("appliance.web.sight._FRESH_SECONDS", 0.0)


def test_there_is_a_field_only_where_an_inbox_follows_links(keeper, box):
    facts = show(box, OFFICES["safe"])
    assert "download link" not in page(keeper)
    box.facts = facts | {"links": {"by-hand": ["*.zoho.com"]}}
    press_block = block(page(keeper), "press")
    assert "Paste a download link" in press_block
    assert "<select" not in press_block, "there is nothing to choose"
    box.facts = facts | {"links": {"by-hand": ["a.b"], "other": ["a.b"]}}
    assert "<option>other</option>" in page(keeper)


def test_a_pasted_link_goes_to_the_worker_and_is_being_fetched(keeper, box):
    show(box, OFFICES["safe"])
    answer = press(keeper, "/fetch-link", source="by-hand", link=LINK)
    assert (answer.status_code, answer.location) == (303, "/")
    assert box.asked == [("fetch", "by-hand", LINK, "page")]
    html = page(keeper)
    assert "The link is taken; by-hand is fetching it." in words(html)
    assert "0123456789abcdef" not in html


def test_what_is_wrong_with_it_is_said_and_the_link_is_not_shown_again(keeper, box):
    show(box, OFFICES["safe"])
    box.refuses = True
    press(keeper, "/fetch-link", source="by-hand", link=LINK)
    html = page(keeper)
    assert "This is no link that can be fetched." in words(html)
    assert "0123456789abcdef" not in html


@pytest.mark.parametrize("form", [{}, {"link": "x"}, {"source": "a", "link": "y" * 20_000}])
def test_a_form_that_is_none_is_answered_in_words(keeper, box, form):
    def refuse(*_):
        raise ApplianceError("There is no source named x.")

    show(box, OFFICES["safe"])
    box.fetch_link = refuse
    assert press(keeper, "/fetch-link", **form).status_code == 303
    assert words(page(keeper))


def test_E6_without_its_token_nothing_is_fetched(app, keeper, box):
    app.config["WTF_CSRF_ENABLED"] = True
    assert press(keeper, "/fetch-link", source="a", link=LINK).status_code == 400
    assert keeper.get("/fetch-link", base_url=ORIGIN).status_code == 405
    assert not box.asked


def test_a_link_that_runs_out_is_told_by_the_name_of_its_file(keeper, box):
    facts = show(box, OFFICES["safe"])
    sentence = "The link in notice.eml works until Thu 26 Nov 14:00 (5 days left)."
    facts["sources"][0]["offers"] = [{"what": "notice.eml", "sentence": sentence}]
    assert sentence in words(block(page(keeper), "sources"))
