"""The only home of links by which a person signs in at a vendor's, and of what they bring back.

The vendor gives a code to the person (RFC 6749 section 4.1), and only whoever made the link can use
it (PKCE, RFC 7636). No vendor is asked here.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets as randomness
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from ..core.errors import SourceRefused
from .refusals import known, refused

_CODE = re.compile(r"[A-Za-z0-9._~/+%!*$|-]{1,4096}={0,2}")
"""A code by itself; those of Salesforce end in `==`, those of Google have a slash."""
_COPY = "Copy the whole address of the page on which you landed, and paste it."


@dataclass(frozen=True, slots=True)
class Link:
    """What somebody opens in a browser, and what the box keeps to itself until they are back."""

    url: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect: str


def link(auth: Mapping[str, Any], redirect: str = "") -> Link:
    """Given a source's `auth`, return the link that a person opens; raise SourceRefused where
    whatever they type there could be read on the way.
    """
    redirect = redirect or auth["redirect"]
    state, verifier = randomness.token_urlsafe(24), randomness.token_urlsafe(64)
    asked = {
        "response_type": "code",
        "client_id": auth["client_id"],
        "redirect_uri": redirect,
        "state": state,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    asked |= {name: auth[name] for name in ("scope", "audience") if auth.get(name)}
    asked |= auth.get("authorize_extra") or {}
    url = auth["authorize_url"]
    if not url.startswith("https://"):
        raise SourceRefused(
            "The address where people sign in is not protected: it begins with http://.",
            hint="Give `authorize_url` of this source as the vendor names it, with https://.",
        )
    joint = "&" if urlsplit(url).query else "?"
    return Link(f"{url}{joint}{urlencode(asked)}", state, verifier, redirect)


def challenge(verifier: str) -> str:
    """Return what is sent ahead of a verifier (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def code_in(line: str, state: str) -> str:
    """Given what somebody pasted, the address they landed on or just the code, return the code.

    Raise SourceRefused where the vendor said no, where the address is of another sign-in, or where
    there is no code in it.
    """
    text = "".join(line.split()).strip("\"'<>`")
    said = _said_in(text)
    if error := said.get("error", ""):
        raise refused(known(error), "the vendor's page: ")
    if "code" not in said:
        if not _CODE.fullmatch(text):
            raise SourceRefused("There is no code in what was pasted.", hint=_COPY)
        return unquote(text)
    if not randomness.compare_digest(said.get("state", "").encode(), state.encode()):
        raise SourceRefused(
            "What was pasted is not of this sign-in.",
            hint="Open the newest link, sign in there, and copy the address you land on.",
        )
    return said["code"]


def _said_in(text: str) -> Mapping[str, str]:
    """Read what stands behind `?` or `#` of an address, which browsers copy with or without its
    beginning; or all of a text that is no address.
    """
    parts = re.split("[?#]", text)
    return dict(pair for part in parts[1:] or parts for pair in parse_qsl(part))
