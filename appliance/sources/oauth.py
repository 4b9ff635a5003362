"""The only home of OAuth's grants: what is sent for a token, and what is kept of what comes.

Access tokens live in this process only. A refresh token that the server replaces is on the disk
before its access token is used: else a power cut in between locks the customer out.
"""

from __future__ import annotations

import base64
import secrets as randomness
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from ..core import sign_ins
from ..core.errors import ApplianceError, SourceRefused
from ..core.sign_ins import BY_A_PERSON, RENEWED, SignIn
from ..system.secrets import Secrets
from ..system.sign_ins import SignIns
from ..system.stopping import not_stopped
from . import tokens
from .refusals import is_over
from .tokens import AskForToken, TokenReply

Auth = Mapping[str, Any]
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_SCOPE_WAS_SAID = ("authorization_code", DEVICE_CODE)
_JWT_LIVES_SECONDS = 170
"""Salesforce takes three minutes at most."""
_JWT_EARLIER_SECONDS = 10
"""Their clock may be a little behind ours."""
_KEYS = ("client_secret", "private_key", "password")
"""What may be renewed in the vendor's screens: with another one a sign-in begins anew."""
_LASTING = ("refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in")
"""How vendors tell for how many seconds the refresh token lives: Google, GitHub and LinkedIn;
Keycloak (0: for ever); Intuit."""
_LONGEST_SECONDS = 100 * 366 * 86400
_PATIENCE_SECONDS = 150.0
"""For whoever renews the same sign-in: its server may be slow."""
_NOBODY = "Nobody has signed in for this source yet."
_SIGN_IN = "Sign in: `appliance signin {}`, or on the page under Settings."


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where what a sign-in brings is kept; its secret beside what is known of it."""

    secrets_dir: str = ""
    source: str = ""
    folder: str = ""
    """Of what is known of sign-ins; empty: nothing is remembered."""
    bound_to: str = ""
    """See `core.sign_ins.bound_to`."""

    @property
    def record(self) -> SignIn:
        """What is known of it."""
        return SignIns(Path(self.folder)).read(self.source) if self.folder else SignIn()

    @contextmanager
    def alone(self, auth: Auth, patience_seconds: float = _PATIENCE_SECONDS) -> Iterator[None]:
        """Renew it without anybody else doing so, of another source with the same token either;
        raise SourceUnreachable where somebody does not come to an end.
        """
        name = auth.get("refresh_token_secret", "")
        if not (self.folder and name):
            yield
            return
        with SignIns(Path(self.folder)).alone(name, patience_seconds):
            yield

    def remember(
        self, told: Mapping[str, Any], used: str, now_is: str, *, lives_on: bool = False
    ) -> None:
        """Note that the vendor let us in: `used` is the mark of what we had, `now_is` of what we
        have. `lives_on`: only a person makes it begin anew. A note that cannot be written stops no
        backup: what counts is in the secret store.
        """
        if not self.folder:
            return
        before, now = self.record, datetime.now(UTC)
        is_same = before.mark == used or lives_on
        known = replace(
            before,
            since=(before.since if is_same else None) or now,
            used=now,
            told=until(told, now) or (before.told if is_same and used == now_is else None),
            count=before.count + 1,
            who=who(told) or (before.who if is_same else ""),
            mark=now_is,
        )
        with suppress(ApplianceError, OSError):
            SignIns(Path(self.folder)).write(self.source, known)

    def begin_anew(self, told: Mapping[str, Any], mark: str) -> SignIn:
        """Note that a person signed in just now; raise ApplianceError where it cannot be noted."""
        now, count = datetime.now(UTC), self.record.count + 1
        known = SignIn(now, now, until(told, now), count, who(told), self.bound_to, mark)
        SignIns(Path(self.folder)).write(self.source, known)
        return known


def signed_in(auth: Auth, keeping: Keeping, ask: AskForToken) -> Mapping[str, Any]:
    """Get an access token by the grant of `auth`; return all that the server said with it.

    Raise SourceRefused where the server says no, or nobody has signed in; SourceUnreachable.
    """
    if auth.get("grant") in RENEWED:
        with keeping.alone(auth):
            return _renewed(auth, keeping, ask)
    told = tokens.told(ask(*_question(auth, _form(auth))))
    given = sign_ins.mark("\n".join(filter(None, (auth.get(each) for each in _KEYS))))
    keeping.remember(told, given, given)
    return told


def _form(auth: Auth) -> dict[str, str]:
    """RFC 6749 sections 4.3 and 4.4, RFC 7523 section 2.1."""
    match auth.get("grant"):
        case "password":
            who = {"username": auth["user"], "password": auth["password"]}
            return {"grant_type": "password", **who}
        case "jwt_bearer":
            return {"grant_type": _JWT_BEARER, "assertion": signed(auth)}
        case _:
            return {"grant_type": "client_credentials"}


def signed(auth: Auth) -> str:
    """Return what a private key vouches for: who we are, to whom, and for how long (RFC 7523)."""
    import jwt  # noqa: PLC0415 - one grant of six needs it, and it loads cryptography

    now = int(time.time())
    claims = {
        "iss": auth["client_id"],
        "sub": auth.get("subject") or auth["client_id"],
        "aud": auth.get("audience") or auth["token_url"],
        "iat": now - _JWT_EARLIER_SECONDS,
        "exp": now + _JWT_LIVES_SECONDS,
        "jti": randomness.token_hex(16),
    }
    claims |= {"scope": auth["scope"]} if auth.get("scope") else {}  # as Google reads it
    headers = {"kid": auth["key_id"]} if auth.get("key_id") else None
    try:
        return jwt.encode(claims, auth["private_key"], algorithm="RS256", headers=headers)
    except (ValueError, TypeError, jwt.PyJWTError):
        raise SourceRefused(
            "The private key of this source cannot be read.",
            hint="Store it again: an RSA key without a passphrase, from BEGIN to END.",
        ) from None


def _question(
    auth: Auth, form: dict[str, str], url: str = ""
) -> tuple[str, dict[str, str], dict[str, str]]:
    """Add who asks, as RFC 6749 section 2.3.1 has it, and what this vendor wants besides."""
    user, password = auth["client_id"], auth.get("client_secret", "")
    headers: dict[str, str] = {}
    is_signed = form.get("grant_type") == _JWT_BEARER
    if auth.get("scope") and form.get("grant_type") not in _SCOPE_WAS_SAID:
        form["scope"] = auth["scope"]
    if auth.get("audience") and not is_signed:
        form["audience"] = auth["audience"]
    form |= auth.get("extra") or {}
    if password and auth.get("client_auth", "basic") == "basic":
        headers["Authorization"] = basic(quote_plus(user), quote_plus(password))
    elif password or not is_signed:
        form |= {"client_id": user} | ({"client_secret": password} if password else {})
    return url or auth["token_url"], headers, form


def asked(auth: Auth, form: dict[str, str], ask: AskForToken, url: str = "") -> TokenReply:
    """Ask the sign-in server as the app that `auth` names."""
    return ask(*_question(auth, form, url))


def basic(user: str, password: str) -> str:
    """Return what says user and password in a header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


