"""The only home of questions to a vendor's sign-in server, and of what its answers mean to us.

What it says may be an echo of what we sent: see `refusals`.
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
from .refusals import ELSEWHERE, is_a_fault, known, refused

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
        raise SourceRefused(f"{host} sends far more than a token.", hint=ELSEWHERE)
    return body


def fields(body: bytes) -> Mapping[str, Any] | None:
    """Return the JSON object of a body; None where it is none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def error_of(reply: TokenReply) -> str:
    """Return the standard's word for what is wrong; empty where there is none."""
    return known(str((fields(reply.body) or {}).get("error", "")))


def told(reply: TokenReply) -> Mapping[str, Any]:
    """Return what a server says that gave an access token; raise SourceRefused where none came,
    SourceUnreachable where it says that it has a fault of its own.
    """
    said = fields(reply.body)
    token = (said or {}).get("access_token")
    if reply.status == 200 and isinstance(token, str) and token:
        return said or {}
    if said is None and reply.status == 200:
        raise SourceRefused(
            "The vendor's sign-in server answers with something else than a token.",
            hint=ELSEWHERE,
            detail="HTTP status 200, no JSON",
        )
    no = refused(error_of(reply), f"HTTP status {reply.status}, ")
    if is_a_fault(error_of(reply)):
        raise SourceUnreachable(no.message, detail=no.detail)
    raise no


def refresh_token(said: Mapping[str, Any]) -> str:
    """Return the refresh token of an answer; empty where there is none."""
    token = said.get("refresh_token")
    return token.strip() if isinstance(token, str) else ""
