from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from appliance.core.errors import ApplianceError, SourceRefused, SourceUnreachable
from appliance.core.ports import Watch
from appliance.demo.authority import Authority
from appliance.sources.auth import Credentials, sign_in
from appliance.sources.http import HttpSettings, pull
from appliance.sources.oauth import Keeping
from appliance.sources.tokens import TokenReply
from appliance.system.secrets import Secrets

from .stub import Request, stub

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
CSV = b"Id,Name\n1,Ada\n"


class Vendor:
    """A sign-in server that replaces the refresh token each time, and the export behind it."""

    def __init__(self, rotates: bool = True) -> None:
        self.rotates = rotates
        self.refresh = "refresh-0"
        self.access: set[str] = set()
        self.forms: list[dict[str, str]] = []
        self.on_export = lambda request: None
        self.count = 0

    def __call__(self, request: Request) -> None:
        if request.command == "POST":
            self.sign_in(request)
            return
        self.on_export(request)
        if request.headers["Authorization"].removeprefix("Bearer ") in self.access:
            request.answer(200, CSV)
        else:
            request.answer(401)

    def sign_in(self, request: Request) -> None:
        form = {name: values[0] for name, values in parse_qs(request.body).items()}
        self.forms.append(form)
        if form["grant_type"] == "refresh_token" and form["refresh_token"] != self.refresh:
            request.answer(400, b'{"error": "invalid_grant", "error_description": "expired"}')
            return
        self.count += 1
        told = {"access_token": f"access-{self.count}", "token_type": "Bearer"}
        if self.rotates and form["grant_type"] == "refresh_token":
            self.refresh = told["refresh_token"] = f"refresh-{self.count}"
        self.access = {told["access_token"]}
        request.answer(200, json.dumps(told).encode())


@pytest.fixture
def vendor(ca: Authority):
    vendor = Vendor()
    with stub(vendor, ca) as server:
        vendor.server = server
        yield vendor


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path / "secrets")


def settings(vendor: Vendor, tmp_path: Path, ca: Authority, **auth: str) -> HttpSettings:
    given = {
        "kind": "oauth2",
        "grant": "refresh_token",
        "token_url": vendor.server.url("/token"),
        "client_id": "box",
        "client_secret": "client-s3cret",
        "refresh_token": "refresh-0",
        "refresh_token_secret": "crm-refresh",
    }
    return HttpSettings(
        "crm",
        vendor.server.url(),
        given | auth,
        ca_file=str(ca.certificate),
        secrets_dir=str(tmp_path / "secrets"),
        reserve_bytes=0,
    )


def fetch(settings: HttpSettings, tmp_path: Path):
    into = tmp_path / f"into-{len(list(tmp_path.iterdir()))}"
    into.mkdir()
    return pull(settings, into, NOW, (), Watch())


def test_client_credentials_bring_the_export(vendor, tmp_path, ca):
    wanted = settings(vendor, tmp_path, ca, grant="client_credentials", scope="export read")
    assert fetch(wanted, tmp_path) is not None
    assert vendor.forms == [{"grant_type": "client_credentials", "scope": "export read"}]
    sent = vendor.server.requests[0].headers["Authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")) == b"box:client-s3cret"


def test_the_client_can_say_who_it_is_in_the_form(vendor, tmp_path, ca):
    wanted = settings(vendor, tmp_path, ca, grant="client_credentials", client_auth="body")
    assert fetch(wanted, tmp_path) is not None
    assert vendor.forms[0]["client_id"] == "box"
    assert vendor.forms[0]["client_secret"] == "client-s3cret"
    assert vendor.server.requests[0].headers["Authorization"] is None


def test_a_replaced_refresh_token_is_on_the_disk_before_the_access_token_is_used(
    vendor, tmp_path, ca, secrets
):
    on_disk = []
    vendor.on_export = lambda request: on_disk.append(secrets.get("crm-refresh"))
    for turn in (1, 2, 3):
        assert fetch(settings(vendor, tmp_path, ca), tmp_path) is not None
        assert on_disk == [f"refresh-{n}" for n in range(1, turn + 1)]
    assert (tmp_path / "secrets/crm-refresh").stat().st_mode & 0o777 == 0o600


def test_a_refresh_token_that_stays_is_kept(vendor, tmp_path, ca, secrets):
    vendor.rotates = False
    for _ in range(2):
        assert fetch(settings(vendor, tmp_path, ca), tmp_path) is not None
    assert secrets.get("crm-refresh") == "refresh-0"


