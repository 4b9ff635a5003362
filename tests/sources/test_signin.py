"""What a person does once: a link with PKCE, or a code that is typed; judged by oauthlib."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.errors import Cancelled, SourceRefused, SourceUnreachable
from appliance.core.ports import Watch
from appliance.demo.authority import Authority
from appliance.sources import signin, tokens
from appliance.sources.auth import Login
from appliance.sources.child import ChildSource
from appliance.sources.consent import Link, challenge, code_in, link
from appliance.system.process import Limits
from appliance.system.secrets import Secrets
from appliance.system.sign_ins import SignIns
from tests.vendors.sign_in import REDIRECT, SignInServer, sign_in_server

OURS = Link("https://x", "state-1", "verifier", REDIRECT)


@pytest.fixture
def vendor(ca: Authority):
    with sign_in_server(ca) as vendor:
        yield vendor


class Person:
    """Somebody who signs in, and the box that waits for them."""

    def __init__(self, vendor: SignInServer, folder: Path, ca: Authority) -> None:
        self.vendor, self.folder, self.ca_file = vendor, folder, str(ca.certificate)
        self.auth = {
            "kind": "oauth2",
            "grant": "authorization_code",
            "token_url": vendor.url("/token"),
            "authorize_url": vendor.url("/authorize"),
            "device_url": vendor.url("/device"),
            "redirect": REDIRECT,
            "client_id": "box",
            "client_secret": "client-s3cret",
            "refresh_token_secret": "signin-crm",
        }
        self.secrets, self.known = Secrets(folder / "secrets"), SignIns(folder / "signins")

    @property
    def login(self) -> Login:
        known = {"source": "crm", "folder": str(self.known.folder), "bound_to": "here"}
        return Login(self.auth, str(self.secrets.folder), known)

    def step(self, do: str, watch: Watch | None = None, **wanted: object) -> dict[str, object]:
        return signin.step(self.login, {"do": do, **wanted}, self.ca_file, watch or Watch())

    def exchange(self, made: Link, pasted: str) -> dict[str, object]:
        code = code_in(pasted, made.state)
        return self.step("exchange", code=code, verifier=made.verifier, redirect=made.redirect)

    def has_nothing(self) -> bool:
        return self.secrets.own_names() == () and self.known.read("crm").count == 0


@pytest.fixture
def person(vendor: SignInServer, tmp_path: Path, ca: Authority) -> Person:
    return Person(vendor, tmp_path, ca)


# --- by a link --------------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["box", "kiosk"])
@pytest.mark.parametrize("body", ["basic", "body"])
def test_a_link_a_yes_and_a_paste_are_a_sign_in(person: Person, client: str, body: str):
    person.auth |= {"client_id": client, "client_auth": body, "scope": "export offline_access"}
    if client == "kiosk":
        del person.auth["client_secret"]
    made = link(person.auth)
    done = person.exchange(made, person.vendor.says_yes(made.url))
    assert person.secrets.get("signin-crm") in person.vendor.judge.refresh
    assert done["bound_to"] == "here"
    assert done["since"] == done["used"]
    assert signin.proved(person.login, person.ca_file)["count"] == 2


def test_the_vendor_proves_who_made_the_link(person: Person, vendor: SignInServer):
    """PKCE: a code that somebody else got hold of is worth nothing."""
    made, other = link(person.auth), link(person.auth)
    landed = vendor.says_yes(made.url)
    with pytest.raises(SourceRefused):
        person.exchange(Link(made.url, made.state, other.verifier, made.redirect), landed)
    assert person.has_nothing()
    query = parse_qs(urlsplit(made.url).query)
    assert query["code_challenge_method"] == ["S256"]
    assert 43 <= len(made.verifier) <= 128
    assert made.verifier not in made.url


def test_the_challenge_is_that_of_the_standard():
    """RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_code_works_once(person: Person, vendor: SignInServer):
    made = link(person.auth)
    landed = vendor.says_yes(made.url)
    person.exchange(made, landed)
    token = person.secrets.get("signin-crm")
    with pytest.raises(SourceRefused):
        person.exchange(made, landed)
    assert person.secrets.get("signin-crm") == token


def test_a_code_is_not_used_up_while_somebody_else_renews_the_sign_in(person, vendor, monkeypatch):
    monkeypatch.setattr(signin, "_PATIENCE_SECONDS", 0.1)
    made = link(person.auth)
    landed = vendor.says_yes(made.url)
    with person.known.alone("signin-crm", 1), pytest.raises(SourceUnreachable, match="under way"):
        person.exchange(made, landed)
    assert person.exchange(made, landed)["count"] == 1


def test_nobody_types_a_password_where_it_can_be_read_on_the_way(person: Person):
    person.auth["authorize_url"] = "http://vendor.example/authorize"
    with pytest.raises(SourceRefused, match="not protected"):
        link(person.auth)


def test_a_vendor_that_gives_nothing_that_lasts_is_told_how_to_be_asked(person, vendor):
    vendor.judge.gives_refresh_token = False
    made = link(person.auth)
    with pytest.raises(SourceRefused, match="only once") as caught:
        person.exchange(made, vendor.says_yes(made.url))
    assert "offline_access" in caught.value.hint
    assert person.has_nothing()


