"""Each grant against a server that speaks oauthlib's OAuth, not ours."""

from __future__ import annotations

import json
import multiprocessing
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from appliance.core.errors import ApplianceError, SourceRefused, SourceUnreachable
from appliance.core.ports import Watch
from appliance.core.sign_ins import SignIn
from appliance.demo.authority import Authority
from appliance.sources import signin
from appliance.sources.auth import Login
from appliance.sources.http import HttpSettings, pull
from appliance.system.secrets import Secrets
from appliance.system.sign_ins import SignIns
from tests.vendors.sign_in import SignInServer, sign_in_server

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)


@pytest.fixture
def vendor(ca: Authority):
    with sign_in_server(ca) as vendor:
        yield vendor


class Source:
    """A source at that vendor's."""

    def __init__(self, vendor: SignInServer, folder: Path, ca: Authority) -> None:
        self.vendor, self.folder = vendor, folder
        self.secrets = Secrets(folder / "secrets")
        self.known = SignIns(folder / "signins")
        self.ca_file = str(ca.certificate)
        self.count = 0

    def settings(self, grant: str, **auth: object) -> HttpSettings:
        given = {
            "kind": "oauth2",
            "grant": grant,
            "token_url": self.vendor.url("/token"),
            "client_id": "box",
            "client_secret": "client-s3cret",
            "refresh_token_secret": "signin-crm",
        }
        return HttpSettings(
            "crm",
            self.vendor.url("/export.csv"),
            given | auth,
            {"source": "crm", "folder": str(self.known.folder), "bound_to": "here"},
            ca_file=self.ca_file,
            secrets_dir=str(self.secrets.folder),
            reserve_bytes=0,
        )

    def pulls(self, settings: HttpSettings) -> bool:
        self.count += 1
        (into := self.folder / f"into-{self.count}").mkdir()
        return pull(settings, into, NOW, (), Watch()) is not None

    def has_token(self, user: str = "ann") -> str:
        """Somebody has signed in before."""
        settings = self.settings("password", user=user, password="open sesame")
        told = signin.tokens.told(
            signin.oauth.asked(
                settings.auth, signin.oauth._form(settings.auth), self._ask(settings.login)
            )
        )
        self.secrets.put("signin-crm", told["refresh_token"])
        self.known.write("crm", SignIn(bound_to="here", count=1))
        return str(told["refresh_token"])

    def _ask(self, who: Login):
        from contextlib import ExitStack

        from appliance.sources.calling import Caller

        return signin.tokens.asker(Caller(self.ca_file, 5, 5, ExitStack()), who.hidden)


@pytest.fixture
def source(vendor: SignInServer, tmp_path: Path, ca: Authority) -> Source:
    return Source(vendor, tmp_path, ca)


def key_pair() -> tuple[str, str]:
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private, public.decode()


# --- without a person -------------------------------------------------------------------------


def test_client_credentials_let_the_box_in(source: Source):
    assert source.pulls(source.settings("client_credentials"))
    assert source.pulls(source.settings("client_credentials", client_auth="body"))


def test_a_password_lets_the_box_in_and_a_wrong_one_is_said_in_words(source: Source):
    assert source.pulls(source.settings("password", user="ann", password="open sesame"))
    with pytest.raises(SourceRefused) as caught:
        source.pulls(source.settings("password", user="ann", password="hunter2-hunter2"))
    assert "invalid_grant" in caught.value.detail
    assert "hunter2" not in repr(caught.value.__dict__)


def test_what_a_private_key_signs_lets_the_box_in(source: Source, vendor: SignInServer):
    private, vendor.public_key = key_pair()
    vendor.audience = "https://login.vendor.example"
    settings = source.settings(
        "jwt_bearer",
        client_secret="",
        private_key=private,
        subject="backup@shop.example",
        audience=vendor.audience,
        key_id="7",
    )
    assert source.pulls(settings)
    assert set(vendor.forms[0]) == {"grant_type", "assertion"}
    import jwt

    claims = jwt.decode(vendor.forms[0]["assertion"], options={"verify_signature": False})
    assert (claims["iss"], claims["sub"]) == ("box", "backup@shop.example")
    assert jwt.get_unverified_header(vendor.forms[0]["assertion"])["kid"] == "7"


def test_another_key_or_a_wrong_clock_is_not_believed(source: Source, vendor, monkeypatch):
    private, _ = key_pair()
    _, vendor.public_key = key_pair()
    vendor.audience = vendor.url("/token")
    with pytest.raises(SourceRefused):
        source.pulls(source.settings("jwt_bearer", private_key=private))
    private, vendor.public_key = key_pair()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    with pytest.raises(SourceRefused):
        source.pulls(source.settings("jwt_bearer", private_key=private))


def _no_rsa() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _locked() -> str:
    key = rsa.generate_private_key(65537, 2048)
    how = BestAvailableEncryption(b"secret")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()


