"""A vendor's sign-in server whose protocol is oauthlib's, not ours, and an export behind it.

oauthlib judges every request (RFC 6749, 7636, 8628); only jwt_bearer, which it does not have, is
judged here, by PyJWT. Refresh tokens are replaced at each use, and one that is used twice ends the
whole sign-in, as Salesforce and others have it. What people do in a browser is a method.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import jwt
from oauthlib.oauth2 import InvalidGrantError, OAuth2Error, RequestValidator, Server
from oauthlib.oauth2.rfc8628.endpoints import DeviceAuthorizationEndpoint
from oauthlib.oauth2.rfc8628.grant_types import DeviceCodeGrant

from appliance.demo.authority import Authority
from tests.sources.stub import Request, Stub, stub

CSV = b"Id,Name\n1,Ada\n"
SECRETS = {"box": "client-s3cret", "kiosk": ""}
"""By client; one without a secret is public (RFC 6749 section 2.1)."""
USERS = {"ann": "open sesame"}
REDIRECT = "http://127.0.0.1:8400/"
_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_GRANTS = {"authorization_code", "refresh_token", "client_credentials", "password",
           "urn:ietf:params:oauth:grant-type:device_code"}  # fmt: skip


@dataclass
class Family:
    """One sign-in of a person: its refresh token changes, its end is the end of all of them."""

    user: str
    is_alive: bool = True


class Judge(RequestValidator):
    """What oauthlib asks whoever runs a server."""

    def __init__(self) -> None:
        self.redirects = {REDIRECT}
        self.scopes = {"export", "offline_access"}
        self.codes: dict[str, Any] = {}
        self.devices: dict[str, str] = {}
        self.refresh: dict[str, Family] = {}
        self.spent: dict[str, Family] = {}
        self.access: set[str] = set()
        self.rotates = self.gives_refresh_token = True
        self.needs_pkce = True

    # Who asks.

    def client_authentication_required(self, request, *_, **__) -> bool:
        return bool(SECRETS.get(request.client_id or "box", ""))

    def authenticate_client(self, request, *_, **__) -> bool:
        name, secret = request.client_id, request.client_secret
        shown = request.headers.get("Authorization", "")
        if shown.startswith("Basic "):
            pair = base64.b64decode(shown.removeprefix("Basic ")).decode().partition(":")
            name, secret = unquote_plus(pair[0]), unquote_plus(pair[2])
        request.client = SimpleNamespace(client_id=name)
        return bool(secret) and SECRETS.get(name) == secret

    def authenticate_client_id(self, client_id, request, *_, **__) -> bool:
        request.client = SimpleNamespace(client_id=client_id)
        return SECRETS.get(client_id) == ""

    def validate_client_id(self, client_id, *_, **__) -> bool:
        return client_id in SECRETS

    def validate_grant_type(self, client_id, grant_type, *_, **__) -> bool:
        return grant_type in _GRANTS

    def validate_response_type(self, client_id, response_type, *_, **__) -> bool:
        return response_type == "code"

    def validate_redirect_uri(self, client_id, redirect_uri, *_, **__) -> bool:
        return redirect_uri in self.redirects

    def validate_scopes(self, client_id, scopes, *_, **__) -> bool:
        return set(scopes or ()) <= self.scopes

    def get_default_scopes(self, *_, **__) -> list[str]:
        return ["export"]

    def validate_user(self, username, password, client, request, *_, **__) -> bool:
        request.user = username
        return USERS.get(username) == password

    # Codes, with PKCE.

    def is_pkce_required(self, *_) -> bool:
        return self.needs_pkce

    def save_authorization_code(self, client_id, code, request, *_, **__) -> None:
        self.codes[code["code"]] = SimpleNamespace(
            client_id=client_id,
            redirect=request.redirect_uri,
            user=request.user,
            challenge=request.code_challenge,
            method=request.code_challenge_method,
            scopes=request.scopes,
        )

    def validate_code(self, client_id, code, client, request, *_, **__) -> bool:
        found = self.codes.get(code)
        if found is None or found.client_id != client_id:
            return False
        request.user, request.scopes = found.user, found.scopes
        return True

    def get_code_challenge(self, code, *_) -> str:
        return self.codes[code].challenge

    def get_code_challenge_method(self, code, *_) -> str:
        return self.codes[code].method

    def confirm_redirect_uri(self, client_id, code, redirect_uri, *_, **__) -> bool:
        return self.codes[code].redirect == redirect_uri

    def invalidate_authorization_code(self, client_id, code, *_, **__) -> None:
        del self.codes[code]

    # Tokens.

    def save_bearer_token(self, token, request, *_, **__) -> None:
        self.access = {token["access_token"]}
        if "refresh_token" in token and not self.gives_refresh_token:
            del token["refresh_token"]
        elif "refresh_token" in token:
            old = self.refresh.pop(request.refresh_token or "", None)
            family = old or Family(str(request.user))
            if old is not None:
                self.spent[request.refresh_token] = family
            self.refresh[token["refresh_token"]] = family

    def rotate_refresh_token(self, request) -> bool:
        return self.rotates

    def validate_refresh_token(self, refresh_token, client, request, *_, **__) -> bool:
        if refresh_token in self.spent:
            self.spent[refresh_token].is_alive = False  # somebody has a copy
            return False
        family = self.refresh.get(refresh_token)
        request.user = family.user if family else None
        return family is not None and family.is_alive

    def get_original_scopes(self, *_, **__) -> list[str]:
        return sorted(self.scopes)

    # Devices.

    def validate_device_code(self, client_id, code, request, *_, **__) -> str | None:
        state = self.devices.get(code)
        if state == DeviceCodeGrant.DEVICE_CODE_SLOW_DOWN:
            self.devices[code] = DeviceCodeGrant.DEVICE_CODE_PENDING
        if state == DeviceCodeGrant.DEVICE_CODE_AUTHORIZED:
            request.user, request.scopes = "ann", ["export"]
            del self.devices[code]
        return state


@dataclass
class SignInServer:
    """The server at work; `trap` answers in its place and returns True, or lets it be."""

    judge: Judge = field(default_factory=Judge)
    more: dict[str, object] = field(default_factory=dict)
    """What else stands in each answer with a token."""
    public_key: str = ""
    """Of whom signs for grant jwt_bearer."""
    audience: str = ""
    trap: Callable[[Request], bool] = lambda _: False
    on_export: Callable[[Request], None] = lambda _: None
    forms: list[dict[str, str]] = field(default_factory=list)
    interval: float = 1
    lives_seconds: float = 600
    server: Stub = None  # type: ignore[assignment] # once it serves

    def __post_init__(self) -> None:
        self._oauth = Server(self.judge)
        self._count = 0

    def url(self, path: str) -> str:
        """An address of ours."""
        return self.server.url(path)

    def play(self, request: Request) -> None:
        """Answer one request."""
        path = urlsplit(request.path).path
        if request.command == "POST":
            self.forms.append({key: said[0] for key, said in parse_qs(request.body).items()})
        if request.command == "GET":
            self._export(request)
        elif not self.trap(request):
            answer = {"/token": self._token, "/device": self._device}[path]
            request.answer(*answer(request), Content_Type="application/json")

    def _export(self, request: Request) -> None:
        self.on_export(request)
        shown = request.headers.get("Authorization", "").partition(" ")[2]
        is_known = shown in self.judge.access
        request.answer(200, CSV) if is_known else request.answer(401)

    def _token(self, request: Request) -> tuple[int, bytes]:
        headers = dict(request.headers)
        if self.forms[-1].get("grant_type") == _JWT:
            return self._signed(self.forms[-1])
        told = self._oauth.create_token_response(self.url("/token"), "POST", request.body, headers)
        return self._with_more(told[2], json.loads(told[1]))

    def _with_more(self, status: int, said: dict[str, object]) -> tuple[int, bytes]:
        return status, json.dumps(said | (self.more if status == 200 else {})).encode()

    def _signed(self, form: Mapping[str, str]) -> tuple[int, bytes]:
        try:
            claims = jwt.decode(
                form["assertion"],
                self.public_key,
                algorithms=["RS256"],
                audience=self.audience,
                options={"require": ["exp", "iat", "iss", "sub"]},
            )
        except jwt.PyJWTError as error:
            return 400, InvalidGrantError(str(error)).json.encode()
        if claims["exp"] - claims["iat"] > 180:  # Salesforce Help, "OAuth 2.0 JWT Bearer Flow"
            return 400, InvalidGrantError("it lives too long").json.encode()
        self._count += 1
        token = f"access-{self._count}"
        self.judge.access = {token}
        return self._with_more(200, {"access_token": token, "token_type": "Bearer"})

    def _device(self, request: Request) -> tuple[int, bytes]:
        endpoint = DeviceAuthorizationEndpoint(
            self.judge,
            self.url("/activate"),
            int(self.lives_seconds),
            None,
            self.url("/activate?user_code={user_code}"),
            lambda: "WDJB-MJHT",
        )
        try:
            _, said, status = endpoint.create_device_authorization_response(
                self.url("/device"), "POST", request.body, dict(request.headers)
            )
        except OAuth2Error as error:
            return error.status_code, error.json.encode()
        self.judge.devices[said["device_code"]] = DeviceCodeGrant.DEVICE_CODE_PENDING
        return status, json.dumps(said | {"interval": self.interval}).encode()

    # What people do.

    def says_yes(self, link: str, user: str = "ann") -> str:
        """Somebody opens a link and says yes; return the address that they land on."""
        scopes, who = self._oauth.validate_authorization_request(link)
        headers, _, status = self._oauth.create_authorization_response(
            link, scopes=scopes, credentials={**who, "user": user}
        )
        assert status == 302
        return headers["Location"]

    def types_code(self, what: str = DeviceCodeGrant.DEVICE_CODE_AUTHORIZED) -> None:
        """Somebody types the code of every device that waits, and says yes (or another thing)."""
        self.judge.devices = dict.fromkeys(self.judge.devices, what)

    def signs_out_everybody(self) -> None:
        """An administrator ends every sign-in."""
        for family in self.judge.refresh.values():
            family.is_alive = False


@contextmanager
def sign_in_server(authority: Authority) -> Iterator[SignInServer]:
    """Serve over TLS on loopback for the length of the block."""
    vendor = SignInServer()
    with stub(vendor.play, authority) as server:
        vendor.server = server
        yield vendor