def test_killed_between_the_answer_and_its_first_use_nobody_is_locked_out(
    vendor, tmp_path, ca, secrets
):
    """kill -9 while the first request with the new access token is under way."""
    arrived, go_on = threading.Event(), threading.Event()

    def hold(_: Request) -> None:
        arrived.set()
        go_on.wait(10)

    vendor.on_export = hold
    wanted = settings(vendor, tmp_path, ca)
    program = (
        "import sys, json; from pathlib import Path; from datetime import datetime, UTC\n"
        "from appliance.sources.http import HttpSettings, pull\n"
        "from appliance.core.ports import Watch\n"
        "given = json.load(sys.stdin)\n"
        "pull(HttpSettings(**given), Path(sys.argv[1]), datetime.now(UTC), (), Watch())"
    )
    into = tmp_path / "killed"
    into.mkdir()
    given = {name: getattr(wanted, name) for name in ("name", "url", "auth", "ca_file")}
    given["secrets_dir"] = wanted.secrets_dir
    with subprocess.Popen(
        [sys.executable, "-c", program, str(into)], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        child.stdin.write(json.dumps(given).encode())
        child.stdin.close()
        assert arrived.wait(20)
        child.send_signal(signal.SIGKILL)
    go_on.set()
    vendor.on_export = lambda request: None
    assert secrets.get("crm-refresh") == "refresh-1"
    assert fetch(wanted, tmp_path) is not None
    assert secrets.get("crm-refresh") == "refresh-2"


def test_an_access_token_that_is_no_longer_taken_is_renewed_once(vendor, tmp_path, ca):
    vendor.on_export = lambda request: vendor.access.clear() if vendor.count == 1 else None
    assert fetch(settings(vendor, tmp_path, ca), tmp_path) is not None
    assert vendor.count == 2
    vendor.on_export = lambda request: vendor.access.clear()
    with pytest.raises(SourceRefused):
        fetch(settings(vendor, tmp_path, ca), tmp_path)
    assert vendor.count == 4


def test_the_access_token_is_never_stored(vendor, tmp_path, ca):
    fetch(settings(vendor, tmp_path, ca), tmp_path)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"access-" not in path.read_bytes()


def test_an_ended_sign_in_asks_for_a_new_one(vendor, tmp_path, ca):
    vendor.refresh = "another"
    with pytest.raises(SourceRefused) as caught:
        fetch(settings(vendor, tmp_path, ca), tmp_path)
    assert "Sign in" in caught.value.hint
    assert "invalid_grant" in caught.value.detail


def test_a_new_sign_in_takes_the_place_of_the_stored_token(vendor, tmp_path, ca, secrets):
    secrets.put("crm-refresh", "stale")
    vendor.refresh = "fresh"
    assert fetch(settings(vendor, tmp_path, ca, refresh_token="fresh"), tmp_path) is not None
    assert secrets.get("crm-refresh") == vendor.refresh == "refresh-1"


def test_without_a_place_for_the_new_token_nobody_asks_for_one(vendor, tmp_path, ca):
    with pytest.raises(SourceRefused, match="no place"):
        fetch(settings(vendor, tmp_path, ca, refresh_token_secret=""), tmp_path)
    (tmp_path / "secrets").write_text("a file where the folder should be")
    with pytest.raises((ApplianceError, OSError)):
        fetch(settings(vendor, tmp_path, ca), tmp_path)
    assert vendor.forms == []


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>login</html>", SourceRefused),
        (200, b'{"error": "invalid_code"}', SourceRefused),
        (200, b'{"access_token": ""}', SourceRefused),
        (200, b'{"access_token": 5}', SourceRefused),
        (200, b'{"access_token": "line\\nbreak"}', SourceRefused),
        (200, b"[1]", SourceRefused),
        (200, b"[" * 60_000, SourceRefused),
        (302, b"", SourceRefused),
        (401, b'{"error": "invalid_client"}', SourceRefused),
        (429, b"", SourceUnreachable),
        (500, b"", SourceUnreachable),
    ],
)
def test_what_a_sign_in_server_may_answer_instead(tmp_path, ca, status, body, kind):
    def play(request: Request) -> None:
        request.answer(status, body, Location="https://evil.example/token")

    with stub(play, ca) as server:
        vendor = Vendor()
        vendor.server = server
        with pytest.raises(kind) as caught:
            fetch(settings(vendor, tmp_path, ca), tmp_path)
        assert all(request.command == "POST" for request in server.requests)
    told = "".join(traceback.format_exception(caught.value))
    assert not any(word in told for word in ("refresh-0", "client-s3cret"))


def test_an_echo_of_our_secret_in_the_error_is_not_repeated(tmp_path, ca):
    with stub(lambda r: r.answer(400, b'{"error": "client-s3cret refresh-0"}'), ca) as server:
        vendor = Vendor()
        vendor.server = server
        with pytest.raises(SourceRefused) as caught:
            fetch(settings(vendor, tmp_path, ca), tmp_path)
    assert "s3cret" not in caught.value.detail


@pytest.mark.parametrize("url", ["http://login.example.org/token", "ftp://localhost/t", "nonsense"])
def test_tokens_are_asked_for_over_tls_only(vendor, tmp_path, ca, url: str):
    with pytest.raises(SourceRefused):
        fetch(settings(vendor, tmp_path, ca, token_url=url), tmp_path)


def nobody(*_: object) -> TokenReply:
    raise AssertionError


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"kind": "none"}, {}),
        # printf 'Aladdin:open sesame' | base64, the example of RFC 7617
        (
            {"kind": "basic", "user": "Aladdin", "password": "open sesame"},
            {"Authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        ),
        # RFC 7617 section 2.1: the user "test" with the password "123£" in UTF-8
        (
            {"kind": "basic", "user": "test", "password": "123£"},
            {"Authorization": "Basic dGVzdDoxMjPCow=="},
        ),
        ({"kind": "bearer", "token": "abc\n"}, {"Authorization": "Bearer abc"}),
        ({"kind": "header", "name": "X-Api-Key", "value": "k"}, {"X-Api-Key": "k"}),
    ],
)
def test_simple_logins_become_headers(auth: dict[str, str], header: dict[str, str]):
    assert dict(sign_in(auth, Keeping(), nobody).headers) == header


def test_credentials_show_nothing_of_themselves():
    shown = repr(Credentials({"Authorization": "Bearer canary"}, (("key", "canary"),)))
    assert "canary" not in shown + repr(TokenReply(200, b"canary"))


@pytest.mark.parametrize("name", ["", "X Key", "X:Key", "X\r\nHost", "Ключ"])
def test_a_header_that_no_header_can_be_is_refused(name: str):
    with pytest.raises(SourceRefused):
        sign_in({"kind": "header", "name": name, "value": "k"}, Keeping(), nobody)