def test_parameters_of_the_vendors_own_stand_in_the_link(person: Person):
    person.auth |= {
        "authorize_url": "https://v.example/o?tenant=1",
        "authorize_extra": {"access_type": "offline", "prompt": "a&b"},
        "audience": "https://api.example",
    }
    query = parse_qs(urlsplit(link(person.auth).url).query)
    assert query["tenant"] == ["1"]
    assert query["access_type"] == ["offline"]
    assert query["prompt"] == ["a&b"]
    assert query["audience"] == ["https://api.example"]
    assert query["redirect_uri"] == [REDIRECT]


def test_as_whom_is_said_where_the_vendor_says_it(person: Person, vendor: SignInServer):
    import jwt

    claims = {"email": "ann@shop.example\x1b[2J", "sub": "1"}
    token = jwt.encode(claims, "k" * 32, algorithm="HS256")
    vendor.more = {"id_token": token, "instance_url": "https://eu.vendor.example\n"}
    made = link(person.auth)
    done = person.exchange(made, vendor.says_yes(made.url))
    assert done["who"] == "ann@shop.example [2J"
    assert done["instance_url"] == "https://eu.vendor.example"
    assert person.known.read("crm").who == done["who"]


@pytest.mark.parametrize("token", ["a.b.c", "..", "a.!!.c", "a.W10.c", 5, None, "x" * 9999])
def test_an_id_token_that_is_none_stops_nobody(person: Person, vendor: SignInServer, token):
    vendor.more = {"id_token": token}
    made = link(person.auth)
    assert person.exchange(made, vendor.says_yes(made.url))["who"] == ""


# --- what is pasted ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pasted",
    [
        "http://127.0.0.1:8400/?code=4%2F0A-b_c%3D%3D&state=state-1",
        "127.0.0.1:8400/?state=state-1&code=4%2F0A-b_c%3D%3D",
        "localhost:8400/?state=state-1&code=4%2F0A-b_c%3D%3D#",
        "https://v.example/done#code=4%2F0A-b_c%3D%3D&state=state-1",
        "code=4%2F0A-b_c%3D%3D&state=state-1",
        "com.shop.box:/back?code=4%2F0A-b_c%3D%3D&state=state-1&session_state=x",
        '  "http://127.0.0.1:8400/?code=4%2F0A-b_c%3D%3D&st\nate=state-1"\n',
        "<http://127.0.0.1:8400/?code=4%2F0A-b_c%3D%3D&state=state-1>",
        "4/0A-b_c==",
        "4%2F0A-b_c%3D%3D\n",
    ],
)
def test_whatever_a_browser_lets_copy_is_understood(pasted: str):
    assert code_in(pasted, "state-1") == "4/0A-b_c=="


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("http://127.0.0.1:8400/?code=abc&state=state-2", "not of this sign-in"),
        ("http://127.0.0.1:8400/?code=abc", "not of this sign-in"),
        ("http://127.0.0.1:8400/?code=abc&state=%C3%A9", "not of this sign-in"),
        ("http://127.0.0.1:8400/", "no code"),
        ("", "no code"),
        ("\n", "no code"),
        ("x" * 5000, "no code"),
        ("https://v.example/login?next=/a", "no code"),
        ("http://[::1", "no code"),
        ("http://127.0.0.1:8400/?error=access_denied&state=state-1", "said no at the vendor"),
        ("https://v.example/cb#error=consent_required", "administrator"),
        ("?error=redirect_uri_mismatch", "another address to come back"),
        ("?error=invalid_scope", "`scope`|does not give"),
        ("?error=temporarily_unavailable", "fault of its own"),
        ("?error=%3Cscript%3E&error_description=canary", "says no"),
    ],
)
def test_what_is_no_code_of_ours_is_said_in_words(pasted: str, words: str):
    with pytest.raises(SourceRefused, match=words) as caught:
        code_in(pasted, "state-1")
    assert "canary" not in repr(caught.value.__dict__)
    assert "script" not in repr(caught.value.__dict__)


@given(st.text())
def test_any_text_is_a_code_or_a_sentence(pasted: str):
    with suppress(SourceRefused):
        assert code_in(pasted, "state-1")


# --- by a code that is typed ------------------------------------------------------------------


def test_a_code_that_is_typed_at_the_vendors_is_a_sign_in(person: Person, vendor: SignInServer):
    shown = person.step("device")
    assert shown["user_code"] == "WDJB-MJHT"
    assert shown["url"] == vendor.url("/activate")
    assert shown["whole_url"] == vendor.url("/activate?user_code=WDJB-MJHT")
    polls: list[object] = []

    def types_it_after_two(request: object) -> bool:
        polls.append(request)
        if len(polls) == 3:
            vendor.types_code()
        return False

    vendor.trap = types_it_after_two
    done = person.step("wait", **shown | {"interval_seconds": 0.05})
    assert done["count"] == 1
    assert person.secrets.get("signin-crm") in vendor.judge.refresh
    assert len(polls) == 3
    assert "scope" not in vendor.forms[-1]
    assert signin.proved(person.login, person.ca_file)["count"] == 2