# --- refresh tokens ---------------------------------------------------------------------------


def _renewed(auth: Auth, keeping: Keeping, ask: AskForToken) -> Mapping[str, Any]:
    store, name = store_of(auth, keeping)
    current = _current(auth, store, name, keeping)
    store.put(name, current)  # a store that cannot be written must fail before the server rotates
    with not_stopped():  # nor may anybody who stops a backup
        current, told = _let_in(auth, current, ask)
        now_is = tokens.refresh_token(told) or current
        if now_is != store.get(name):
            _store_anyhow(store, name, now_is)
    lives_on = auth["grant"] in BY_A_PERSON
    keeping.remember(told, sign_ins.mark(current), sign_ins.mark(now_is), lives_on=lives_on)
    return told


def _let_in(auth: Auth, current: str, ask: AskForToken) -> tuple[str, Mapping[str, Any]]:
    """Return the token that was used and what the server said. Where what we had stored is over,
    somebody may have given another one; where anything else is wrong it is the older one, and to
    show that would have the vendor end the sign-in for good.
    """
    reply = _refreshed(auth, current, ask)
    given = auth.get("refresh_token", "").strip()
    if given not in ("", current) and is_over(tokens.error_of(reply)):
        current, reply = given, _refreshed(auth, given, ask)
    return current, tokens.told(reply)


def _store_anyhow(store: Secrets, name: str, token: str) -> None:
    """What lies there is worth nothing any more: where a new file has no room, its place has."""
    try:
        store.put(name, token)
    except ApplianceError:
        store.put_in_place(name, token)


def _refreshed(auth: Auth, token: str, ask: AskForToken) -> TokenReply:
    """Without a scope it is the one that the person said yes to (RFC 6749 section 6)."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    said = {**auth, "scope": ""} if auth["grant"] in BY_A_PERSON else auth
    return asked(said, form, ask)


def store_of(auth: Auth, keeping: Keeping) -> tuple[Secrets, str]:
    """Return where the refresh token lies, and its name there; raise SourceRefused where there is
    no such place.
    """
    name = auth.get("refresh_token_secret", "")
    if not (name and keeping.secrets_dir):
        raise SourceRefused(
            "There is no place to store the refresh token when the server replaces it.",
            hint="Give the refresh token as ${secret:NAME}.",
        )
    return Secrets(Path(keeping.secrets_dir)), name


def _current(auth: Auth, store: Secrets, name: str, keeping: Keeping) -> str:
    """Return the token to use; one that a person's sign-in brought only for the same servers."""
    hint = _SIGN_IN.format(keeping.source)
    if not store.has(name):
        if not auth.get("refresh_token"):
            raise SourceRefused(_NOBODY, hint=hint)
        return str(auth["refresh_token"]).strip()
    is_ours = name == sign_ins.secret_name(keeping.source)  # and not somebody's own choice
    if is_ours and keeping.record.bound_to != keeping.bound_to:
        raise SourceRefused(sign_ins.MOVED, hint=hint)
    return store.get(name)


# --- what a reply tells -----------------------------------------------------------------------


def who(told: Mapping[str, Any]) -> str:
    """Return as whom the vendor let us in, where it says so: in what OpenID Connect calls the ID
    token (which came from the server itself, so section 3.1.3.7 asks for no signature), or beside.
    """
    claims = _claims(told.get("id_token"))
    names = ("email", "preferred_username", "upn", "name")
    said = [claims.get(name) for name in names] + [told.get(name) for name in ("email", "username")]
    return next((plain(each) for each in said if isinstance(each, str) and plain(each)), "")


def plain(text: str) -> str:
    """Return what a vendor says as it may be shown: printable, on one line, short."""
    line = "".join(each if each.isprintable() else " " for each in text).strip()
    return line if len(line) <= 80 else f"{line[:79]}…"


def _claims(token: object) -> Mapping[str, Any]:
    if not isinstance(token, str) or token.count(".") != 2:
        return {}
    part = token.split(".")[1]
    try:
        return tokens.fields(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) or {}
    except ValueError:
        return {}


def until(told: Mapping[str, Any], now: datetime) -> datetime | None:
    """Return until when the refresh token lives, where the vendor says so."""
    for name in _LASTING:
        try:
            seconds = float(told[name])
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        if 0 < seconds <= _LONGEST_SECONDS:
            return now + timedelta(seconds=seconds)
    return None
