"""The only home of sign-ins that a person makes: a link, and a code that goes one way or the other.

With a device code (RFC 8628) the person types it at the vendor's; else the vendor gives one to the
person (RFC 6749 section 4.1), and only whoever made the link can use it (PKCE, RFC 7636). Nothing
is stored before the vendor gave a refresh token.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets as randomness
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from ..core import sign_ins
from ..core.errors import SourceRefused, SourceUnreachable
from ..core.model import StepName
from ..core.ports import Watch
from . import oauth, tokens
from .auth import Login
from .calling import Caller
from .oauth import Auth, Keeping
from .tokens import AskForToken

_DEFAULT_INTERVAL, _SLOWER = 5.0, 5.0
"""RFC 8628 sections 3.2 and 3.5, seconds."""
_LONGEST_INTERVAL = 60.0
_LONGEST_WAIT = timedelta(minutes=30)
_CODE = re.compile(r"[^:?&=#]{1,4096}={0,2}")
"""A code by itself; those of Salesforce end in `==`, those of Google have a slash."""
_COPY = "Copy the whole address of the page on which you landed, and paste it."
_ONLY_ONCE = "The vendor let us in, but only once: it gave no refresh token."
_ASK_FOR_ONE = (
    'Ask for one: `scope` with "offline_access" (Microsoft and many others), "refresh_token" '
    '(Salesforce), or authorize_extra = { access_type = "offline", prompt = "consent" } (Google, '
    "Zoho)."
)


@dataclass(frozen=True, slots=True)
class Link:
    """What somebody opens in a browser, and what the box keeps to itself until they are back."""

    url: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect: str


@dataclass(frozen=True, slots=True)
class Device:
    """A code that somebody types at the vendor's, and what the box asks with meanwhile."""

    user_code: str
    url: str
    whole_url: str
    """The same with the code in it; empty where the vendor has none."""
    expires_seconds: float
    interval_seconds: float
    device_code: str = field(repr=False)


def link(auth: Auth, redirect: str = "") -> Link:
    """Given a source's `auth`, return the link that a person opens."""
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
        raise tokens.no(tokens.word(error), "the vendor's page: ")
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


# --- in the child: what asks the vendor -------------------------------------------------------


def step(who: Login, wanted: Mapping[str, Any], ca_file: str, watch: Watch) -> dict[str, object]:
    """Do one step of a person's sign-in and return what came of it, as plain JSON values.

    `do` is "device" (ask for a code to type), "wait" (until somebody typed it), or "exchange" (what
    somebody pasted). Raise SourceRefused, SourceUnreachable or Cancelled.
    """
    with ExitStack() as stack:
        caller = Caller(ca_file, 20.0, 30.0, stack)
        ask = tokens.asker(caller, (*who.hidden, *_hidden(wanted)))
        match wanted["do"]:
            case "device":
                return asdict(device(who.auth, ask))
            case "wait":
                told = _waited(who.auth, wanted, ask, watch)
            case _:
                form = {"grant_type": "authorization_code", "code": wanted["code"]}
                form |= {"redirect_uri": wanted["redirect"], "code_verifier": wanted["verifier"]}
                told = tokens.told(oauth.asked(who.auth, form, ask))
        return kept(who.auth, who.keeping, told)


def _hidden(wanted: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("device_code", "code", "verifier")
    return tuple(str(wanted[name]) for name in names if wanted.get(name))


def device(auth: Auth, ask: AskForToken) -> Device:
    """Ask the vendor for a code that a person types (RFC 8628 sections 3.1 and 3.2)."""
    reply = oauth.asked(auth, {}, ask, auth["device_url"])
    said = tokens.fields(reply.body) or {}
    url = said.get("verification_uri") or said.get("verification_url")  # Google's older word
    code, secret = said.get("user_code"), said.get("device_code")
    if reply.status != 200 or not (_is_link(url) and code and secret):
        raise tokens.no(tokens.error_of(reply), f"HTTP status {reply.status}, ")
    whole = said.get("verification_uri_complete")
    lives = min(_number(said.get("expires_in"), 600.0), _LONGEST_WAIT.total_seconds())
    every = min(_number(said.get("interval"), _DEFAULT_INTERVAL), _LONGEST_INTERVAL)
    whole_url = str(whole) if _is_link(whole) else ""
    return Device(oauth.plain(str(code)), str(url), whole_url, lives, every, str(secret))


def _is_link(url: object) -> bool:
    """A person opens it: nothing but a protected web address may be shown."""
    return isinstance(url, str) and url.startswith("https://") and url.isprintable()


def _number(said: object, default: float) -> float:
    """Return a number of seconds that a vendor says, if it is one."""
    try:
        number = float(said)  # type: ignore[arg-type] # whatever it is
    except (TypeError, ValueError):
        return default
    return number if 0 < number < float("inf") else default


def _waited(
    auth: Auth, wanted: Mapping[str, Any], ask: AskForToken, watch: Watch
) -> Mapping[str, Any]:
    """Ask again and again until somebody said yes or no, or nobody did in time."""
    until = monotonic() + float(wanted["expires_seconds"])
    every = float(wanted["interval_seconds"])
    form = {"grant_type": oauth.DEVICE_CODE, "device_code": wanted["device_code"]}
    while monotonic() < until:
        watch.report(StepName.PULL, 0, note="waiting for somebody to sign in")
        watch.cancel.wait(every)
        watch.check()
        try:
            reply = oauth.asked(auth, dict(form), ask)
        except SourceUnreachable:  # section 3.5: ask less often
            every = min(every * 2, _LONGEST_INTERVAL)
            continue
        error = tokens.error_of(reply)
        if error == "slow_down":
            every = min(every + _SLOWER, _LONGEST_INTERVAL)
        elif error != "authorization_pending":
            return tokens.told(reply)
    raise tokens.no("expired_token")


def kept(auth: Auth, keeping: Keeping, told: Mapping[str, Any]) -> dict[str, object]:
    """Have what a person's sign-in brought on the disk.

    Return what is known of it, as `core.sign_ins.as_json` has it, and what the vendor said besides.
    """
    token = tokens.refresh_token(told)
    if not token:
        raise SourceRefused(_ONLY_ONCE, hint=_ASK_FOR_ONE)
    with keeping.alone():
        store, name = oauth.store_of(auth, keeping)
        store.put(name, token)
        known = keeping.begin_anew(told, sign_ins.mark(token))
    return {**sign_ins.as_json(known), **besides(told)}


def besides(told: Mapping[str, Any]) -> dict[str, object]:
    """Return what the vendor said of itself: which of its servers is ours, and what we may see."""
    names = ("instance_url", "api_domain", "api_endpoint", "scope")
    return {name: oauth.plain(told[name]) for name in names if isinstance(told.get(name), str)}


def proved(who: Login, ca_file: str) -> dict[str, object]:
    """Sign in as a backup does, and do nothing else; return what is known of it."""
    with ExitStack() as stack:
        caller = Caller(ca_file, 20.0, 30.0, stack)
        credentials = who.sign_in(tokens.asker(caller, who.hidden))
    return {**sign_ins.as_json(who.keeping.record), **besides(credentials.told)}


__all__ = ["Device", "Link", "code_in", "link", "proved", "step"]
