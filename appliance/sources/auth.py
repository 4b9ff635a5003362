"""The only home of how we show a web server who we are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.errors import SourceRefused
from . import oauth
from .oauth import Keeping
from .tokens import AskForToken


@dataclass(frozen=True, slots=True)
class Credentials:
    """What goes along with a request to those who may see it; its text shows nothing."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    told: Mapping[str, object] = field(default_factory=dict, repr=False)
    """What the token server said besides: `instance_url`, `api_domain` and the like."""


@dataclass(frozen=True, slots=True)
class Login:
    """How one source shows who we are, and where what a server replaces is stored."""

    auth: Mapping[str, Any] = field(repr=False)
    """See `sign_in`."""
    secrets_dir: str
    sign_in_of: Mapping[str, str] = field(default_factory=dict)
    """What is known of its sign-in: `source`, `folder` and `bound_to`, as `Keeping` has them."""

    @property
    def hidden(self) -> tuple[str, ...]:
        """What of it must never be seen."""
        names = ("password", "token", "value", "client_secret", "refresh_token", "private_key")
        return tuple(self.auth[name] for name in names if self.auth.get(name))

    @property
    def is_renewable(self) -> bool:
        """Whether signing in again could help where a server says no."""
        return self.auth.get("kind") == "oauth2"

    @property
    def keeping(self) -> Keeping:
        """Where what a sign-in brings is kept."""
        return Keeping(self.secrets_dir, **self.sign_in_of)

    def sign_in(self, ask: AskForToken) -> Credentials:
        """Return the credentials to send; see `sign_in` below."""
        return sign_in(self.auth, self.keeping, ask)


def sign_in(auth: Mapping[str, Any], keeping: Keeping, ask: AskForToken) -> Credentials:
    """Given a source's `auth`, return the credentials to send.

    Its kinds: none; basic (user, password); bearer (token); header (name, value); query (name,
    value); oauth2 (what `config.logins.OAuth2Auth` has; and `refresh_token_secret`, the NAME under
    which a refresh token is stored, for the grants that live on one).
    Raise SourceRefused where they cannot be used or the sign-in server says no.
    """
    kind = auth.get("kind", "none")
    if kind == "none":
        return Credentials()
    if kind == "basic":
        shown = oauth.basic(auth.get("user", ""), auth.get("password", ""))
        return _header("Authorization", shown)
    if kind == "bearer":
        return _header("Authorization", f"Bearer {auth['token'].strip()}")
    if kind == "header":
        return _header(auth["name"], auth["value"].strip())
    if kind == "query":
        return Credentials(query=((auth["name"], auth["value"].strip()),))
    if kind == "oauth2":
        return _with_token(auth, oauth.signed_in(auth, keeping, ask))
    raise SourceRefused(f"The login of this source is of no known kind: {kind}.")


def _with_token(auth: Mapping[str, Any], told: Mapping[str, Any]) -> Credentials:
    token = told["access_token"]
    shown = _header("Authorization", f"{auth.get('scheme') or 'Bearer'} {token}")
    if auth.get("cookie"):
        cookie = _header("Cookie", f"{auth['cookie']}={token}")
        shown = replace(shown, headers={**shown.headers, **cookie.headers})
    return replace(shown, told=told)


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
