"""Signing in at a vendor on the page: no JavaScript, a real worker, a real vendor."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from appliance.config import load
from appliance.demo.authority import Authority
from appliance.system.socket import WorkerAbsent
from appliance.web import create_app
from appliance.web.people import People
from appliance.web.policy import Role
from tests.system import processes
from tests.test_sign_ins import Box
from tests.vendors.sign_in import SignInServer, sign_in_server
from tests.web.conftest import ORIGIN, PASSWORD
from tests.web.people import LOOKERS
from tests.web.test_settings import Desk, text_of

ADDRESS = "/settings/source/crm/sign-in"


@pytest.fixture
def vendor(ca: Authority):
    with sign_in_server(ca) as vendor:
        yield vendor


@pytest.fixture
def room(tmp_path: Path, vendor: SignInServer, ca: Authority) -> Box:
    (folder := tmp_path / "room").mkdir()
    return Box(folder, vendor, ca)


class Browser:
    """Somebody at the page who presses what is there."""

    def __init__(self, room: Box, folder: Path, password: str = PASSWORD) -> None:
        people = People(folder)
        people.set_password(Role.CHANGE, PASSWORD)
        people.set_password(Role.LOOK, LOOKERS)
        app = create_app(room.engine, people)
        app.config["WTF_CSRF_ENABLED"] = False
        self.client = app.test_client()
        self.client.post("/sign-in", data={"password": password}, base_url=ORIGIN)

    def get(self, path: str = ADDRESS) -> str:
        return self._took(self.client.get(path, base_url=ORIGIN))

    def press(self, do: str, **more: str) -> str:
        answer = self.client.post(ADDRESS, data={"do": do, **more}, base_url=ORIGIN)
        if answer.status_code == 303 and answer.location == ADDRESS:
            return self.get()
        return self._took(answer)

    def _took(self, answer) -> str:
        self.status, self.headers = answer.status_code, answer.headers
        self.source = answer.text
        return html.unescape(answer.text)

    @property
    def link(self) -> str:
        return html.unescape(re.search(r'class="button" href="(https:[^"]*)"', self.source)[1])


@pytest.fixture
def browser(room: Box, tmp_path: Path) -> Browser:
    return Browser(room, tmp_path)


def test_the_settings_lead_there_and_say_how_it_stands(browser: Browser, room: Box):
    for path in ("/settings/", "/settings/source/crm"):
        page = browser.get(path)
        assert "Nobody has signed in at the vendor of crm yet." in page
        assert f'href="{ADDRESS}"' in page
    room.signs_in()
    assert "is in order" in browser.get("/settings/")


def test_the_first_screen_says_in_plain_words_what_to_do(browser: Browser, room: Box):
    page = text_of(browser.get("/"))
    assert "Nobody has signed in at the vendor of crm yet." in page
    assert "Settings on the page lead there" in page
    assert "appliance signin" not in page


def test_a_link_is_opened_and_the_address_is_pasted(browser, room, vendor):
    vendor.more = {"instance_url": "https://eu.vendor.example", "id_token": "a.b.c"}
    assert "Sign in" in browser.get()
    page = browser.press("begin")
    assert "Copy its whole address" in page
    assert "Refresh" not in browser.headers
    landed = vendor.says_yes(browser.link)
    page = text_of(browser.press("finish", line=landed))
    assert "The box is signed in" in page
    assert "proved at once" in page
    assert "https://eu.vendor.example" in page
    assert room.token in vendor.judge.refresh
    assert room.token not in browser.source
    (act,) = room.box.ledger.runs("page:vendor")
    assert "signed in at the vendor of crm" in act.message


def test_a_wrong_paste_comes_back_with_the_same_link(browser, room, vendor):
    browser.press("begin")
    link = browser.link
    page = browser.press("finish", line='"><script>alert(1)</script>')
    assert browser.status == 422
    assert "There is no code" in page
    assert "<script>alert" not in browser.source
    assert browser.link == link
    page = browser.press("finish", line="http://127.0.0.1:8400/?error=access_denied&state=x")
    assert "said no at the vendor's" in page
    assert "The box is signed in" in browser.press("finish", line=vendor.says_yes(link))


def test_whoever_stops_leaves_everything_as_it_was(browser, room, vendor):
    browser.press("begin")
    browser.press("leave")
    assert browser.headers["Location"] == "/settings/"
    assert "Begin once more" not in browser.get()
    assert not room.box.secrets.has("signin-crm")
    browser.press("finish", line="abc")
    assert browser.status == 422


def test_a_code_is_shown_and_the_page_goes_on_by_itself(tmp_path, vendor, ca):
    (folder := tmp_path / "device").mkdir()
    room = Box(folder, vendor, ca, grant="device_code", device_url=vendor.url("/device"))
    browser = Browser(room, tmp_path)
    vendor.interval = 0.05
    page = browser.press("begin")
    assert "WDJB-MJHT" in page
    assert browser.headers["Refresh"] == "2"
    assert browser.link.endswith("user_code=WDJB-MJHT")
    vendor.types_code()
    assert processes.until(lambda: "The box is signed in" in browser.get(), 20)
    assert "Refresh" not in browser.headers


def test_who_only_looks_may_not(room: Box, tmp_path: Path):
    looker = Browser(room, tmp_path, LOOKERS)
    looker.get()
    assert looker.status == 403
    looker.press("begin")
    assert looker.status == 403


def test_a_source_that_there_is_none_of_and_a_worker_that_is_away_are_said(browser, room):
    page = browser.get("/settings/source/other/sign-in")
    assert browser.status == 404
    assert "no source named other" in page

    def away(_: str):
        raise WorkerAbsent("The worker is not running.")

    room.engine.sign_in = room.engine.begin_sign_in = away
    assert "not running" in browser.get()
    assert browser.status == 503
    browser.press("begin")
    assert browser.status == 503


# --- set up on the page -----------------------------------------------------------------------


@pytest.fixture
def desk(room: Box, tmp_path: Path) -> Desk:
    people = People(tmp_path)
    people.set_password(Role.CHANGE, PASSWORD)
    app = create_app(room.engine, people)
    app.config["WTF_CSRF_ENABLED"] = False
    return Desk(app.test_client())


NEW = {
    "name": "shop",
    "url": "https://crm.example.org/export.zip",
    "auth__kind": "person",
    "auth__authorize_url": "https://crm.example.org/authorize",
    "auth__token_url": "https://crm.example.org/token",
    "auth__client_id": "box",
}


def test_a_login_that_wants_a_person_is_set_up_on_the_page(desk: Desk, room: Box):
    desk.get("/source/new/http")
    assert "somebody signs in at the vendor's" in desk.press("look", **NEW)
    desk.press("save")
    auth = load(room.file).source_named("shop").auth
    assert (auth.grant, auth.redirect) == ("authorization_code", "http://127.0.0.1:8400/")
    desk.get("/source/shop")
    assert desk.form["auth.kind"] == "person"
    desk.press("look", auth__device_url="https://crm.example.org/device")
    desk.press("save")
    auth = load(room.file).source_named("shop").auth
    assert (auth.grant, str(auth.authorize_url)) == ("device_code", NEW["auth__authorize_url"])
    desk.get("/source/shop")
    desk.press("look", auth__device_url="", auth__scope="all offline_access")
    desk.press("save")
    auth = load(room.file).source_named("shop").auth
    assert (auth.grant, auth.device_url, auth.scope) == (
        "authorization_code",
        None,
        "all offline_access",
    )


def test_what_only_the_file_says_survives_the_page(desk: Desk, room: Box):
    before = room.file.read_text()
    text = before.replace('client_id = "kiosk"', 'client_id = "kiosk", sign_in_lasts = "90d"')
    room.file.write_text(text)
    desk.get("/source/crm")
    desk.press("look")
    assert (desk.status, desk.location) == (302, "/settings/"), "nothing was changed"
    desk.get("/source/crm")
    desk.press("look", auth__scope="all")
    desk.press("save")
    assert load(room.file).source_named("crm").auth.sign_in_lasts.days == 90


@pytest.mark.parametrize("grant", ["refresh_token", "password", "jwt_bearer"])
def test_a_login_of_the_file_is_taken_to_no_other_server_by_the_page(desk, room, grant):
    more = {
        "refresh_token": 'refresh_token = "${secret:r}"',
        "password": 'user = "u", password = "${secret:r}"',
        "jwt_bearer": 'private_key = "${secret:r}"',
    }[grant]
    text = room.file.read_text().replace("authorization_code", grant)
    room.file.write_text(text.replace('client_id = "kiosk"', f'client_id = "kiosk", {more}'))
    desk.get("/source/crm")
    page = desk.press("look", url="https://evil.example.org/export.zip")
    assert desk.status == 422
    assert "the login stands in the file" in page
    desk.get("/source/crm")
    desk.press("look", schedule__mode="daily", schedule__daily__at="05:00")
    desk.press("save")
    assert load(room.file).source_named("crm").auth.grant == grant
