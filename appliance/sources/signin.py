"""The only home of what a vendor is asked while a person signs in.

With a device code (RFC 8628) the person types it at the vendor's; else the vendor gives one to the
person (see `consent`). Nothing is stored before the vendor gave a refresh token.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any

from ..core import sign_ins
from ..core.errors import SourceRefused, SourceUnreachable
from ..core.model import StepName
from ..core.ports import Watch
from ..system.stopping import not_stopped
from . import oauth, tokens
from .auth import Login
from .calling import Caller
from .oauth import Auth, Keeping
from .refusals import refused
from .tokens import AskForToken

_DEFAULT_INTERVAL, _SLOWER = 5.0, 5.0
"""RFC 8628 sections 3.2 and 3.5, seconds."""
_LONGEST_INTERVAL = 60.0
_NOT_YET = ("authorization_pending", "slow_down")
_PATIENCE_SECONDS = 15.0
"""For whoever renews the same sign-in just now."""
_LONGEST_WAIT = timedelta(minutes=30)
_ONLY_ONCE = "The vendor let us in, but only once: it gave no refresh token."
_ASK_FOR_ONE = (
    'Ask for one: `scope` with "offline_access" (Microsoft and many others), "refresh_token" '
    '(Salesforce), or authorize_extra = { access_type = "offline", prompt = "consent" } (Google, '
    "Zoho)."
)


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
                return _waited(who, wanted, ask, watch)
            case _:
                form = {"grant_type": "authorization_code", "code": wanted["code"]}
                form |= {"redirect_uri": wanted["redirect"], "code_verifier": wanted["verifier"]}
                with who.keeping.alone(who.auth, _PATIENCE_SECONDS):  # before the code is used up
                    told = tokens.told(oauth.asked(who.auth, form, ask))
                    return kept(who.auth, who.keeping, told)


def _hidden(wanted: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("device_code", "code", "verifier")
    return tuple(str(wanted[name]) for name in names if wanted.get(name))


def device(auth: Auth, ask: AskForToken) -> Device:
    """Ask the vendor for a code that a person types (RFC 8628 sections 3.1 and 3.2)."""
    reply = oauth.asked(auth, {"client_id": auth["client_id"]}, ask, auth["device_url"])
    said = tokens.fields(reply.body) or {}
    url = said.get("verification_uri") or said.get("verification_url")  # Google's older word
    code, secret = said.get("user_code"), said.get("device_code")
    if reply.status != 200 or not (_is_link(url) and code and secret):
        raise refused(tokens.error_of(reply), f"HTTP status {reply.status}, ")
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
    except (TypeError, ValueError, OverflowError):
        return default
    return number if 0 < number < float("inf") else default


def _waited(
    who: Login, wanted: Mapping[str, Any], ask: AskForToken, watch: Watch
) -> dict[str, object]:
    """Ask again and again until somebody said yes or no, or nobody did in time."""
    until = monotonic() + float(wanted["expires_seconds"])
    every = float(wanted["interval_seconds"])
    form = {"grant_type": oauth.DEVICE_CODE, "device_code": wanted["device_code"]}
    form |= {"client_id": who.auth["client_id"]}  # many want it, whoever else says who asks
    while monotonic() < until:
        watch.report(StepName.PULL, 0, note="waiting for somebody to sign in")
        watch.cancel.wait(every)
        watch.check()
        try:
            with who.keeping.alone(who.auth, _PATIENCE_SECONDS):
                reply = oauth.asked(who.auth, dict(form), ask)
                error = tokens.error_of(reply)
                if error not in _NOT_YET:
                    return kept(who.auth, who.keeping, tokens.told(reply))
        except SourceUnreachable:  # section 3.5: ask less often
            every = min(every * 2, _LONGEST_INTERVAL)
        else:
            every = min(every + (_SLOWER if error == "slow_down" else 0), _LONGEST_INTERVAL)
    raise refused("expired_token")


def kept(auth: Auth, keeping: Keeping, told: Mapping[str, Any]) -> dict[str, object]:
    """Have what a person's sign-in brought on the disk, while nobody else renews it.

    Return what is known of it, as `core.sign_ins.as_json` has it, and what the vendor said besides.
    """
    token = tokens.refresh_token(told)
    if not token:
        raise SourceRefused(_ONLY_ONCE, hint=_ASK_FOR_ONE)
    store, name = oauth.store_of(auth, keeping)
    with not_stopped():  # one without the other would be a sign-in for other servers
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
