"""The only home of how we show a web server who we are.

OAuth's access tokens live in this process only. A refresh token that the server replaces is on
the disk before its access token is used: else a power cut in between locks the customer out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote_plus

from ..core.errors import SourceRefused
from ..system.secrets import Secrets

_SIGN_IN = "Sign in at the vendor's again and put the new refresh token into the secret store."


@dataclass(frozen=True, slots=True)
class Credentials:
    """What goes along with a request to those who may see it; its text shows nothing."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    told: Mapping[str, object] = field(default_factory=dict, repr=False)
    """What the token server said besides: `instance_url`, `api_domain` and the like."""


@dataclass(frozen=True, slots=True)
class TokenReply:
    """What a token server answered."""

    status: int
    body: bytes = field(repr=False)


AskForToken = Callable[[str, Mapping[str, str], Mapping[str, str]], TokenReply]
"""Given an address, headers and a form, post it over TLS, follow nothing, read at most 64 KiB."""


@dataclass(frozen=True, slots=True)
class Login:
    """How one source shows who we are, and where what a server replaces is stored."""

    auth: Mapping[str, str] = field(repr=False)
    """See `sign_in`."""
    secrets_dir: str

    @property
    def hidden(self) -> tuple[str, ...]:
        """What of it must never be seen."""
        names = ("password", "token", "value", "client_secret", "refresh_token")
        return tuple(self.auth[name] for name in names if self.auth.get(name))

    @property
    def is_renewable(self) -> bool:
        """Whether signing in again could help where a server says no."""
        return self.auth.get("kind") == "oauth2"

    def sign_in(self, ask: AskForToken) -> Credentials:
        """Return the credentials to send; see `sign_in` below."""
        return sign_in(self.auth, self.secrets_dir, ask)


def sign_in(auth: Mapping[str, str], secrets_dir: str, ask: AskForToken) -> Credentials:
    """Given a source's `auth`, return the credentials to send.

    Its kinds: none; basic (user, password); bearer (token); header (name, value); query (name,
    value); oauth2 (grant, token_url, client_id, client_secret, scope, client_auth, and for the
    grant refresh_token also refresh_token and refresh_token_secret, the NAME under which a
    replaced one is stored; `scheme`, where the vendor wants another word than Bearer;
    `cookie`, where it wants the token in one of this name, too).
    Raise SourceRefused where they cannot be used or the token server says no.
    """
    kind = auth.get("kind", "none")
    if kind == "none":
        return Credentials()
    if kind == "basic":
        return _header("Authorization", _basic(auth.get("user", ""), auth.get("password", "")))
    if kind == "bearer":
        return _header("Authorization", f"Bearer {auth['token'].strip()}")
    if kind == "header":
        return _header(auth["name"], auth["value"].strip())
    if kind == "query":
        return Credentials(query=((auth["name"], auth["value"].strip()),))
    if kind == "oauth2":
        scheme = auth.get("scheme") or "Bearer"
        told = _token_reply(auth, secrets_dir, ask)
        header = _header("Authorization", f"{scheme} {told['access_token']}")
        cookie = {"Cookie": f"{auth['cookie']}={told['access_token']}"} if "cookie" in auth else {}
        return replace(header, told=told, headers={**header.headers, **cookie})
    raise SourceRefused(f"The login of this source is of no known kind: {kind}.")


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _header(name: str, value: str) -> Credentials:
    """Refuse early what the library would refuse with the secret in its message."""
    if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
        raise SourceRefused("The login's header has a name that no header has.")
    if not (value.isascii() and value.isprintable()):
        raise SourceRefused(
            "The secret of this source has letters or line breaks that cannot be sent.",
            hint="Store the secret again, copied exactly and on one line.",
        )
    return Credentials(headers={name: value})


def _token_reply(
    auth: Mapping[str, str], secrets_dir: str, ask: AskForToken
) -> Mapping[str, object]:
    if auth.get("grant") != "refresh_token":
        return _told(_grant(auth, {"grant_type": "client_credentials"}, ask))[0]
    store, name = _store(auth, secrets_dir)
    current = _current(auth, store, name)
    store.put(name, current)  # a store that cannot be written must fail before the server rotates
    try:
        told, replaced = _told(_refresh(auth, current, ask))
    except SourceRefused:
        given = auth.get("refresh_token", "")
        if given in ("", current):
            raise
        current = given  # somebody signed in again; what we had stored is the older one
        told, replaced = _told(_refresh(auth, current, ask))
    if (replaced or current) != store.get(name):
        store.put(name, replaced or current)
    return told


def _store(auth: Mapping[str, str], secrets_dir: str) -> tuple[Secrets, str]:
    name = auth.get("refresh_token_secret", "")
    if not (name and secrets_dir):
        raise SourceRefused(
            "There is no place to store the refresh token when the server replaces it.",
            hint="Give the refresh token as ${secret:NAME}.",
        )
    return Secrets(Path(secrets_dir)), name


def _current(auth: Mapping[str, str], store: Secrets, name: str) -> str:
    return store.get(name) if store.has(name) else auth["refresh_token"].strip()


def _refresh(auth: Mapping[str, str], token: str, ask: AskForToken) -> TokenReply:
    return _grant(auth, {"grant_type": "refresh_token", "refresh_token": token}, ask)


def _grant(auth: Mapping[str, str], form: dict[str, str], ask: AskForToken) -> TokenReply:
    """Ask as RFC 6749 has it: section 2.3.1 for who we are, 4.4 and 6 for the grants."""
    user, password = auth["client_id"], auth.get("client_secret", "")
    headers = {}
    if auth.get("scope"):
        form["scope"] = auth["scope"]
    if password and auth.get("client_auth", "basic") == "basic":
        headers["Authorization"] = _basic(quote_plus(user), quote_plus(password))
    else:
        form |= {"client_id": user} | ({"client_secret": password} if password else {})
    return ask(auth["token_url"], headers, form)


def _told(reply: TokenReply) -> tuple[Mapping[str, object], str]:
    """Return the reply, and the replaced refresh token (empty: it stays); raise SourceRefused."""
    try:
        answer = json.loads(reply.body)
    except (ValueError, RecursionError):
        answer = None
    told = answer if isinstance(answer, dict) else {}
    token, replaced = told.get("access_token"), told.get("refresh_token")
    if reply.status != 200 or not isinstance(token, str) or not token:
        raise _no(reply.status, str(told.get("error", "")))
    return told, replaced if isinstance(replaced, str) else ""


_KNOWN = frozenset(
    {
        "invalid_grant",
        "invalid_client",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_code",
        "access_denied",
    }
)
"""RFC 6749 section 5.2, and Zoho's; any other word may be an echo of what we sent."""


def _no(status: int, error: str) -> SourceRefused:
    detail = f"HTTP status {status}, error {error if error in _KNOWN else 'not named'}"
    if error in ("invalid_grant", "invalid_code"):
        message = "The vendor no longer accepts our sign-in."
        return SourceRefused(message, hint=_SIGN_IN, detail=detail)
    message = "The vendor's sign-in server says no."
    hint = "Check client_id, client_secret, scope and token_url of this source."
    return SourceRefused(message, hint=hint, detail=detail)