@pytest.mark.parametrize("key", [lambda: "canary-key", lambda: "", _no_rsa, _locked])
def test_a_key_that_cannot_sign_is_said_before_anybody_is_asked(source: Source, vendor, key):
    with pytest.raises(SourceRefused, match="private key") as caught:
        source.pulls(source.settings("jwt_bearer", private_key=key()))
    assert "canary" not in repr(caught.value.__dict__)
    assert vendor.forms == []


def test_what_a_vendor_wants_besides_goes_along(source: Source, vendor: SignInServer):
    settings = source.settings(
        "client_credentials", audience="https://api.example", extra={"resource": "crm"}
    )
    assert source.pulls(settings)
    assert vendor.forms[0]["audience"] == "https://api.example"
    assert vendor.forms[0]["resource"] == "crm"


def test_the_word_before_the_token_and_a_cookie_are_as_the_vendor_wants_them(source, vendor):
    seen = []
    vendor.on_export = lambda request: seen.append(dict(request.headers))
    assert source.pulls(
        source.settings("client_credentials", scheme="Zoho-oauthtoken", cookie="sid")
    )
    (token,) = vendor.judge.access
    assert seen[0]["Authorization"] == f"Zoho-oauthtoken {token}"
    assert seen[0]["Cookie"] == f"sid={token}"


def test_how_often_and_since_when_is_known_without_a_secret(source: Source, tmp_path: Path):
    for _ in range(2):
        source.pulls(source.settings("client_credentials"))
    known = source.known.read("crm")
    assert known.count == 2
    first = known.since
    source.vendor.judge.rotates = False
    with pytest.raises(SourceRefused):
        source.pulls(source.settings("client_credentials", client_secret="another-s3cret"))
    assert source.known.read("crm").since == first
    text = (tmp_path / "signins" / "crm.json").read_text()
    assert "s3cret" not in text
    assert "access" not in text


# --- refresh tokens ---------------------------------------------------------------------------


def test_a_refresh_token_that_is_replaced_each_time_lets_the_box_in_each_time(source: Source):
    source.has_token()
    for _ in range(3):
        assert source.pulls(source.settings("authorization_code"))
    assert source.known.read("crm").count == 4


def test_two_pulls_at_once_do_not_use_one_token_twice(source: Source, vendor: SignInServer):
    """The vendor ends a sign-in for good where that happens."""
    source.has_token()
    began = threading.Event()

    def slowly(_: object) -> bool:
        began.set()
        time.sleep(0.1)  # as long as the other needs to read the token that is being replaced
        return False

    vendor.trap = slowly
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append(
                signin.proved(source.settings("device_code").login, source.ca_file)
            )
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert source.pulls(source.settings("device_code"))


PULL = """
import json, sys
from appliance.sources import signin
from appliance.sources.http import HttpSettings
settings = HttpSettings(**json.load(sys.stdin))
signin.proved(settings.login, settings.ca_file)
print("used", flush=True)
sys.stdin.read()
"""


def started(settings: HttpSettings) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-c", PULL.replace("json.load(sys.stdin)", "json.loads(input())")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    names = ("name", "url", "auth", "sign_in_of", "ca_file", "secrets_dir")
    child.stdin.write(json.dumps({name: getattr(settings, name) for name in names}).encode())
    child.stdin.write(b"\n")
    child.stdin.flush()
    return child


def test_killed_at_any_moment_after_the_vendor_replaced_the_token_nobody_is_locked_out(source):
    """The answer is on its way when the box is killed: what it had until then still works there
    only if the answer never arrived; here it did, and is on the disk.
    """
    source.has_token()
    settings = source.settings("authorization_code")
    for _ in range(3):
        with started(settings) as child:
            assert child.stdout.readline() == b"used\n"
            child.send_signal(signal.SIGKILL)
    assert source.pulls(settings)


def test_a_lock_that_a_killed_box_held_is_nobodys(source: Source, vendor: SignInServer):
    source.has_token()
    arrived, go_on = threading.Event(), threading.Event()

    def hold(_: object) -> bool:
        arrived.set()
        go_on.wait(10)
        return False

    vendor.trap = hold
    with started(source.settings("authorization_code")) as child:
        assert arrived.wait(20)
        child.send_signal(signal.SIGKILL)
    vendor.trap = lambda _: False
    before = time.monotonic()
    with suppress(ApplianceError):
        source.pulls(source.settings("authorization_code"))
    assert time.monotonic() - before < 5
    go_on.set()


