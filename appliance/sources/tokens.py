"""The only home of questions to a vendor's sign-in server, and of what its answers mean to us.

Whatever such a server says may be an echo of what we sent: of its words only those get any further
that the standards know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import urlencode

from ..core.errors import SourceRefused, SourceUnreachable
from . import answers, calling
from .calling import Caller
from .origins import Reach, read

_LONGEST_BYTES = 1 << 16
_WITHIN_SECONDS = 60.0
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class TokenReply:
    """What a sign-in server answered."""

    status: int
    body: bytes = field(repr=False)


AskForToken = Callable[[str, Mapping[str, str], Mapping[str, str]], TokenReply]
"""Given an address, headers and a form, post it over TLS, follow nothing, read at most 64 KiB."""


def asker(caller: Caller, hidden: tuple[str, ...]) -> AskForToken:
    """Return what asks sign-in servers; `hidden` is what no error may show."""

    def ask(url: str, headers: Mapping[str, str], form: Mapping[str, str]) -> TokenReply:
        address = read(url)
        reach = Reach(address)
        reach.check(address)
        sent = {"Content-Type": _FORM, "Accept": "application/json", **headers}
        with calling.plain_words(address.host, hidden):
            response = caller.call(address, sent, reach, "POST", urlencode(form).encode())
            body = _body(response, address.host)
        response.close()
        if response.status in (408, 425, 429) or response.status >= 500:
            raise answers.refusal(response.status, response.headers, address.host)
        return TokenReply(response.status, body)

    return ask


def _body(response: Any, host: str) -> bytes:
    """Read it, however slowly it drips, and no more than a token can be."""
    body, until = b"", monotonic() + _WITHIN_SECONDS
    while len(body) <= _LONGEST_BYTES and (piece := response.read1(_LONGEST_BYTES)):
        body += piece
        if monotonic() > until:
            raise SourceUnreachable(f"{host} answers too slowly.")
    if len(body) > _LONGEST_BYTES:
        raise SourceRefused(f"{host} sends far more than a token.", hint=_ELSEWHERE)
    return body


_ELSEWHERE = "Check `token_url` of this source: people open other addresses than the box does."
_AGAIN = "Sign in at the vendor's again."
_KNOWN: Mapping[str, tuple[str, str]] = {
    "invalid_grant": ("The vendor no longer accepts our sign-in.", _AGAIN),
    "invalid_code": ("The vendor no longer accepts our sign-in.", _AGAIN),
    "expired_token": ("Nobody said yes at the vendor's in time.", "Begin once more."),
    "access_denied": (
        "Somebody said no at the vendor's, or may not say yes.",
        "Sign in there as somebody who may let others see the data, and say yes.",
    ),
    "consent_required": (
        "The vendor wants an administrator to allow it first.",
        "Have an administrator of the CRM allow the app, then begin once more.",
    ),
    "invalid_client": (
        "The vendor does not know the app, or its secret is another one.",
        "Check client_id and client_secret of this source, and how they are sent (client_auth).",
    ),
    "unauthorized_client": (
        "The vendor does not let this app sign in this way.",
        "Allow it in the vendor's screens, or check client_id and `grant` of this source.",
    ),
    "unsupported_grant_type": (
        "The vendor does not know this way of signing in.",
        "Check `grant` and token_url of this source.",
    ),
    "unsupported_response_type": (
        "The vendor does not know this way of signing in.",
        "Check `grant` and authorize_url of this source.",
    ),
    "invalid_scope": (
        "The vendor does not give what `scope` asks for.",
        "Check `scope` of this source, and what the app may do in the vendor's screens.",
    ),
    "invalid_target": (
        "The vendor does not know for what the token is to be.",
        "Check `audience` and `extra` of this source.",
    ),
    "redirect_uri_mismatch": (
        "The vendor knows another address to come back to.",
        "Let the app in the vendor's screens have the very address that `redirect` has.",
    ),
    "server_error": ("The vendor has a fault of its own just now.", "Begin once more later."),
    "temporarily_unavailable": (
        "The vendor has a fault of its own just now.",
        "Begin once more later.",
    ),
}
"""RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628 section 3.5, RFC 8707, OpenID Connect 3.1.2.6, and
`invalid_code` of Zoho and `redirect_uri_mismatch` of Google."""
_PLAIN = frozenset({"invalid_request", "authorization_pending", "slow_down"})


def fields(body: bytes) -> Mapping[str, Any] | None:
    """Return the JSON object of a body; None where it is none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def error_of(reply: TokenReply) -> str:
    """Return the standard's word for what is wrong; empty where there is none."""
    return word(str((fields(reply.body) or {}).get("error", "")))


def word(error: str) -> str:
    """Return what somebody says is wrong, if it is one of the standard's words."""
    return error if error in _KNOWN or error in _PLAIN else ""


def told(reply: TokenReply) -> Mapping[str, Any]:
    """Return what a server says that gave an access token; raise SourceRefused where none came."""
    said = fields(reply.body)
    token = (said or {}).get("access_token")
    if reply.status == 200 and isinstance(token, str) and token:
        return said or {}
    if said is None and reply.status == 200:
        raise SourceRefused(
            "The vendor's sign-in server answers with something else than a token.",
            hint=_ELSEWHERE,
            detail="HTTP status 200, no JSON",
        )
    raise no(error_of(reply), f"HTTP status {reply.status}, ")


def refresh_token(said: Mapping[str, Any]) -> str:
    """Return the refresh token of an answer; empty where there is none."""
    token = said.get("refresh_token")
    return token.strip() if isinstance(token, str) else ""


def no(error: str, detail: str = "") -> SourceRefused:
    """Given the standard's word, return the error that says so in plain words."""
    message, hint = _KNOWN.get(
        error,
        (
            "The vendor's sign-in server says no.",
            "Check client_id, client_secret, scope and token_url of this source.",
        ),
    )
    return SourceRefused(message, hint=hint, detail=f"{detail}error {error or 'not named'}")