def test_who_asks_too_often_asks_less_often(person: Person, vendor: SignInServer, monkeypatch):
    shown = person.step("device")
    vendor.types_code("slow_down")
    monkeypatch.setattr(signin, "_SLOWER", 0.4)
    waits: list[float] = []

    class Cancel(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            if len(waits) == 3:
                vendor.types_code()
            return False

    person.step("wait", Watch(cancel=Cancel()), **shown | {"interval_seconds": 0.1})
    assert waits == [0.1, 0.5, 0.5]


def test_a_vendor_that_is_away_for_a_moment_is_asked_again(person, vendor, monkeypatch):
    shown = person.step("device")
    answers = iter([503, 503])

    def sometimes(request) -> bool:
        status = next(answers, None)
        if status is None:
            vendor.types_code()
            return False
        request.answer(status)
        return True

    vendor.trap = sometimes
    assert person.step("wait", **shown | {"interval_seconds": 0.01})["count"] == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [("access_denied", "said no at the vendor"), ("expired_token", "in time")],
)
def test_a_no_and_a_code_that_is_too_old_are_said_in_words(person, vendor, said, words):
    shown = person.step("device")
    vendor.types_code(said)
    with pytest.raises(SourceRefused, match=words):
        person.step("wait", **shown | {"interval_seconds": 0.01})
    assert person.has_nothing()


def test_nobody_waits_longer_than_the_code_lives(person: Person, vendor: SignInServer):
    shown = person.step("device") | {"interval_seconds": 0.05, "expires_seconds": 0.2}
    with pytest.raises(SourceRefused, match="in time"):
        person.step("wait", **shown)


def test_whoever_stops_waiting_changes_nothing(person: Person, vendor: SignInServer):
    shown, watch = person.step("device"), Watch()
    threading.Timer(0.1, watch.cancel.set).start()
    with pytest.raises(Cancelled):
        person.step("wait", watch, **shown | {"interval_seconds": 5})
    assert person.has_nothing()


@pytest.mark.parametrize(
    "said",
    [
        b"<html>",
        b"[]",
        b"{}",
        {"verification_uri": "http://v.example/"},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "https://v.example/\x1b[2J"},
        {"verification_uri": None},
        {"user_code": ""},
        {"device_code": None},
    ],
)
def test_a_device_server_that_is_not_well_is_refused(person, vendor, said):
    good = {"device_code": "d", "user_code": "U", "verification_uri": "https://v.example/"}
    body = json.dumps(good | said).encode() if isinstance(said, dict) else said

    def answered(request) -> bool:
        request.answer(200, body)
        return True

    vendor.trap = answered
    with pytest.raises(SourceRefused):
        person.step("device")


@pytest.mark.parametrize("number", [-1, 0, "x", None, 1e300, float("nan"), [1]])
def test_numbers_that_are_none_leave_the_standards_own(person, vendor, number):
    good = {"device_code": "d", "user_code": "U", "verification_url": "https://v.example/"}
    body = json.dumps(good | {"interval": number, "expires_in": number}).encode()

    def answered(request) -> bool:
        request.answer(200, body)
        return True

    vendor.trap = answered
    shown = person.step("device")
    assert 1 <= shown["interval_seconds"] <= 60
    assert 60 <= shown["expires_seconds"] <= 1800


# --- as the worker has it done ----------------------------------------------------------------


def test_a_child_does_each_step_and_no_secret_gets_into_its_words(person, vendor, tmp_path):
    login = person.login
    settings = {
        "name": "crm",
        "url": vendor.url("/export.csv"),
        "auth": person.auth,
        "sign_in_of": dict(login.sign_in_of),
        "secrets_dir": login.secrets_dir,
        "ca_file": person.ca_file,
    }
    child = ChildSource("crm", "http", settings, Limits(timedelta(seconds=30)))
    made = link(person.auth)
    code = code_in(vendor.says_yes(made.url), made.state)
    step = {"do": "exchange", "code": code, "verifier": made.verifier, "redirect": made.redirect}
    assert child.sign_in(Watch(), step)["count"] == 1
    assert child.sign_in(Watch())["count"] == 2

    def echo(request) -> bool:
        request.answer(401, json.dumps({"error": "invalid_client"}).encode())
        return True

    vendor.trap = echo
    with pytest.raises(SourceRefused, match="does not know the app") as caught:
        child.sign_in(Watch())
    assert "invalid_client" in caught.value.detail
    with pytest.raises(SourceRefused):
        child.sign_in(Watch(), step)
    assert quote(quote(caught.value.message)).count("s3cret") == 0


def test_what_is_asked_shows_nothing_of_itself():
    shown = signin.Device("U", "https://v.example/", "", 600, 5, "canary")
    assert "canary" not in repr(shown)
    assert "verifier-1" not in repr(Link("https://x", "s", "verifier-1", REDIRECT))
    assert "canary" not in repr(tokens.TokenReply(200, b"canary"))
