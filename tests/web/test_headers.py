"""What every answer carries, and that no page needs more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import appliance.web
from tests.web.people import ORIGIN

TEMPLATES = sorted((Path(appliance.web.__file__).parent / "templates").glob("*.html"))
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 701*703 }}"
EVERYWHERE = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nothing", "/static/style.css", "/activity/"])
def test_E8_every_answer_forbids_what_the_page_does_not_need(keeper, path):
    answer = keeper.get(path, base_url=ORIGIN, buffered=True)
    assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert "camera=()" in answer.headers["Permissions-Policy"]


def test_E10_no_browser_is_told_to_insist_on_https(keeper):
    """With a certificate that nobody vouches for, nobody would get past the warning again."""
    assert "Strict-Transport-Security" not in keeper.get("/", base_url=ORIGIN).headers


def test_pages_are_kept_by_no_cache_and_style_for_ever_under_its_version(keeper):
    page = keeper.get("/", base_url=ORIGIN)
    assert page.headers["Cache-Control"] == "no-store"
    (style,) = re.findall(r'href="(/static/style\.css\?v=[0-9a-f]{12})"', page.text)
    assert "immutable" in keeper.get(style, base_url=ORIGIN, buffered=True).headers["Cache-Control"]
    for other in ("/static/style.css", "/static/style.css?v=0", "/static/nothing.css?v="):
        answer = keeper.get(other, base_url=ORIGIN, buffered=True)
        assert answer.headers["Cache-Control"] == "no-store", other


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.name)
def test_E8_no_template_has_a_way_in_for_a_script(template):
    text = template.read_text()
    assert not re.search(r"\|\s*safe\b|autoescape false|Markup", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|javascript:", text, re.IGNORECASE)
    assert not re.search(r"\s(?:on\w+|style)\s*=", re.sub(r"{[{%].*?[}%]}", "", text))
    assert not re.search(r"=\s*{{", text), "an attribute without quotes"
    assert not re.search(r"(?:href|src|action)=\"https?:", text), "another host"


def test_E8_hostile_text_of_the_box_runs_no_script(keeper, box):
    box.facts["sentence"] = HOSTILE
    page = keeper.get("/", base_url=ORIGIN).text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "492803" not in page


@pytest.mark.parametrize("path", ["/<script>alert(1)</script>", "/?next=<script>alert(1)</script>"])
def test_E8_nothing_of_the_request_comes_back_as_markup(keeper, path):
    for method in ("GET", "POST", "PUT"):
        answer = keeper.open(path, method=method, base_url=ORIGIN)
        assert "<script>alert" not in answer.text