def test_a_sign_in_for_other_servers_is_shown_to_nobody(source: Source, vendor: SignInServer):
    source.has_token()
    settings = source.settings("authorization_code")
    moved = replace(settings, sign_in_of={**settings.sign_in_of, "bound_to": "elsewhere"})
    vendor.forms.clear()
    with pytest.raises(SourceRefused, match="others than when"):
        source.pulls(moved)
    (source.known.folder / "crm.json").write_text("[[[")
    with pytest.raises(SourceRefused, match="others than when"):
        source.pulls(settings)
    assert vendor.forms == []


def test_before_anybody_signed_in_nobody_is_asked(source: Source, vendor: SignInServer):
    with pytest.raises(SourceRefused, match="Nobody has signed in") as caught:
        source.pulls(source.settings("device_code"))
    assert "`appliance signin crm`" in caught.value.hint
    assert vendor.forms == []


@pytest.mark.parametrize(
    ("more", "days"),
    [
        ({"refresh_token_expires_in": 604799}, 7),  # Google, while the app is in testing
        ({"refresh_expires_in": 2592000}, 30),  # Keycloak
        ({"refresh_expires_in": 0}, None),  # Keycloak, offline: for ever
        ({"x_refresh_token_expires_in": 8726400}, 101),  # Intuit
        ({"refresh_token_expires_in": "7776000"}, 90),
        ({"refresh_token_expires_in": -5}, None),
        ({"refresh_token_expires_in": 1e30}, None),
        ({"refresh_token_expires_in": float("nan")}, None),
        ({"refresh_token_expires_in": "soon"}, None),
        ({}, None),
    ],
)
def test_when_it_ends_is_known_where_the_vendor_says_so(source: Source, vendor, more, days):
    source.has_token()
    vendor.more = more
    assert source.pulls(source.settings("authorization_code"))
    told = source.known.read("crm").told
    if days is None:
        assert told is None
    else:
        assert abs(told - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=1)


# --- servers that are not well ----------------------------------------------------------------


def html(request) -> bool:
    request.answer(200, b"<html><form>Sign in</form></html>")
    return True


def huge(request) -> bool:
    request.answer(200, b'{"access_token": "' + b"a" * 1_000_000)
    return True


def away(request) -> bool:
    request.answer(302, Location="https://evil.example/")
    return True


def broken(request) -> bool:
    request.answer(503, b"", Retry_After="7")
    return True


@pytest.mark.parametrize(
    ("trap", "error", "words"),
    [
        (html, SourceRefused, "something else than a token"),
        (huge, SourceRefused, "far more than a token"),
        (away, SourceRefused, "says no"),
        (broken, SourceUnreachable, "come back later"),
        (lambda request: request.cut() or True, SourceUnreachable, "broke off"),
    ],
)
@pytest.mark.parametrize("grant", ["authorization_code", "client_credentials"])
def test_a_server_that_is_not_well_costs_no_sign_in(source, vendor, trap, error, words, grant):
    token = source.has_token()
    vendor.trap = trap
    with pytest.raises(error, match=words):
        source.pulls(source.settings(grant))
    assert source.secrets.get("signin-crm") == token
    vendor.trap = lambda _: False
    assert source.pulls(source.settings(grant))


def test_an_answer_that_drips_is_not_waited_for_for_ever(source, vendor, monkeypatch):
    monkeypatch.setattr(signin.tokens, "_WITHIN_SECONDS", 0.2)

    def drip(request) -> bool:
        request.send_response(200)
        request.end_headers()
        with suppress(OSError):
            for _ in range(100):
                request.wfile.write(b" ")
                request.wfile.flush()
                threading.Event().wait(0.05)
        return True

    vendor.trap = drip
    before = time.monotonic()
    with pytest.raises(SourceUnreachable, match="too slowly"):
        source.pulls(source.settings("client_credentials"))
    assert time.monotonic() - before < 3


def test_an_echo_of_a_secret_is_shown_to_nobody(source: Source, vendor: SignInServer):
    token = source.has_token()

    def echo(request) -> bool:
        said = {"error": request.body, "error_description": request.headers["Authorization"]}
        request.answer(400, json.dumps(said).encode())
        return True

    vendor.trap = echo
    with pytest.raises(SourceRefused) as caught:
        source.pulls(source.settings("authorization_code"))
    assert token not in repr(caught.value.__dict__)
    assert "s3cret" not in repr(caught.value.__dict__)


def hold_the_lock(folder: str, ready) -> None:
    with SignIns(Path(folder)).alone("crm", 9):
        ready.set()
        threading.Event().wait(30)


def test_a_sign_in_that_never_ends_stops_others_only_so_long(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=hold_the_lock, args=(str(tmp_path), ready))
    holder.start()
    try:
        assert ready.wait(20)
        with pytest.raises(SourceUnreachable), SignIns(tmp_path).alone("crm", 0.2):
            pass
        with SignIns(tmp_path).alone("another", 0.2):
            pass
    finally:
        holder.kill()
        holder.join()
    with SignIns(tmp_path).alone("crm", 2):
        pass
